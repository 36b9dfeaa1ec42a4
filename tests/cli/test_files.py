#!/usr/bin/env python3
"""Files of every kind: what is read, what is refused, what is kept, what is never touched."""

import os
import pathlib
import shutil
import stat
import subprocess
import tempfile
import unittest

import harness
from harness import FAIL_WRITE, SANITIZE, TEXT, Case

IS_ROOT = os.geteuid() == 0


class UserCase(Case):
    def as_user(self, *args):
        """Runs a copy of the program without root's powers (the build may be in a folder that
        only root sees)."""
        program = pathlib.Path(tempfile.mkdtemp(prefix="aizip-test-")) / "aizip"
        self.addCleanup(shutil.rmtree, program.parent)
        shutil.copy(harness.AIZIP, program)
        program.parent.chmod(0o755)
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if IS_ROOT else []
        return subprocess.run([*drop, program, *args], cwd=self.dir, capture_output=True,
                              check=False)


class Attributes(UserCase):
    def test_mode_and_times_are_kept_both_ways(self):
        path = self.file("file.txt")
        path.chmod(0o640)
        times = (1234567890_123456789, 987654321_987654321)
        os.utime(path, ns=times)
        self.succeeds("file.txt")
        archive = (self.dir / "file.txt.aiz").stat()
        self.assertEqual(archive.st_mode & 0o7777, 0o640)
        self.assertEqual((archive.st_atime_ns, archive.st_mtime_ns), times)
        path.unlink()
        self.succeeds("-d", "file.txt.aiz")
        self.assertEqual(path.stat().st_mode & 0o7777, 0o640)
        self.assertEqual(path.stat().st_mtime_ns, times[1])

    def test_read_only_files_can_be_compressed(self):
        self.file("file.txt").chmod(0o400)
        self.succeeds("file.txt")
        self.assertEqual((self.dir / "file.txt.aiz").stat().st_mode & 0o777, 0o400)

    @unittest.skipUnless(IS_ROOT, "only root may give files away")
    def test_owner_is_kept_by_root(self):
        path = self.file("file.txt")
        os.chown(path, 12345, 23456)
        self.succeeds("file.txt")
        archive = (self.dir / "file.txt.aiz").stat()
        self.assertEqual((archive.st_uid, archive.st_gid), (12345, 23456))

    @unittest.skipUnless(IS_ROOT, "needs another user")
    def test_a_group_that_can_not_be_set_gets_no_rights(self):
        path = self.file("file.txt")
        os.chown(path, 65534, 23456)
        path.chmod(0o664)
        os.chown(self.dir, 65534, 65534)
        result = self.as_user("file.txt")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        archive = (self.dir / "file.txt.aiz").stat()
        self.assertEqual((archive.st_gid, archive.st_mode & 0o777), (65534, 0o644))

    def test_output_from_stdin_follows_the_umask(self):
        old = os.umask(0o027)
        self.addCleanup(os.umask, old)
        self.succeeds("-o", "x.aiz", stdin=TEXT)
        self.assertEqual((self.dir / "x.aiz").stat().st_mode & 0o777, 0o640)


class Names(Case):
    NAMES = ["with space", "new\nline", "-leading-dash", "-d", "--help", "tab\t", "ünïcödé",
             os.fsdecode(b"not utf-8 \xff\xfe"), "quote'\"`$(x)", "*", "back\\slash", ".hidden",
             "x" * 251, "a.aiz.txt", ".aiz.x"]

    def test_any_name_works(self):
        for name in self.NAMES:
            with self.subTest(name=name):
                path, archive = self.archive(name)
                path.unlink()
                self.succeeds("-d", "--", archive.name)
                self.assertEqual(path.read_bytes(), TEXT)
                self.succeeds("-t", "--", archive.name)

    def test_a_name_too_long_is_said(self):
        self.file("x" * 252)
        self.fails(1, "File name too long", "x" * 252)
        self.assertEqual(len(self.names()), 1)

    def test_hostile_names_do_not_reach_the_terminal(self):
        hostile = "\x1b[31m\r\n\u202etxt.\x07\x9b"
        result = self.fails(1, r"\x1b[31m\x0d\x0a\xe2\x80\xaetxt.\x07\xc2\x9b: ", hostile)
        self.assertNotIn(b"\x1b", result.stderr)
        self.archive(hostile)
        result = self.succeeds("-l", hostile + ".aiz")
        self.assertNotIn(b"\x1b", result.stdout)
        self.assertEqual(len(result.stdout.splitlines()), 2)

    def test_unknown_suffix_needs_a_name(self):
        self.archive()
        (self.dir / "file.txt.aiz").rename(self.dir / "file.xyz")
        self.fails(1, "file.xyz: the name does not end in .aiz, skipped; give", "-d", "file.xyz")
        self.assertEqual(self.succeeds("-dc", "file.xyz").stdout, TEXT)
        self.succeeds("-d", "file.xyz", "-o", "out")
        self.assertEqual((self.dir / "out").read_bytes(), TEXT)
        self.file(".aiz")
        self.fails(1, "the name does not end in", "-d", ".aiz")

    def test_other_directories(self):
        self.archive("deep/er/file.txt")
        self.assertEqual(sorted(os.listdir(self.dir / "deep" / "er")),
                         ["file.txt", "file.txt.aiz"])
        self.succeeds("-d", "deep/er/file.txt.aiz", "-o", "deep/copy")
        self.assertEqual((self.dir / "deep" / "copy").read_bytes(), TEXT)


class Overwriting(Case):
    def test_existing_output_is_kept_without_force(self):
        self.file("file.txt")
        old = self.file("file.txt.aiz", b"old")
        self.fails(1, "file.txt.aiz: exists already; -f overwrites it", "file.txt")
        self.fails(1, "file.txt.aiz: exists already", "-o", "file.txt.aiz", stdin=TEXT)
        self.assertEqual(old.read_bytes(), b"old")
        self.succeeds("-f", "file.txt")
        self.assertEqual(self.succeeds("-dc", "file.txt.aiz").stdout, TEXT)
        self.fails(1, "file.txt: exists already", "-d", "file.txt.aiz")

    def test_a_failure_with_force_keeps_the_old_output(self):
        old = self.file("file.txt", b"old")
        self.file("file.txt.aiz", b"this is no archive")
        self.fails(3, "file.txt.aiz: ", "-d", "-f", "file.txt.aiz")
        self.assertEqual(old.read_bytes(), b"old")
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])

    def test_force_replaces_a_link_and_not_what_it_names(self):
        self.file("file.txt")
        other = self.file("other", b"other")
        (self.dir / "file.txt.aiz").symlink_to("other")
        self.fails(1, "exists already", "file.txt")
        self.succeeds("-f", "file.txt")
        self.assertEqual(other.read_bytes(), b"other")
        self.assertFalse((self.dir / "file.txt.aiz").is_symlink())

    def test_a_dangling_link_is_no_free_name(self):
        self.file("file.txt")
        (self.dir / "file.txt.aiz").symlink_to("nowhere")
        self.fails(1, "exists already", "file.txt")
        self.assertFalse((self.dir / "nowhere").exists())

    def test_input_and_output_may_not_be_the_same(self):
        path = self.file("file.txt")
        for options in ([], ["-f"]):
            self.fails(1, "is both input and output", *options, "file.txt", "-o", "file.txt")
            self.fails(1, "is both input and output", *options, "file.txt", "-o", "./file.txt")
        (self.dir / "link").hardlink_to(path)
        self.fails(1, "is both input and output", "-f", "file.txt", "-o", "link")
        self.assertEqual(path.read_bytes(), TEXT)

    def test_output_may_not_be_a_directory(self):
        self.file("file.txt")
        (self.dir / "file.txt.aiz").mkdir()
        self.fails(1, "file.txt.aiz: is a directory", "-f", "file.txt")
        self.fails(1, "file.txt.aiz: is a directory", "-o", "file.txt.aiz", stdin=TEXT)

    def test_output_to_a_device_is_written_in_place(self):
        self.file("file.txt")
        self.succeeds("file.txt", "-o", "/dev/null")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        result = self.succeeds("-1", "file.txt", "-o", "/dev/stdout")
        self.assertEqual(self.succeeds("-d", stdin=result.stdout).stdout, TEXT)


class Kinds(UserCase):
    def test_missing_files(self):
        self.fails(1, "aizip: missing: cannot be read: No such file or directory", "missing")
        self.fails(1, "aizip: : cannot be read", "")

    def test_unreadable_files(self):
        self.file("file.txt").chmod(0)
        self.dir.chmod(0o777)
        result = self.as_user("file.txt")
        self.assertEqual((result.returncode, result.stderr),
                         (1, b"aizip: file.txt: cannot be opened: Permission denied.\n"))
        self.assertEqual(self.names(), ["file.txt"])

    def test_unwritable_directories(self):
        self.file("file.txt").chmod(0o644)
        self.dir.chmod(0o555)
        result = self.as_user("file.txt")
        self.dir.chmod(0o755)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, b"aizip: file.txt.aiz: no file can be made in that "
                                        b"directory: Permission denied.\n")
        self.assertEqual(self.names(), ["file.txt"])

    def test_a_directory_that_is_not_there(self):
        self.file("file.txt")
        self.fails(1, "no/where.aiz: no file can be made in that directory: No such file",
                   "file.txt", "-o", "no/where.aiz")

    def test_directories_are_skipped(self):
        self.file("dir/file.txt")
        self.fails(1, "dir: is a directory, skipped; -r takes", "dir")
        self.fails(1, "dir: is a directory, skipped", "-d", "dir")

    def test_symbolic_links_are_skipped_without_force(self):
        self.file("file.txt")
        (self.dir / "link").symlink_to("file.txt")
        self.fails(1, "link: is a symbolic link, skipped; -f follows it", "link")
        self.assertEqual(self.names(), ["file.txt", "link"])
        self.succeeds("-f", "link")
        self.assertEqual(self.succeeds("-dc", "link.aiz").stdout, TEXT)

    def test_symbolic_links_are_read_where_no_file_is_made_beside(self):
        self.archive()
        (self.dir / "link").symlink_to("file.txt.aiz")
        self.assertEqual(self.succeeds("-dc", "link").stdout, TEXT)
        self.succeeds("-t", "link")
        self.succeeds("-l", "link")

    def test_broken_links(self):
        (self.dir / "link").symlink_to("nowhere")
        self.fails(1, "link: cannot be read: No such file", "-f", "link")

    def test_devices_and_pipes_are_skipped_without_force(self):
        os.mkfifo(self.dir / "pipe")
        self.fails(1, "/dev/null: is a device, skipped; -f or -c reads it", "/dev/null")
        self.fails(1, "pipe: is a named pipe, skipped", "pipe")
        self.assertEqual(self.succeeds("-dc", stdin=self.succeeds("-c", "/dev/null").stdout).stdout,
                         b"")

    def test_a_named_pipe_is_read_with_stdout(self):
        pipe = self.dir / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["sh", "-c", "cat file.txt > pipe"], cwd=self.dir) as writer:
            self.file("file.txt")
            archive = self.succeeds("-c", "pipe").stdout
            writer.wait()
        self.assertEqual(self.succeeds("-dc", stdin=archive).stdout, TEXT)

    @unittest.skipIf(SANITIZE, "a preloaded library and the sanitizer exclude each other")
    def test_a_file_that_grows_while_it_is_read(self):
        path = self.file("file.txt", TEXT * 40)
        for at in (1, 2, 3):
            env = {"LD_PRELOAD": FAIL_WRITE, "AIZIP_FAIL_KIND": "touch", "AIZIP_FAIL_AT": str(at),
                   "AIZIP_FAIL_TOUCH": str(path), "AIZIP_FAIL_MARK": str(self.dir / "mark")}
            self.fails(1, "file.txt: changed while it was read", "--rm", "file.txt", env=env)
            (self.dir / "mark").unlink()
            self.assertEqual(self.names(), ["file.txt"])

    def test_damaged_archives(self):
        content = harness.noise(3000)
        _, archive = self.archive("file", content)
        whole = archive.read_bytes()
        (self.dir / "file").unlink()
        for n in (0, 1, 5, 20, len(whole) // 2, len(whole) - 1):
            archive.write_bytes(whole[:n])
            result = self.fails(3, "file.aiz: ", "-d", "file.aiz")
            self.assertEqual(self.names(), ["file.aiz"], result.stderr)
            self.fails(3, "file.aiz: ", "-t", "file.aiz")
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        archive.write_bytes(damaged)
        self.fails(3, "; -d --salvage writes what is undamaged.", "-d", "file.aiz")
        self.fails(3, "(at byte ", "-d", "file.aiz")
        archive.write_bytes(b"PK\3\4 is something else")
        self.fails(3, "file.aiz: ", "-d", "file.aiz")
        self.assertEqual(self.names(), ["file.aiz"])


class Remove(Case):
    def test_rm_removes_the_source_and_only_then(self):
        path = self.file("file.txt")
        self.succeeds("--rm", "file.txt")
        self.assertEqual(self.names(), ["file.txt.aiz"])
        self.succeeds("-d", "--rm", "file.txt.aiz")
        self.assertEqual(self.names(), ["file.txt"])
        self.assertEqual(path.read_bytes(), TEXT)

    def test_keep_undoes_rm(self):
        self.file("file.txt")
        self.succeeds("--rm", "-k", "file.txt")
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])

    def test_rm_keeps_the_source_without_an_output_file(self):
        self.archive()
        self.succeeds("--rm", "-c", "file.txt")
        self.succeeds("--rm", "-t", "file.txt.aiz")
        self.succeeds("--rm", "-dc", "file.txt.aiz")
        self.succeeds("--rm", "-o", "-", "file.txt")
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])

    def test_rm_keeps_a_damaged_archive(self):
        _, archive = self.archive()
        archive.write_bytes(archive.read_bytes()[:-3])
        self.fails(3, "", "-d", "--rm", "-f", "file.txt.aiz")
        self.assertEqual(self.names(), ["file.txt", "file.txt.aiz"])

    def test_rm_of_a_file_with_several_names_warns(self):
        path = self.file("file.txt")
        (self.dir / "other").hardlink_to(path)
        result = self.aizip("--rm", "file.txt")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stderr, b"aizip: file.txt: has 2 names (hard links): --rm removes "
                                        b"only this one.\n")
        self.assertEqual(self.names(), ["file.txt.aiz", "other"])

    def test_a_file_with_several_names_is_no_matter_otherwise(self):
        path = self.file("file.txt")
        (self.dir / "other").hardlink_to(path)
        self.succeeds("file.txt")


class Several(Case):
    def test_one_bad_file_does_not_stop_the_others(self):
        self.file("a")
        self.file("c")
        self.fails(1, "aizip: b: cannot be read", "a", "b", "c")
        self.assertEqual(self.names(), ["a", "a.aiz", "c", "c.aiz"])

    def test_the_largest_exit_code_wins(self):
        self.archive("a")
        self.file("b.aiz", b"no archive at all, but long enough to be one")
        result = self.aizip("-t", "missing", "b.aiz", "a.aiz")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(len(result.stderr.splitlines()), 2)

    def test_recursion_takes_all_files_once(self):
        for name in ("d/a", "d/sub/b", "d/sub/c.aiz", "d/sub/deep/d"):
            self.file(name)
        (self.dir / "d" / "link").symlink_to("a")
        (self.dir / "d" / "loop").symlink_to(".")
        self.succeeds("-r", "d")
        found = sorted(str(p.relative_to(self.dir)) for p in self.dir.rglob("*.aiz"))
        self.assertEqual(found, ["d/a.aiz", "d/sub/b.aiz", "d/sub/c.aiz", "d/sub/deep/d.aiz"])
        (self.dir / "d" / "sub" / "c.aiz").unlink()
        self.succeeds("-rt", "d")
        for path in (self.dir / "d").rglob("[abd]"):
            path.unlink()
        self.succeeds("-dr", "d/")
        self.assertEqual((self.dir / "d" / "sub" / "deep" / "d").read_bytes(), TEXT)

    def test_recursion_takes_named_files_too(self):
        self.file("d/a")
        self.file("b")
        self.succeeds("-r", "d", "b")
        self.assertEqual(self.names(), ["b", "b.aiz", "d"])

    def test_several_files_to_stdout_follow_one_another(self):
        self.file("a", b"first ")
        self.file("b", b"second")
        archives = self.succeeds("-c", "a", "b").stdout
        self.assertEqual(self.succeeds("-dc", stdin=archives).stdout, b"first second")


class Salvage(Case):
    def make_damaged(self):
        content = b"".join(harness.noise(65536, seed) for seed in range(4))
        path, archive = self.archive("file", content, "--block-size=64K")
        path.unlink()
        damaged = bytearray(archive.read_bytes())
        damaged[65536 + 30000] ^= 0xff
        archive.write_bytes(damaged)
        return content

    def test_salvage_writes_the_undamaged_blocks(self):
        content = self.make_damaged()
        self.fails(3, "", "-d", "file.aiz")
        self.assertEqual(self.names(), ["file.aiz"])
        self.fails(3, "aizip: file.aiz: damaged: bytes 65,536 to 131,071 of the content are "
                      "missing.", "-d", "--salvage", "file.aiz")
        self.assertEqual((self.dir / "file").read_bytes(), content[:65536] + content[131072:])

    def test_salvage_never_removes_the_archive(self):
        self.make_damaged()
        self.fails(3, "damaged", "-d", "--rm", "--salvage", "file.aiz")
        self.assertEqual(self.names(), ["file", "file.aiz"])

    def test_salvage_of_a_whole_archive_is_plain_decompression(self):
        path, _ = self.archive()
        path.unlink()
        self.succeeds("-d", "--salvage", "file.txt.aiz")
        self.assertEqual(path.read_bytes(), TEXT)

    def test_salvage_of_a_cut_archive_keeps_the_start(self):
        content = b"".join(harness.noise(65536, seed) for seed in range(4))
        path, archive = self.archive("file", content, "--block-size=64K")
        path.unlink()
        archive.write_bytes(archive.read_bytes()[:150000])
        result = self.aizip("-d", "--salvage", "file.aiz")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(path.read_bytes(), content[:131072])
        self.assertIn(b"damaged", result.stderr)

    def test_salvage_of_nothing_makes_no_file(self):
        self.file("file.aiz", harness.noise(1000))
        result = self.aizip("-d", "--salvage", "file.aiz")
        self.assertEqual(result.returncode, 3)
        self.assertTrue(result.stderr.startswith(b"aizip: file.aiz: "))
        self.assertEqual(self.names(), ["file.aiz"])


@unittest.skipUnless(IS_ROOT, "only root may mount")
class FullDisk(Case):
    def mount(self, size):
        disk = self.dir / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk],
                              capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False)
        return disk

    def test_a_full_disk_leaves_nothing(self):
        disk = self.mount("128k")
        (disk / "file").write_bytes(harness.noise(100000))
        self.fails(1, "disk/file.aiz: cannot be written at byte ", "--rm", "disk/file")
        self.fails(1, "No space left on device; nothing of it is kept.", "disk/file")
        self.assertEqual(os.listdir(disk), ["file"])
        self.assertEqual((disk / "file").read_bytes(), harness.noise(100000))


class FullOutputs(Case):
    def test_a_full_device_is_said(self):
        self.file("file.txt")
        with open("/dev/full", "wb") as full:
            self.fails(1, "stdout: cannot be written at byte 0: No space left on device.", "-c",
                       "file.txt", stdout=full)
            self.fails(1, "stdout: cannot be written", "--help", stdout=full)
        self.archive("a")
        with open("/dev/full", "wb") as full:
            self.fails(1, "stdout: cannot be written", "-l", "a.aiz", stdout=full)

    def test_the_file_size_limit_is_an_error_and_no_signal(self):
        self.file("file", harness.noise(200000))
        result = subprocess.run(["sh", "-c", 'ulimit -f 100; exec "$0" -1 file', harness.AIZIP],
                                cwd=self.dir, capture_output=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, rb"\Aaizip: file.aiz: cannot be written at byte \d+: File "
                                        rb"too large; nothing of it is kept.\n\Z")
        self.assertEqual(self.names(), ["file"])


if __name__ == "__main__":
    harness.main()
