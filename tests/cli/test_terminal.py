#!/usr/bin/env python3
"""What is different where a person sits at a terminal: questions, progress, refusals."""

import os
import pty
import select
import subprocess
import time

import harness
from harness import AIZIP, TEXT, Case


class Terminal(Case):
    def interact(self, *args, answer=None, stdin=None, stdout_too=False):
        """Runs aizip with stderr (and stdin, if none is given; and stdout) on a terminal.
        Returns the exit code and all that the terminal showed."""
        master, slave = pty.openpty()
        environment = dict(os.environ, LC_ALL="C", TERM="xterm")
        process = subprocess.Popen([AIZIP, *args], cwd=self.dir, env=environment, stderr=slave,
                                   stdin=slave if stdin is None else stdin,
                                   stdout=slave if stdout_too else subprocess.PIPE)
        os.close(slave)
        shown = b""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            ready, _, _ = select.select([master], [], [], 0.05)
            if ready:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
                if answer is not None and b"(y/n)?" in shown:
                    os.write(master, answer)
                    answer = None
            elif process.poll() is not None:
                break
        os.close(master)
        if process.stdout:
            process.stdout.close()
        return process.wait(20), shown.replace(b"\r\n", b"\n")

    def test_one_line_sums_a_file_up(self):
        self.file("file.txt")
        code, shown = self.interact("-1", "file.txt")
        self.assertEqual(code, 0)
        self.assertRegex(shown, rb"\Afile.txt: 21,\d\d\d => [\d,]+ bytes, ratio [\d.]+, [\d.]+ bits "
                                rb"per byte, [\d.]+ MB/s, file.txt.aiz\n\Z")
        code, shown = self.interact("-d", "-o", "copy", "file.txt.aiz")
        self.assertRegex(shown, rb"\Afile.txt.aiz: [\d,]+ => 21,\d\d\d bytes, [\d.]+ MB/s, copy\n\Z")
        code, shown = self.interact("-t", "file.txt.aiz")
        self.assertRegex(shown, rb"\Afile.txt.aiz: intact, 21,\d\d\d bytes of content, [\d.]+ MB/s\n")

    def test_quiet_says_nothing(self):
        self.file("file.txt")
        self.assertEqual(self.interact("-q", "file.txt"), (0, b""))

    def test_overwriting_is_asked(self):
        self.file("file.txt")
        old = self.file("file.txt.aiz", b"old")
        for answer in (b"n\n", b"\n", b"\x04"):
            code, shown = self.interact("file.txt", answer=answer)
            self.assertEqual(code, 1)
            self.assertIn(b"file.txt.aiz exists; overwrite it (y/n)? ", shown)
            self.assertEqual(old.read_bytes(), b"old")
        code, _ = self.interact("file.txt", answer=b"y\n")
        self.assertEqual(code, 0)
        self.assertEqual(self.succeeds("-dc", "file.txt.aiz").stdout, TEXT)

    def test_a_hostile_name_is_asked_for_harmlessly(self):
        name = "\x1b[2J"
        self.file(name)
        self.file(name + ".aiz", b"old")
        _, shown = self.interact(name, answer=b"n\n")
        self.assertNotIn(b"\x1b[2J", shown)

    def test_archives_are_not_shown_on_a_terminal(self):
        self.file("file.txt")
        code, shown = self.interact("-c", "file.txt", stdout_too=True)
        self.assertEqual(code, 2)
        self.assertEqual(shown, b"aizip: stdout: is a terminal, which can't show an archive; name a "
                                b"file with -o, or use -f.\n")
        code, shown = self.interact(stdout_too=True)
        self.assertEqual(code, 2)
        code, shown = self.interact("-1cf", "file.txt", stdout_too=True)
        self.assertEqual(code, 0)

    def test_archives_do_not_come_from_a_terminal(self):
        code, shown = self.interact("-d")
        self.assertEqual(code, 2)
        self.assertEqual(shown, b"aizip: stdin: is a terminal, which holds no archive; name a file, "
                                b"or see aizip --help.\n")

    def test_content_may_go_to_a_terminal(self):
        self.archive("file.txt", b"short text\n")
        code, shown = self.interact("-dcq", "file.txt.aiz", stdout_too=True)
        self.assertEqual((code, shown), (0, b"short text\n"))

    def test_progress_is_drawn_and_wiped(self):
        self.file("file.bin", TEXT * (20 if os.environ.get("AIZIP_SANITIZE") else 200))
        code, shown = self.interact("-9", "-T1", "--block-size=64K", "file.bin")
        self.assertEqual(code, 0)
        if b"compressing" not in shown:
            self.skipTest("the work was done before progress is drawn")
        self.assertRegex(shown, rb"\r\x1b\[Kfile.bin: compressing +\d+ %, [\d.]+ [kM]B/s, ratio [\d.]+, "
                                rb"\d+:\d\d left")
        self.assertRegex(shown, rb"\r\x1b\[Kfile.bin: [\d,]+ => ")

    def test_no_progress_without_a_terminal(self):
        self.file("file.bin", TEXT * 20)
        self.succeeds("-9", "file.bin")


if __name__ == "__main__":
    harness.main()
