#!/usr/bin/env python3
"""-l and -l --json."""

import json
import os

import harness
from harness import TEXT, Case


class List(Case):
    def test_a_row_an_archive_and_a_total(self):
        _, archive = self.archive("a.txt")
        self.archive("b", harness.noise(1000))
        lines = self.succeeds("-l", "a.txt.aiz").stdout.decode().splitlines()
        self.assertEqual(lines[0].split(), ["archive", "content", "ratio", "bits/byte", "method",
                                            "level", "check", "blocks", "stored", "name"])
        fields = lines[1].split()
        n = archive.stat().st_size
        self.assertEqual(fields[0].replace(",", ""), str(n))
        self.assertEqual(fields[1].replace(",", ""), str(len(TEXT)))
        self.assertEqual(fields[2], f"{len(TEXT) / n:.2f}")
        self.assertEqual(fields[3], f"{n * 8 / len(TEXT):.3f}")
        self.assertEqual(fields[4], "cm")
        self.assertEqual(fields[-1], "a.txt.aiz")
        self.assertEqual(len(lines), 2)
        lines = self.succeeds("-l", "a.txt.aiz", "b.aiz").stdout.decode().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertTrue(lines[3].endswith("total of 2 files"))

    def test_json_says_the_same(self):
        _, archive = self.archive("a.txt")
        self.archive("b", harness.noise(1000))
        listing = json.loads(self.succeeds("-l", "--json", "a.txt.aiz", "b.aiz").stdout)
        first, second = listing["archives"]
        self.assertEqual(first["name"], "a.txt.aiz")
        self.assertEqual(first["archive_bytes"], archive.stat().st_size)
        self.assertEqual(first["content_bytes"], len(TEXT))
        self.assertEqual((first["level"], first["method"], first["blocks"], first["archives"]),
                         (1, "cm", 1, 1))
        self.assertGreater(first["memory_bytes"], 0)
        self.assertEqual(first["stored_blocks"], 0)
        self.assertEqual(second["stored_blocks"], 1)
        self.assertEqual(listing["total"]["files"], 2)
        self.assertEqual(listing["total"]["content_bytes"], len(TEXT) + 1000)

    def test_json_holds_any_name(self):
        names = [b'quote" back\\ tab\t new\n esc\x1b del\x7f', "ünïcödé ".encode(), b"raw \xff\xc3",
                 b"surrogate \xed\xa0\x80", b"long \xf0\x9f\x98\x80"]
        for name in names:
            self.archive(os.fsdecode(name))
        listing = json.loads(self.succeeds("-l", "--json", "--", *[
            os.fsdecode(name + b".aiz") for name in names]).stdout.decode("utf-8"))
        self.assertEqual([entry["name"].encode("utf-8", "surrogateescape")
                          for entry in listing["archives"]], [name + b".aiz" for name in names])

    def test_json_stays_valid_after_an_error(self):
        self.archive("a")
        result = self.aizip("-l", "--json", "missing", "a.aiz")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(json.loads(result.stdout)["archives"]), 1)
        result = self.aizip("-l", "--json", "missing")
        self.assertEqual(json.loads(result.stdout)["archives"], [])

    def test_archives_that_follow_one_another_add_up(self):
        one = self.succeeds("-1", stdin=b"one").stdout
        two = self.succeeds("-9", stdin=b"three").stdout
        self.file("x.aiz", one + two)
        entry = json.loads(self.succeeds("-l", "--json", "x.aiz").stdout)["archives"][0]
        self.assertEqual((entry["archives"], entry["content_bytes"], entry["level"]), (2, 8, None))
        self.assertIn(b" mixed ", self.succeeds("-l", "x.aiz").stdout)

    def test_an_empty_content(self):
        self.archive("empty", b"")
        entry = json.loads(self.succeeds("-l", "--json", "empty.aiz").stdout)["archives"][0]
        self.assertEqual((entry["content_bytes"], entry["ratio"], entry["bits_per_byte"]),
                         (0, 0, 0))
        self.succeeds("-l", "empty.aiz")

    def test_what_is_no_archive(self):
        self.file("x.aiz", b"no archive, whatever its name says")
        result = self.fails(3, "aizip: x.aiz: ", "-l", "x.aiz")
        self.assertEqual(result.stdout, b"")
        self.file("y.aiz", b"")
        self.fails(3, "aizip: y.aiz: ", "-l", "y.aiz")

    def test_a_pipe_is_refused(self):
        _, archive = self.archive()
        self.fails(1, "stdin: -l needs a file, since it reads the end of the archive", "-l",
                   stdin=archive.read_bytes())
        with open(archive, "rb") as file:
            self.assertIn(b"stdin", self.succeeds("-l", stdin_file=file).stdout)

    def test_a_directory_with_r(self):
        self.archive("d/a")
        self.archive("d/b")
        lines = self.succeeds("-lr", "d").stdout.splitlines()
        self.assertEqual(len(lines), 4)


if __name__ == "__main__":
    harness.main()
