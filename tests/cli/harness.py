"""What the tests of the program share: running it, a temporary folder a test, and a closing
line "N passed, N failed" (with ", N skipped" where some were).

The environment says what to test (ctest sets it): AIZIP, the program; AIZIP_FAIL_WRITE, the
library that makes calls fail; AIZIP_SANITIZE, set where the program is built with sanitizers."""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
AIZIP = os.environ.get("AIZIP", str(ROOT / "build" / "aizip"))
FAIL_WRITE = os.environ.get("AIZIP_FAIL_WRITE", str(ROOT / "build" / "libfail_write.so"))
SANITIZE = bool(os.environ.get("AIZIP_SANITIZE"))
CORPORA = ROOT.parent / "shared" / "data" / "corpora"

TEXT = b"".join(b"line %d of a text that repeats itself, more or less\n" % i for i in range(400))


def noise(n_bytes, seed=1):
    return random.Random(seed).randbytes(n_bytes)


def run(*args, stdin=b"", env=None, cwd=None, program=None, timeout=300, **more):
    """Runs aizip; the result has returncode, stdout and stderr as bytes."""
    if "input" not in more and "stdin_file" not in more:
        more["input"] = stdin
    if "stdin_file" in more:
        more["stdin"] = more.pop("stdin_file")
    environment = dict(os.environ, LC_ALL="C", **(env or {}))
    if "stdout" not in more:
        more["stdout"] = subprocess.PIPE
    return subprocess.run([program or AIZIP, *map(os.fsencode, args)], env=environment, cwd=cwd,
                          stderr=subprocess.PIPE, timeout=timeout, check=False, **more)


class Case(unittest.TestCase):
    """A test in an empty folder of its own, which is self.dir."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="aizip-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def aizip(self, *args, **more):
        more.setdefault("cwd", self.dir)
        return run(*args, **more)

    def file(self, name, content=TEXT):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def archive(self, name="file.txt", content=TEXT, *args):
        """Makes a file and its archive; returns both paths."""
        path = self.file(name, content)
        self.succeeds("-1", *args, "--", name)
        return path, path.with_name(path.name + ".aiz")

    def names(self):
        """All that is in the folder, with what hides."""
        return sorted(os.listdir(self.dir))

    def succeeds(self, *args, **more):
        result = self.aizip(*args, **more)
        self.assertEqual((result.returncode, result.stderr), (0, b""), args)
        return result

    def fails(self, code, sentence, *args, **more):
        """Exit code and the one line on stderr, which must contain `sentence`."""
        result = self.aizip(*args, **more)
        text = result.stderr.decode("utf-8", "surrogateescape")
        self.assertEqual(result.returncode, code, (args, text))
        self.assertIn(sentence, text)
        self.assertRegex(text, r"\Aaizip: [^\n]*\.\n\Z", "one sentence")
        return result


def main():
    program = unittest.main(exit=False, verbosity=2, argv=[sys.argv[0], *sys.argv[1:]])
    result = program.result
    n_failed = len({id(test) for test, _ in result.failures + result.errors})
    n_skipped = len(result.skipped)
    n_passed = result.testsRun - n_failed - n_skipped
    sys.stderr.flush()
    print(f"{n_passed} passed, {n_failed} failed" + (f", {n_skipped} skipped" if n_skipped else ""))
    sys.exit(0 if result.wasSuccessful() and n_passed + n_skipped > 0 else 1)
