#!/usr/bin/env python3
"""Every option, and the command lines that make no sense."""

import re

import harness
from harness import TEXT, Case


class Help(Case):
    def test_help_shows_usage_and_examples(self):
        for option in ("--help", "-h"):
            text = self.succeeds(option).stdout.decode()
            self.assertTrue(text.startswith("Usage: aizip "))
            self.assertIn("Examples:", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 88)

    def test_help_names_every_long_option(self):
        source = (harness.ROOT / "cli" / "options.c").read_text()
        table = source[source.index("long_options[]"):source.index("#define SHORT_OPTIONS")]
        page = (harness.ROOT / "docs" / "aizip.1").read_text().replace("\\", "")
        for name in re.findall(r'\{"([a-z-]+)", OPTION', table):
            self.assertIn("--" + name, page, "the man page")

    def test_version_is_that_of_the_header(self):
        header = (harness.ROOT / "include" / "aizip.h").read_text()
        version = re.search(r'AZ_VERSION_STRING "([^"]+)"', header).group(1)
        for option in ("--version", "-V"):
            lines = self.succeeds(option).stdout.decode().splitlines()
            self.assertRegex(lines[0], f"^aizip {re.escape(version)}\\b")
            self.assertRegex("\n".join(lines), r"(compares with|built without).*zstd -19")


class Usage(Case):
    def usage(self, sentence, *args):
        self.file("a")
        self.file("b")
        before = self.names()
        result = self.fails(2, sentence, *args)
        self.assertEqual(result.stdout, b"")
        self.assertEqual(self.names(), before)

    def test_unknown_options_are_refused(self):
        self.usage("option --frobnicate: there is no such option", "--frobnicate", "a")
        self.usage("option -x: there is no such option", "-x", "a")
        self.usage("option -dx: there is no such option", "-dx", "a")
        self.usage("option --keep=1: it takes no value", "--keep=1", "a")

    def test_hostile_options_are_escaped(self):
        self.usage(r"option --\x1b[2J", "--\x1b[2J", "a")

    def test_levels_are_1_to_9(self):
        self.usage("level -19: levels are -1 (fastest) to -9 (smallest)", "-19", "a")
        self.usage("level -0: levels are", "-0", "a")
        self.usage("level -999999: levels are", "-" + "9" * 5000, "a")

    def test_values_are_checked(self):
        self.usage("threads 257: expected a number from 0", "-T257", "a")
        self.usage("threads x: expected a number", "-T", "x", "a")
        self.usage("--memlimit lots: expected a size", "--memlimit=lots", "a")
        self.usage("--memlimit -1: expected a size", "--memlimit", "-1", "a")
        self.usage("--memlimit 99999999999999999999: expected", "-M99999999999999999999", "a")
        self.usage("--memlimit 101%: expected a size", "--memlimit=101%", "a")
        self.usage("--block-size 100000: expected a power of two", "--block-size=100000", "a")
        self.usage("--block-size 32K: expected a power of two", "--block-size=32K", "a")
        self.usage("--block-size 128M: expected a power of two", "--block-size=128M", "a")

    def test_missing_values_are_named(self):
        self.usage("option -o: its value is missing", "a", "-o")
        self.usage("option -T: its value is missing", "a", "-T")
        self.usage("option --memlimit: its value is missing", "a", "--memlimit")

    def test_options_that_exclude_each_other(self):
        self.usage("options -o and -c: only one", "-c", "-o", "x", "a")
        self.usage("option -o: it takes one input file", "-o", "x", "a", "b")
        self.usage("option -o: it takes one input file", "-r", "-o", "x", "a")
        self.usage("option --json: it goes with -l", "--json", "a")
        self.usage("option --salvage: it goes with -d", "--salvage", "a")
        self.usage("option --salvage: it goes with -d", "-t", "--salvage", "a")


class Options(Case):
    def test_file_becomes_file_aiz_and_stays(self):
        path = self.file("file.txt")
        result = self.succeeds("file.txt")
        self.assertEqual(result.stdout, b"")
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])
        self.assertEqual(path.read_bytes(), TEXT)
        path.unlink()
        self.succeeds("-d", "file.txt.aiz")
        self.assertEqual(path.read_bytes(), TEXT)
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])

    def test_every_level_round_trips_and_is_recorded(self):
        self.file("file.txt")
        for level in range(1, 10):
            archive = self.succeeds(f"-{level}", "-c", "file.txt").stdout
            self.assertEqual(self.succeeds("-dc", stdin=archive).stdout, TEXT)
            self.file("x.aiz", archive)
            self.assertIn(b'"level":%d,' % level, self.succeeds("-l", "--json", "x.aiz").stdout)

    def test_the_last_level_counts(self):
        self.assertEqual(self.succeeds("-9", "-1", stdin=TEXT).stdout,
                         self.succeeds("-1", stdin=TEXT).stdout)

    def test_short_options_join(self):
        self.file("file.txt")
        self.succeeds("-1kf", "file.txt")
        self.assertEqual(self.succeeds("-dc", "file.txt.aiz").stdout, TEXT)
        self.assertEqual(self.succeeds("-dcT2f", "file.txt.aiz").stdout, TEXT)
        self.succeeds("-1T2foout.aiz", "file.txt")
        self.assertEqual(self.succeeds("-cd", "out.aiz").stdout, TEXT)

    def test_long_names_do_the_same(self):
        self.file("file.txt")
        self.succeeds("--compress", "--keep", "--force", "file.txt")
        self.assertEqual(self.succeeds("--decompress", "--stdout", "file.txt.aiz").stdout, TEXT)
        self.assertEqual(self.succeeds("--uncompress", "--to-stdout", "file.txt.aiz").stdout, TEXT)
        self.succeeds("--test", "--quiet", "file.txt.aiz")
        self.succeeds("--list", "file.txt.aiz")
        self.succeeds("--output=a", "--decompress", "file.txt.aiz")
        self.succeeds("--output", "b", "--decompress", "file.txt.aiz")
        self.assertEqual((self.dir / "b").read_bytes(), TEXT)

    def test_threads_and_limits_make_no_difference(self):
        content = TEXT * 20
        expected = self.succeeds("-1", "--block-size=64K", "-T1", stdin=content).stdout
        for options in (["-T2"], ["-T", "3"], ["--threads=0"], ["--memlimit=0"], ["-M", "20G"],
                        ["--memlimit=90%"], ["--memlimit=3GiB"], ["--memlimit", "4000MB"]):
            self.assertEqual(
                self.succeeds("-1", "--block-size=64K", *options, stdin=content).stdout, expected)

    def test_block_size_cuts_the_content(self):
        self.file("file.txt", TEXT * 20)
        self.succeeds("-1", "--block-size=64K", "file.txt")
        listing = self.succeeds("-l", "--json", "file.txt.aiz").stdout
        n_blocks = -(-len(TEXT) * 20 // 65536)
        self.assertIn(b'"blocks":%d,' % n_blocks, listing)
        self.assertIn(b'"block_bytes":65536,', listing)

    def test_a_memlimit_too_small_is_refused_with_the_number(self):
        self.file("file.txt")
        result = self.fails(4, "file.txt: ", "--memlimit=64K", "file.txt")
        self.assertRegex(result.stderr, rb"[0-9]{5,}.*raise --memlimit")
        self.assertEqual(self.names(), ["file.txt"])
        self.archive()
        self.fails(4, "raise --memlimit", "-d", "-f", "-M64K", "file.txt.aiz")
        self.fails(4, "raise --memlimit", "-t", "--memlimit=64K", "file.txt.aiz")

    def test_verbose_says_when_memory_takes_threads(self):
        content = harness.noise(300000)
        self.file("file", content)
        result = self.aizip("-1v", "-T64", "--block-size=64K", "--memlimit=120M", "file")
        self.assertEqual(result.returncode, 0, result.stderr)
        if b"leaves room" in result.stderr:
            self.assertRegex(result.stderr, rb"leaves room for \d+ of 64 threads")

    def test_verify_and_no_verify(self):
        self.file("file.txt")
        self.succeeds("--verify", "-1", "file.txt")
        archive = (self.dir / "file.txt.aiz").read_bytes()
        self.assertEqual(self.succeeds("--verify", "-1", stdin=TEXT).stdout, archive)
        result = self.aizip("-v", "-1", "-f", "--no-verify", "file.txt")
        self.assertNotIn(b"verified", result.stderr)

    def test_verbose_compares_with_peers(self):
        self.file("file.txt")
        result = self.aizip("-v", "-1", "file.txt")
        self.assertEqual(result.returncode, 0)
        lines = result.stderr.decode().splitlines()
        self.assertRegex(lines[0], r"^file.txt: 21,[0-9]{3} => .* bits per byte.*"
                                   r"file.txt.aiz, verified by decoding$")
        self.assertEqual([line[2:11].rstrip() for line in lines[2:]],
                         ["aizip -1", "gzip -9", "xz -9e", "zstd -19"])
        for line in lines[2:]:
            self.assertRegex(line, r"[0-9,]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$|built without")

    def test_verbose_takes_an_empty_file(self):
        self.file("empty", b"")
        result = self.aizip("-v", "empty")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(self.succeeds("-dc", "empty.aiz").stdout, b"")

    def test_quiet_silences_warnings_and_twice_errors(self):
        (self.dir / "sub").mkdir()
        self.assertEqual(self.aizip("sub").returncode, 1)
        self.assertEqual(self.aizip("-q", "sub").stderr, b"")
        self.assertEqual(self.aizip("-q", "sub").returncode, 1)
        self.assertIn(b"missing", self.aizip("-q", "missing").stderr)
        self.assertEqual(self.aizip("-qq", "missing").stderr, b"")
        self.assertEqual(self.aizip("-qq", "missing").returncode, 1)

    def test_other_names_of_the_program(self):
        self.archive()
        for name in ("unaizip", "aizcat"):
            (self.dir / name).symlink_to(harness.AIZIP)
        result = self.succeeds("file.txt.aiz", program=str(self.dir / "aizcat"))
        self.assertEqual(result.stdout, TEXT)
        (self.dir / "file.txt").unlink()
        self.succeeds("file.txt.aiz", program=str(self.dir / "unaizip"))
        self.assertEqual((self.dir / "file.txt").read_bytes(), TEXT)


if __name__ == "__main__":
    harness.main()
