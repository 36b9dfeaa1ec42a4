#!/usr/bin/env python3
"""-D, --patch-from, --prime and `aizip train`."""

import json
import re
import shlex

import harness
from harness import CORPORA, ROOT, TEXT, Case, noise

STORIES = str(ROOT / "tests" / "models" / "stories260k.gguf")
CODE = (ROOT / "src" / "codec" / "encoder.c").read_bytes()
PRIMERS = ("prose", "code", "json", "logs", "messages")


class Dictionaries(Case):
    def test_there_and_back(self):
        self.file("old", CODE[:9000])
        for name, content in {"new": CODE[3000:7000] + b"new", "empty": b"", "one": b"x", "noise": noise(3000)}.items():
            self.file(name, content)
            plain = len(self.succeeds("-c", name).stdout)
            self.succeeds("-D", "old", name)
            self.assertEqual(self.succeeds("-dc", "-D", "old", name + ".aiz").stdout, content, name)
            self.succeeds("-t", "-D", "old", name + ".aiz")
            self.assertLessEqual((self.dir / (name + ".aiz")).stat().st_size, plain + 13)
        self.assertLess((self.dir / "new.aiz").stat().st_size, 110)

    def test_patch_from_and_several_files(self):
        self.file("old", CODE)
        for n in range(3):
            self.file(f"new{n}", CODE[:10000 * n] + b"%d" % n + CODE[10000 * n:])
        self.succeeds("-T2", "--patch-from=old", "new0", "new1", "new2")
        for n in range(3):
            self.assertLess((self.dir / f"new{n}.aiz").stat().st_size, 120)
        self.succeeds("-d", "-f", "--dictionary", "old", "new0.aiz", "new1.aiz", "new2.aiz")
        self.assertEqual((self.dir / "new1").read_bytes(), CODE[:10000] + b"1" + CODE[10000:])

    def test_blocks_threads_and_levels(self):
        content = CODE * 9
        self.file("old", CODE[:20000])
        self.file("new", content)
        for level in "16":
            archives = {self.succeeds("-c", "-" + level, "--block-size=64K", threads, "-D", "old", "new").stdout
                        for threads in ("-T1", "-T2", "-T4")}
            self.assertEqual(len(archives), 1)
            archive = archives.pop()
            self.assertEqual(self.succeeds("-dc", "-T2", "-D", "old", stdin=archive).stdout, content)

    def test_streams_base64_and_lines(self):
        self.file("old", CODE[:5000])
        archive = self.succeeds("-D", "old", stdin=CODE[:500]).stdout
        self.assertEqual(self.succeeds("-d", "-D", "old", stdin=archive).stdout, CODE[:500])
        text = self.succeeds("--base64", "-D", "old", stdin=CODE[:500]).stdout
        self.assertEqual(self.succeeds("-d", "--base64", "-D", "old", stdin=text).stdout, CODE[:500])
        for option in (("-D", "old"), ("--prime", "prose"), ("--prime=auto",)):
            lines = self.succeeds("-i", *option, stdin=b"See you at eight, as we said.\n").stdout
            given = option if option[0] == "-D" else ()
            self.assertEqual(self.succeeds("-i", *given, stdin=lines).stdout, b"See you at eight, as we said.\n")

    def test_with_a_model(self):
        story = b"Once upon a time, there was a little girl named Lily. She loved to play outside.\n" * 9
        self.file("old", story[:400])
        self.file("new", story[200:500])
        for option in (("-D", "old"), ("--prime", "auto")):
            self.succeeds("-f", "-m", STORIES, *option, "new")
            given = option if option[0] == "-D" else ()
            self.assertEqual(self.succeeds("-dc", "-m", STORIES, *given, "new.aiz").stdout, story[200:500])
        self.succeeds("-f", "-m", STORIES, "-D", "old", "new")
        self.assertIn("needs a dictionary of 400 bytes", self.succeeds("-l", "new.aiz").stdout.decode())
        self.fails(1, "needs a dictionary", "-d", "-f", "-m", STORIES, "new.aiz")

    def test_salvage(self):
        content = CODE[:1000] + noise(70000) + CODE[:60000]
        self.file("old", CODE)
        self.file("new", content)
        self.succeeds("--block-size=64K", "-D", "old", "new")
        archive = bytearray((self.dir / "new.aiz").read_bytes())
        archive[300] ^= 1
        self.file("bad", bytes(archive))
        result = self.aizip("-d", "--salvage", "-c", "-D", "old", "bad")
        self.assertEqual((result.returncode, result.stdout), (3, content[65536:]))

    def test_surprise(self):
        self.file("old", CODE[:9000])
        self.file("new", CODE[2000:3000])
        for option in (("-D", "old"), ("--prime=code",), ("--prime=auto", "-9")):
            self.succeeds("-f", *option, "new")
            rows = self.succeeds("surprise", "--csv", *option, "new").stdout.decode().splitlines()[1:]
            bits = sum(float(row.rsplit(",", 2)[1]) for row in rows)
            self.assertAlmostEqual(bits, 8 * (self.dir / "new.aiz").stat().st_size, delta=0.1)


class Refusals(Case):
    def test_without_it_or_with_another(self):
        self.file("old", CODE[:9000])
        self.file("other", CODE[:9001])
        self.file("new", CODE[:100])
        self.succeeds("-D", "old", "new")
        for given in ((), ("-D", "other")):
            for mode in ("-d", "-t"):
                result = self.fails(1, "-D FILE names it", mode, "-f", *given, "new.aiz")
                self.assertRegex(result.stderr.decode(), r"new\.aiz: the archive needs (a|another) dictionary of 9000 "
                                                         r"bytes \(its SHA-256 begins with [0-9a-f]{16}\)")
        self.assertEqual(self.names(), ["new", "new.aiz", "old", "other"])

    def test_files_that_are_none(self):
        self.file("new")
        self.file("empty", b"")
        self.fails(1, "missing: cannot be", "-D", "missing", "new")
        self.fails(1, "empty: an empty file is no dictionary", "-D", "empty", "new")
        (self.dir / "folder").mkdir()
        self.fails(1, "folder: ", "-D", "folder", "new")
        self.fails(4, "--memlimit", "--memlimit", "1K", "-D", self.file("old", bytes(9000)), "new")
        self.fails(4, "memory", "--memlimit", "1M", "-D", self.file("old", bytes(900000)), "new")
        self.assertEqual(self.names(), ["empty", "folder", "new", "old"])

    def test_options_that_make_no_sense(self):
        self.file("new")
        self.fails(2, "--prime novel: there is no such primer; there are auto, prose, code, json, logs and messages",
                   "--prime", "novel", "new")
        self.fails(2, "one of them", "-D", "new", "--prime=prose", "new")
        self.fails(2, "-l needs no dictionary", "-l", "-D", "new", "new")
        self.fails(2, "archives name their own", "-d", "--prime=prose", "new")
        self.fails(2, "no such primer", "surprise", "--prime", "novel", "new")
        self.fails(2, "one of them", "surprise", "-D", "new", "--prime=prose", "new")
        self.fails(2, "value is missing", "-D")

    def test_damage(self):
        self.file("old", CODE[:9000])
        archive = self.succeeds("-D", "old", stdin=CODE[:100]).stdout
        for k in range(len(archive)):
            bad = self.file("bad", archive[:k] + bytes([archive[k] ^ 32]) + archive[k + 1:])
            result = self.aizip("-dc", "-D", "old", bad)
            self.assertIn(result.returncode, (1, 3, 5))
            self.assertEqual(result.stdout, b"")
            cut = self.aizip("-dc", "-D", "old", self.file("bad", archive[:k]))
            self.assertEqual((cut.returncode, cut.stdout), (3, b""))


class Primers(Case):
    def test_by_name(self):
        for name in PRIMERS:
            content = (ROOT / "src" / "primers" / (name + ".txt")).read_bytes()[1000:4000]
            self.file("new", content)
            self.succeeds("-f", "--prime", name, "new")
            self.assertLess((self.dir / "new.aiz").stat().st_size, 100)
            self.assertEqual(self.succeeds("-dc", "new.aiz").stdout, content)
            self.assertIn(f"built-in dictionary number {PRIMERS.index(name) + 1}, {name}",
                          self.succeeds("-l", "new.aiz").stdout.decode())
            info = json.loads(self.succeeds("-l", "--json", "new.aiz").stdout)["archives"][0]
            self.assertEqual(info["primer"], {"number": PRIMERS.index(name) + 1, "name": name})

    def test_auto(self):
        chosen = {}
        for name, content in {"code": CODE[:4096], "prose": (ROOT / "README.md").read_bytes()[:2000],
                              "noise": noise(4000), "long": CODE * 4}.items():
            self.file("new", content)
            plain = len(self.succeeds("-c", "new").stdout)
            self.succeeds("-f", "--prime", "auto", "new")
            self.assertEqual(self.succeeds("-dc", "new.aiz").stdout, content)
            self.assertLessEqual((self.dir / "new.aiz").stat().st_size, plain)
            info = json.loads(self.succeeds("-l", "--json", "new.aiz").stdout)["archives"][0]
            chosen[name] = info.get("primer", {}).get("name")
        self.assertEqual(chosen["code"], "code")
        self.assertIn(chosen["prose"], ("prose", "code", "messages"))
        self.assertEqual((chosen["noise"], chosen["long"]), (None, None))
        info = json.loads(self.succeeds("-l", "--json", self.given()).stdout)["archives"][0]
        self.assertEqual(info["dictionary"]["bytes"], 500)
        self.assertRegex(info["dictionary"]["sha256_prefix"], "^[0-9a-f]{16}$")

    def given(self):
        self.file("old", CODE[:500])
        self.file("given")
        self.succeeds("-f", "-D", "old", "given")
        return "given.aiz"

    def test_what_they_give(self):
        """Pieces of 4 KB of files that no primer is made from: what the README's table says, on a few."""
        if not CORPORA.exists():
            self.skipTest("no corpora")
        least = {"prose": (22, ("canterbury/alice29.txt", "canterbury/lcet10.txt", "calgary/book1")),
                 "code": (15, ("calgary/progc", "canterbury/fields.c", "source-code/lua-src.tar")),
                 "json": (10, ("json/citm_catalog.json", "json/twitter.json")),
                 "logs": (10, ("loghub/HDFS_2k.log", "loghub/Linux_2k.log"))}
        for name, (percent, files) in least.items():
            alone = primed = 0
            for path in files:
                data = (CORPORA / path).read_bytes()
                for at in range(0, len(data) - 4096, len(data) // 3):
                    piece = self.file("piece", data[at:at + 4096])
                    alone += len(self.succeeds("-c", piece).stdout)
                    primed += len(self.succeeds("-c", "--prime", name, piece).stdout)
            self.assertLess(primed, alone * (1 - percent / 100), name)


class Train(Case):
    def test_from_samples(self):
        for k in range(30):
            self.file(f"sample{k:02}", CODE[k * 500:k * 500 + 2000])
        result = self.succeeds("train", "-o", "primer", *(f"sample{k:02}" for k in range(30)))
        self.assertRegex(result.stdout.decode(), r"primer: [\d,]+ bytes, from 30 samples of 60,000 bytes\n"
                                                 r"3 pieces held out, 6,000 bytes, one by one at level 5: [\d,]+ bytes "
                                                 r"without it, [\d,]+ with it, \d+\.\d % smaller\n")
        report = json.loads(self.succeeds("train", "-f", "-q", "--json", "--size=4K", "-1", "-T1", "-o", "small", "-r",
                                          self.dir).stdout)
        self.assertEqual(report["level"], 1)
        self.assertLessEqual((self.dir / "small").stat().st_size, 4096)
        self.assertLess(report["coded_bytes_with"], report["coded_bytes_without"])
        again = self.succeeds("train", "-q", "--size=4K", "-1", "-T2", "-o", "-",
                              *(f"sample{k:02}" for k in range(30))).stdout
        more = self.succeeds("train", "-q", "--size=4K", "-1", "-T1", "-o", "-",
                             *(f"sample{k:02}" for k in range(30))).stdout
        self.assertEqual(again, more)

    def test_refusals(self):
        self.file("a", CODE[:3000])
        self.fails(2, "-o PRIMER", "train", "a")
        self.fails(2, "sample files", "train", "-o", "p")
        self.fails(1, "too little", "train", "-o", "p", "a")
        self.fails(1, "missing", "train", "-o", "p", "missing")
        self.fails(2, "1K to 4M", "train", "--size=1", "-o", "p", "a")
        self.fails(2, "stdout", "train", "--json", "-o", "-", "a")
        self.fails(1, "already exists", "train", "-o", "a", "a")
        self.file("b", CODE)
        self.fails(1, "can't be written", "train", "-q", "-o", "no/such/p", "b")
        result = self.aizip("train", "-q", "-o", "/dev/full", "b")
        self.assertEqual(result.returncode, 1)
        self.fails(4, "limit", "train", "--memlimit=20M", "-o", "p", "b")
        self.assertEqual(self.names(), ["a", "b"])

    def test_help_and_manual_say_every_option(self):
        text = self.succeeds("train", "--help").stdout.decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        section = manual[manual.index(".SH DICTIONARIES"):]
        source = (ROOT / "cli" / "train.c").read_text()
        table = source[source.index("long_options[]"):source.index("static int print_help")]
        for name, letter in re.findall(r"\{\"([a-z-]+)\", ('.'|[A-Z_]+)", table):
            if name not in ("quiet", "verbose", "help"):
                said = "-" + letter[1] if letter[0] == "'" and name != "memlimit" else "--" + name
                self.assertIn(said, text)
                self.assertIn(said, section)
        for option in ("-D FILE", "--prime=NAME"):
            self.assertIn(option, self.succeeds("--help").stdout.decode())
        for option in ("--patch-from=", "--dictionary=", "--prime="):
            self.assertIn(option, manual)

    def test_examples(self):
        (self.dir / "logs").mkdir()
        for k in range(20):
            self.file(f"logs/access-2026-{k:02}.log", b"".join(b"GET /%d HTTP/1.1 200 %d\n" % (k * j % 97, j) for j in range(99)))
        self.file("today.log", b"GET /17 HTTP/1.1 200 5\n" * 9)
        text = self.succeeds("train", "--help").stdout.decode()
        for line in text[text.index("Examples:"):].splitlines()[1:]:
            words = shlex.split(line)
            self.assertEqual(words[0], "aizip")
            names = sorted(str(p) for p in (self.dir / "logs").iterdir())
            words = [w for word in words[1:] for w in (names if "*" in word else [word])]
            self.succeeds(*(["-f"] if "-d" in words else []), *words)
        self.assertEqual(self.names(), ["access.primer", "logs", "today.log", "today.log.aiz"])


if __name__ == "__main__":
    harness.main()
