#!/usr/bin/env python3
"""stdin, stdout, pipes, and tar."""

import os
import pathlib
import shutil
import subprocess


import harness
from harness import AIZIP, TEXT, Case


class Streams(Case):
    def test_stdin_to_stdout_without_a_name(self):
        archive = self.succeeds(stdin=TEXT).stdout
        self.assertEqual(self.succeeds("-d", stdin=archive).stdout, TEXT)
        self.assertEqual(self.names(), [])

    def test_dash_is_stdin(self):
        archive = self.succeeds("-1", "-", stdin=TEXT).stdout
        self.assertEqual(self.succeeds("-d", "-", stdin=archive).stdout, TEXT)
        self.assertEqual(self.succeeds("-d", "-o", "-", "-", stdin=archive).stdout, TEXT)
        self.succeeds("-t", "-", stdin=archive)

    def test_stdin_gives_the_same_archive_as_the_file(self):
        path, archive = self.archive()
        self.assertEqual(self.succeeds("-1", stdin=TEXT).stdout, archive.read_bytes())
        with open(path, "rb") as file:
            self.assertEqual(self.succeeds("-1", stdin_file=file).stdout, archive.read_bytes())
        with open(path, "rb") as file:
            file.seek(1000)
            os.lseek(file.fileno(), 1000, os.SEEK_SET)
            rest = self.succeeds("-1", stdin_file=file).stdout
        self.assertEqual(self.succeeds("-d", stdin=rest).stdout, TEXT[1000:])

    def test_empty_input(self):
        archive = self.succeeds(stdin=b"").stdout
        self.assertGreater(len(archive), 0)
        self.assertEqual(self.succeeds("-d", stdin=archive).stdout, b"")

    def test_an_empty_stream_is_no_archive(self):
        self.fails(3, "aizip: stdin: ", "-d", stdin=b"")

    def test_errors_on_stdin_name_it(self):
        self.fails(3, "aizip: stdin: ", "-d", stdin=b"this is not an archive at all")

    def test_archives_that_follow_one_another(self):
        archives = b"".join(self.succeeds(stdin=part).stdout for part in (b"one ", b"", b"two"))
        self.assertEqual(self.succeeds("-d", stdin=archives).stdout, b"one two")

    def test_a_mixture_of_stdin_and_files(self):
        self.file("a", b"a")
        archives = self.succeeds("-c", "a", "-", "a", stdin=b"-").stdout
        self.assertEqual(self.succeeds("-dc", stdin=archives).stdout, b"a-a")

    def test_a_closed_pipe_ends_quietly(self):
        self.file("file", harness.noise(3000000))
        with subprocess.Popen([AIZIP, "-1c", "file"], cwd=self.dir, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(process.returncode, -13)  # SIGPIPE, as for cat

    def test_a_closed_pipe_is_said_where_the_signal_is_ignored(self):
        self.file("file", harness.noise(3000000))
        script = "trap '' PIPE; " + f"'{AIZIP}' -1c file; echo $? >&2"
        with subprocess.Popen(["sh", "-c", script], cwd=self.dir, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            self.assertRegex(process.stderr.read(), rb"\Aaizip: stdout: cannot be written at byte "
                                                    rb"\d+: Broken pipe.\n1\n\Z")

    def test_closed_standard_files_harm_nothing(self):
        path = self.file("file.txt")
        for redirections in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            subprocess.run(["sh", "-c", f"'{AIZIP}' -1f file.txt {redirections}"], cwd=self.dir,
                           check=True)
            self.assertEqual(path.read_bytes(), TEXT)
            self.assertEqual(self.succeeds("-dc", "file.txt.aiz").stdout, TEXT)
        result = subprocess.run(["sh", "-c", f"'{AIZIP}' -1c file.txt >&-"], cwd=self.dir,
                                capture_output=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"stdout: cannot be written", result.stderr)

    def test_nothing_wrong_is_released_before_damage(self):
        """Content goes out block by block, each after its checks."""
        content = b"".join(harness.noise(65536, seed) for seed in range(3))
        archive = bytearray(self.succeeds("-1", "--block-size=64K", stdin=content).stdout)
        archive[100000] ^= 1
        result = self.fails(3, "stdin: ", "-d", stdin=bytes(archive))
        self.assertEqual(result.stdout, content[:len(result.stdout)])
        self.assertLessEqual(len(result.stdout), 65536)

    def test_after_a_broken_archive_on_stdout_no_other_follows(self):
        self.file("a", harness.noise(200000))
        self.file("b")
        with open("/dev/full", "wb") as full:
            self.fails(1, "stdout: cannot be written", "-1c", "a", "b", stdout=full)


class Tar(Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("tar"):
            self.skipTest("tar is not installed")
        bin_dir = self.dir / "bin"
        bin_dir.mkdir()
        (bin_dir / "aizip").symlink_to(pathlib.Path(AIZIP).resolve())
        self.env = dict(os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}")

    def tar(self, *args):
        return subprocess.run(["tar", *args], cwd=self.dir, env=self.env, check=True,
                              capture_output=True)

    def test_tar_uses_it_as_a_filter(self):
        self.file("dir/a")
        self.file("dir/sub/b", harness.noise(5000))
        self.tar("-I", "aizip", "-cf", "x.tar.aiz", "dir")
        self.succeeds("-t", "x.tar.aiz")
        shutil.rmtree(self.dir / "dir")
        self.assertIn(b"dir/sub/b", self.tar("-I", "aizip", "-tf", "x.tar.aiz").stdout)
        self.tar("-I", "aizip", "-xf", "x.tar.aiz")
        self.assertEqual((self.dir / "dir" / "a").read_bytes(), TEXT)
        self.assertEqual((self.dir / "dir" / "sub" / "b").read_bytes(), harness.noise(5000))

    def test_tar_passes_options(self):
        self.file("dir/a")
        self.tar("-I", "aizip -9 -T1", "-cf", "x.tar.aiz", "dir")
        self.assertIn(b'"level":9', self.succeeds("-l", "--json", "x.tar.aiz").stdout)


if __name__ == "__main__":
    harness.main()
