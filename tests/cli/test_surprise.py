#!/usr/bin/env python3
"""aizip surprise: the bits shown are the archive's, and what is shown does no harm."""

import csv
import html
import io
import json
import os
import pty
import re
import struct
import subprocess
import zlib

import harness
from harness import AIZIP, ROOT, SANITIZE, TEXT, Case, noise

STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
STORY = (b"Once upon a time, there was a little girl named Lily. She loved to play in the park. "
         b"One day, she saw a big, red ball. \"Can I play with it?\" asked Lily.\n")
HOSTILE = ("<script>alert(1)</script></script><!-- \x1b[31m \u202e \u009b \u2066 \"quote\", 'one' & "
           "\u00e9\U0001f600 \x00 \xff").encode("utf-8", "surrogateescape") + b"\xff\xfe\x80 end\n"


def rows_of(result):
    return list(csv.DictReader(io.StringIO(result.stdout.decode())))


def page_data(page):
    """What the page's script draws."""
    text = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1]
    return json.loads(text)


def on_terminal(case, *args, env=None):
    """What surprise shows on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([AIZIP, "surprise", *args], cwd=case.dir, stdout=slave,
                               env=dict(os.environ, TERM="xterm", **(env or {})))
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:
        pass
    os.close(master)
    case.assertEqual(process.wait(), 0)
    return shown


class Sums(Case):
    def check(self, name, *args):
        """Of all units: they are the file, cut, and add up to the archive."""
        content = (self.dir / name).read_bytes()
        size = len(self.succeeds("-c", "-q", *args, "--", name).stdout)
        for unit in ("byte", "token", "word", "line"):
            rows = rows_of(self.succeeds("surprise", "--csv", "--by", unit, *args, "--", name))
            at = 0
            for row in rows[:-1]:
                self.assertEqual(int(row["first_byte"]), at)
                self.assertGreater(int(row["n_bytes"]), 0)
                at += int(row["n_bytes"])
            self.assertEqual(at, len(content))
            self.assertEqual(int(rows[-1]["n_bytes"]), 0)
            bits = sum(float(row["bits"]) for row in rows)
            self.assertAlmostEqual(bits / 8, size, delta=0.01, msg=(unit, args))
        return rows, size

    def test_levels(self):
        self.file("a.txt", TEXT[:6000])
        for level in (1, 3, 5) if SANITIZE else range(1, 10):
            self.check("a.txt", f"-{level}")

    def test_kinds(self):
        for i, content in enumerate((b"", b"a", b"\n\n\n", noise(3000), HOSTILE, TEXT * 8)):
            self.file(f"f{i}", content)
            self.check(f"f{i}", "-1")

    def test_blocks(self):
        self.file("a", TEXT * 8)
        self.check("a", "-1", "--block-size", "64K")

    def test_a_stored_block_shows_eight_bits(self):
        self.file("a", noise(2000))
        rows = rows_of(self.succeeds("surprise", "--csv", "a"))
        self.assertEqual({row["bits"] for row in rows[:-1]}, {"8.000000"})

    def test_with_a_model(self):
        self.file("a", STORY * 8)
        rows, size = self.check("a", "-m", STORIES)
        self.check("a", "-m", STORIES, "-9")
        self.check("a", "-m", STORIES, "--lanes", "3", "--window", "64")
        self.assertLess(size, len(self.succeeds("-c", "a").stdout))
        tokens = rows_of(self.succeeds("surprise", "--csv", "-m", STORIES, "a"))
        self.assertGreater(len(rows_of(self.succeeds("surprise", "--csv", "a"))), len(tokens))

    def test_the_same_for_any_thread_count(self):
        self.file("a", TEXT * 8)
        one = self.succeeds("surprise", "--json", "-1", "--block-size", "64K", "-T1", "a").stdout
        self.assertEqual(
            self.succeeds("surprise", "--json", "-1", "--block-size", "64K", "-T3", "a").stdout, one)
        self.assertEqual(self.succeeds("surprise", "--json", "-1", "--block-size", "64K", "a",
                                       env={"AIZIP_CPU_DISABLE": "all"}).stdout, one)


class Forms(Case):
    def test_json(self):
        self.file("a", TEXT[:3000])
        got = json.loads(self.succeeds("surprise", "--json", "a").stdout)
        size = len(self.succeeds("-c", "a").stdout)
        model = got["models"][0]
        self.assertEqual((got["bytes"], model["archive_bytes"]), (3000, size))
        self.assertAlmostEqual((model["bits"] + model["frame_bits"]) / 8, size, places=4)
        self.assertAlmostEqual(sum(row["bits"] for row in got["rows"]), model["bits"], delta=0.01)
        self.assertEqual("".join(row["text"] for row in got["rows"]).encode(), TEXT[:3000])
        for row in got["rows"]:
            self.assertEqual(len(row["guesses"]), 5)
            bits = [guess["bits"] for guess in row["guesses"]]
            self.assertEqual(bits, sorted(bits))
            self.assertLessEqual(sum(2 ** -b for b in bits), 1.0001)
            if row["rank"] <= 5:
                own = row["guesses"][row["rank"] - 1]
                self.assertEqual(own["text"], row["text"])
                self.assertAlmostEqual(own["bits"], row["bits"], delta=1e-4)
            else:
                self.assertNotIn(row["text"], [g["text"] for g in row["guesses"]])

    def test_against(self):
        self.file("a", STORY * 4)
        got = json.loads(self.succeeds("surprise", "--json", "-m", STORIES, "--against", "built-in",
                                       "a").stdout)
        self.assertEqual([m["model"] for m in got["models"]], [str(STORIES), "built-in"])
        other = json.loads(self.succeeds("surprise", "--json", "a").stdout)
        self.assertEqual(got["models"][1], other["models"][0])
        self.assertAlmostEqual(sum(r["against_bits"] for r in got["rows"]),
                               got["models"][1]["bits"], delta=0.01)
        for row in got["rows"]:
            self.assertAlmostEqual(row["against_bits"] - row["bits"], row["difference"], places=5)
        text = self.succeeds("surprise", "-m", STORIES, "--against", "built-in", "a").stdout
        self.assertIn(b"think most differently", text)

    def test_a_page_that_needs_nothing(self):
        self.file("a", STORY * 8)
        for args in ((), ("-m", STORIES), ("-m", STORIES, "--against", "built-in"), ("--hex",)):
            self.succeeds("surprise", "-q", "--html", "p.html", *args, "a")
            page = (self.dir / "p.html").read_text("utf-8")
            self.assertIsNone(re.search(r"https?:|src=|@import|url\(", page))
            self.assertIn("default-src 'none'", page)
            data = page_data(page)
            self.assertEqual(data["bytes"], len(STORY) * 8)
            self.assertEqual(sum(data["sizes"]), len(STORY) * 8)
            self.assertEqual("".join(data["text"]).encode(), STORY * 8)
            self.assertEqual(len(data["text"]), len(data["rank"]))
            self.assertEqual(len(data["text"]), len(data["guesses"]))
            self.assertEqual("other" in data, "--against" in args)
            self.assertEqual(data["hex"], "--hex" in args)

    def test_a_page_of_a_long_file(self):
        self.file("a", TEXT * 60)
        self.succeeds("surprise", "-q", "-1", "--html", "p.html", "a")
        data = page_data((self.dir / "p.html").read_text("utf-8"))
        self.assertEqual(sum(data["sizes"]), 1 << 20)
        self.assertTrue(data["guesses"][(256 << 10) - 1])
        self.assertFalse(data["guesses"][256 << 10])

    def test_a_picture(self):
        for content in (b"", b"a", TEXT, TEXT * 40):
            self.file("a", content)
            for args, n in (((), 1), (("--against", "built-in"), 3)):
                self.succeeds("surprise", "-q", "-1", *args, "--png", "p.png", "a")
                png = (self.dir / "p.png").read_bytes()
                self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
                width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
                self.assertEqual((width, depth, colour), (1024, 8, 2))
                at, data = 8, b""
                while at < len(png):
                    length, kind = struct.unpack(">I4s", png[at:at + 8])
                    data += png[at + 8:at + 8 + length] if kind == b"IDAT" else b""
                    at += 12 + length
                self.assertEqual(len(zlib.decompress(data)), height * (1024 * 3 + 1))
                self.assertEqual((height - (n - 1) * 8) % (4 * n), 0)

    def test_colour_on_a_terminal_only(self):
        self.file("a", TEXT[:500])
        self.assertNotIn(b"\x1b", self.succeeds("surprise", "a").stdout)
        for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            for args in ((), ("--hex",)):
                shown = on_terminal(self, *args, "a", env=env)
                self.assertEqual(b"\x1b[" in shown, coloured)
                self.assertEqual(b"bits a byte:" in shown, coloured)
                if coloured and not args:
                    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown).replace(b"\xe2\x86\xb5", b"")
                    self.assertIn(TEXT[:500].replace(b"\n", b"\r\n"), plain)


class Harm(Case):
    def test_hostile_text_and_names(self):
        name = "<b>\x1b[31m\u202e'\"&.txt"
        self.file(name, HOSTILE * 3)
        for unit in ("byte", "token", "word", "line"):
            for args in (("--csv",), ("--json",), ()):
                out = self.succeeds("surprise", "--by", unit, *args, "--", name).stdout
                text = out.decode("utf-8")
                self.assertIsNone(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]",
                                            text), (unit, args))
                if args == ("--json",):
                    self.assertNotIn("</", text)
                    got = json.loads(text)
                    whole = "".join(row["text"] for row in got["rows"])
                    self.assertEqual(whole.encode("utf-8", "surrogateescape"), HOSTILE * 3)
            shown = re.sub(rb"\x1b\[[0-9;]*m", b"", on_terminal(self, "--by", unit, "--", name))
            text = shown.decode("utf-8").replace("\r\n", "\n")
            self.assertIsNone(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text))
            self.succeeds("surprise", "-q", "--by", unit, "--html", "p.html", "--", name)
            page = (self.dir / "p.html").read_text("utf-8")
            self.assertEqual(page.count("<script"), 2)
            self.assertEqual(page.count("</script"), 2)
            self.assertNotIn("<b>\x1b", page)
            self.assertIsNone(re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page))
            self.assertIn(html.escape("<b>"), page)
            text = "".join(page_data(page)["text"])
            self.assertEqual(text.encode("utf-8", "surrogateescape"), HOSTILE * 3)

    def test_a_hostile_name_of_a_model(self):
        self.file("a")
        name = "\x1b[31m\u202e<i>.gguf"
        self.file(name, STORIES.read_bytes())
        for args in ((), ("--json",), ("--csv",)):
            text = self.succeeds("surprise", *args, "-m", "./" + name, "a").stdout.decode()
            self.assertIsNone(re.search("[\x1b\u202e]", text))
        self.succeeds("surprise", "-q", "--html", "p", "-m", "./" + name, "--against", "./" + name, "a")
        self.assertIsNone(re.search("[\x1b\u202e]|<i>", (self.dir / "p").read_text("utf-8")))

    def test_long_lines_are_cut(self):
        self.file("a", b"word \xc3\xa9" * 40000)
        shown = on_terminal(self, "-1", "--by", "line", "a")
        self.assertIn(b"... and 214,", shown.replace(b"\r\n", b"\n"))
        shown.decode()
        self.file("a", b"x\xc3\xa9" * 400000)
        self.succeeds("surprise", "-q", "-1", "--by", "line", "--html", "p", "a")
        data = page_data((self.dir / "p").read_text("utf-8"))
        self.assertIn((1 << 20) - sum(data["sizes"]), (0, 1))

    def test_what_makes_no_sense(self):
        self.file("a")
        self.fails(2, "only one of them can go to standard output", "surprise", "--html", "-", "--csv", "a")
        self.fails(2, "the name of one file is needed", "surprise")
        self.fails(2, "the name of one file is needed", "surprise", "a", "a")
        self.fails(2, "expected byte, token, word or line", "surprise", "--by", "page", "a")
        self.fails(2, "only one of them", "surprise", "--json", "--csv", "a")
        self.fails(2, "they go with a language model", "surprise", "--lanes", "2", "a")
        self.fails(2, "expected a number from 1 to 64", "surprise", "--lanes", "0", "a")
        self.fails(1, "missing: ", "surprise", "missing")
        self.fails(1, "no-such", "surprise", "-m", "no-such-model", "a")
        self.fails(4, "memory", "surprise", "--memlimit", "1M", "a")

    def test_no_half_made_output(self):
        self.file("a")
        for form in ("--html", "--png"):
            self.fails(1, "can't be written", "surprise", "-q", form, "no/such/folder", "a")
            result = self.aizip("surprise", "-q", form, "/dev/full", "a")
            self.assertEqual(result.returncode, 1)
            self.fails(1, "missing", "surprise", "-q", form, "out", "missing")
        self.assertEqual(self.names(), ["a"])

    def test_help_and_manual_say_every_option(self):
        text = self.succeeds("surprise", "--help").stdout.decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        section = manual[manual.index(".SH SURPRISE"):]
        source = (ROOT / "cli" / "surprise.c").read_text()
        table = source[source.index("long_options[]"):source.index("static int usage")]
        for name in re.findall(r'\{"([a-z-]+)"', table):
            if name not in ("model", "quiet", "verbose", "help", "threads", "recursive"):
                self.assertIn("--" + name, text)
                self.assertIn("--" + name, section)

    def test_examples(self):
        self.file("book.txt", STORY * 3)
        text = self.succeeds("surprise", "--help").stdout.decode()
        for line in text[text.index("Examples:"):].splitlines()[1:]:
            words = line.replace("smollm2-135m", str(STORIES)).split()
            self.assertEqual(words[0], "aizip")
            self.succeeds(*words[1:])
        self.assertEqual(self.names(), ["book.txt", "map.html", "strip.png"])


if __name__ == "__main__":
    harness.main()
