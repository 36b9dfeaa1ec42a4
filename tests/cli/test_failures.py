#!/usr/bin/env python3
"""Every system call that can fail is made to fail, one after the other (as SQLite's tests do).
Each time: one sentence, an exit code that is not 0, nothing half-made, the source untouched."""

import os
import unittest

import harness
from harness import FAIL_WRITE, SANITIZE, TEXT, Case

# More than any run makes; a loop that gets there never came to an end.
MAX_CALLS = 2000


@unittest.skipIf(SANITIZE, "a preloaded library and the sanitizer exclude each other")
class Failures(Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(FAIL_WRITE):
            self.skipTest("libfail_write.so is not built")
        self.mark = harness.ROOT / "build" / f".fail-mark-{os.getpid()}"
        self.addCleanup(lambda: self.mark.unlink(missing_ok=True))

    def each(self, kind, *args, prepare, check_success, stdin=b""):
        """Runs with the 1st, 2nd, ... call failing, until none is left to fail. After a
        failure the folder must hold what prepare() put there, byte for byte."""
        for at in range(1, MAX_CALLS):
            prepare()
            before = self.state()
            self.mark.unlink(missing_ok=True)
            env = {"LD_PRELOAD": FAIL_WRITE, "AIZIP_FAIL_KIND": kind, "AIZIP_FAIL_AT": str(at),
                   "AIZIP_FAIL_MARK": str(self.mark)}
            result = self.aizip(*args, env=env, stdin=stdin)
            text = result.stderr.decode()
            if not self.mark.exists():
                self.assertEqual((result.returncode, text), (0, ""))
                check_success(result)
                self.assertGreater(at, 1, "no call was made to fail")
                return
            where = f"{kind} {at} ({self.mark.read_text()}) of {args}: {text}"
            if result.returncode == 0:
                # Something that was only tried, such as a second close.
                check_success(result)
                continue
            self.assertGreater(result.returncode, 0, where)
            self.assertRegex(text, r"\Aaizip: [^\n]*\.\n\Z", where)
            self.check_failure(before, where)
        self.fail(f"still failing after {MAX_CALLS} calls")

    def state(self):
        return {path.name: path.read_bytes() for path in self.dir.iterdir()}

    def check_failure(self, before, where):
        """All that was there is there; a whole output may be, a half-made one may not."""
        after = self.state()
        extra = set(after) - set(before)
        if extra and extra <= {self.output}:
            # The last steps, after the rename: sync of the directory, removal of the source.
            self.assertTrue(self.is_whole(after.pop(self.output)), where)
        self.assertEqual(after, before, where)

    def is_whole(self, data):
        if self.output.endswith(".aiz"):
            return self.succeeds("-dc", stdin=data).stdout == TEXT
        return data == TEXT

    def reset(self):
        for path in self.dir.iterdir():
            path.unlink()

    def prepare_source(self):
        self.reset()
        self.file("file.txt")
        self.output = "file.txt.aiz"

    def prepare_archive(self):
        self.reset()
        if not hasattr(self, "packed"):
            self.packed = self.succeeds("-1", stdin=TEXT).stdout
        self.file("file.txt.aiz", self.packed)
        self.output = "file.txt"

    def check_archive(self, _):
        self.assertEqual(self.succeeds("-dc", "file.txt.aiz").stdout, TEXT)

    def check_content(self, _):
        self.assertEqual((self.dir / "file.txt").read_bytes(), TEXT)

    def test_compress(self):
        self.each("io", "-1", "file.txt", prepare=self.prepare_source,
                  check_success=self.check_archive)

    def test_compress_with_rm_and_verify(self):
        self.each("io", "-1", "--rm", "--verify", "file.txt", prepare=self.prepare_source,
                  check_success=self.check_archive)

    def test_decompress(self):
        self.each("io", "-d", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=self.check_content)

    def test_decompress_with_rm(self):
        self.each("io", "-d", "--rm", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=self.check_content)

    def test_test(self):
        self.each("io", "-t", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=lambda result: None)

    def test_list(self):
        self.each("io", "-l", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=lambda result: self.assertIn(b"file.txt.aiz", result.stdout))

    def test_streams(self):
        self.prepare_archive()
        self.each("io", "-1", prepare=self.prepare_source, stdin=TEXT,
                  check_success=lambda r: self.assertEqual(r.stdout, self.packed))
        self.each("io", "-d", prepare=self.prepare_source, stdin=self.packed,
                  check_success=lambda r: self.assertEqual(r.stdout, TEXT))

    def test_a_disk_that_fills_up(self):
        self.each("full", "-1", "--rm", "file.txt", prepare=self.prepare_source,
                  check_success=self.check_archive)
        self.each("full", "-d", "--rm", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=self.check_content)

    def test_writes_that_come_up_short_are_gone_on_with(self):
        for at in range(1, 5):
            self.prepare_source()
            env = {"LD_PRELOAD": FAIL_WRITE, "AIZIP_FAIL_KIND": "short", "AIZIP_FAIL_AT": str(at)}
            self.succeeds("-1", "file.txt", env=env)
            self.check_archive(None)
            (self.dir / "file.txt").unlink()
            self.succeeds("-d", "file.txt.aiz", env=env)
            self.check_content(None)

    def test_memory(self):
        self.each("memory", "-1", "-T1", "file.txt", prepare=self.prepare_source,
                  check_success=self.check_archive)
        self.each("memory", "-d", "-T1", "file.txt.aiz", prepare=self.prepare_archive,
                  check_success=self.check_content)

    def test_memory_with_threads_and_verify(self):
        self.each("memory", "-1", "-T2", "--verify", "file.txt", prepare=self.prepare_source,
                  check_success=self.check_archive)


if __name__ == "__main__":
    harness.main()
