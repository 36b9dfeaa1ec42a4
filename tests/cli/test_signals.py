#!/usr/bin/env python3
"""A signal in the middle leaves no half-made file, and ends the program as that signal."""

import os
import signal
import subprocess
import time

import harness
from harness import AIZIP, TEXT, Case


class Signals(Case):
    def start(self, *args):
        """A program that waits for more input, its temporary file already there."""
        os.mkfifo(self.dir / "pipe")
        process = subprocess.Popen([AIZIP, *args, "-f", "pipe"], cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        writer = open(self.dir / "pipe", "wb")
        self.addCleanup(writer.close)
        writer.write(TEXT)
        writer.flush()
        for _ in range(500):
            if any(name.startswith(".aizip-") for name in self.names()):
                return process
            time.sleep(0.01)
        process.kill()
        self.fail(f"no temporary file: {self.names()}, {process.stderr.read()}")
        return None

    def check(self, number, *args):
        process = self.start(*args)
        process.send_signal(number)
        self.assertEqual(process.wait(20), -number)
        self.assertEqual(process.stderr.read(), b"")
        return self.names()

    def test_each_signal_removes_the_temporary_file(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            with self.subTest(number=number):
                self.assertEqual(self.check(number), ["pipe"])
                (self.dir / "pipe").unlink()

    def test_an_existing_output_survives(self):
        old = self.file("pipe.aiz", b"old")
        self.assertEqual(self.check(signal.SIGTERM), ["pipe", "pipe.aiz"])
        self.assertEqual(old.read_bytes(), b"old")

    def test_in_the_middle_of_the_work(self):
        """With the library's threads at work, too."""
        path = self.file("file", harness.noise(1 << 21) + TEXT * 150)
        size = path.stat().st_size
        n_stopped = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            for delay in (0.02, 0.1, 0.3):
                with subprocess.Popen([AIZIP, "-9", "-T2", "--block-size=256K", "-f", "file"],
                                      cwd=self.dir, stderr=subprocess.PIPE) as process:
                    time.sleep(delay)
                    process.send_signal(number)
                    process.wait(60)
                if process.returncode == -number and self.names() == ["file"]:
                    n_stopped += 1
                else:  # it was done: then the archive is whole
                    self.assertIn(process.returncode, (0, -number))
                    self.succeeds("-t", "file.aiz")
                    (self.dir / "file.aiz").unlink()
                    self.assertEqual(self.names(), ["file"])
                self.assertEqual(path.stat().st_size, size)
        self.assertGreater(n_stopped, 0)

    def test_an_ignored_signal_stays_ignored(self):
        process = subprocess.Popen(["sh", "-c", f"trap '' HUP; exec '{AIZIP}' -1 -o out"],
                                   cwd=self.dir, stdin=subprocess.PIPE)
        while not any(name.startswith(".aizip-") for name in self.names()):
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        process.communicate(TEXT, timeout=20)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.names(), ["out"])


if __name__ == "__main__":
    harness.main()
