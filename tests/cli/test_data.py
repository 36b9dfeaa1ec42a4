#!/usr/bin/env python3
"""aizip data, against a server on this machine."""

import hashlib
import os
import re
import unittest

from harness import ROOT, Case, main
from test_model import BUILT_WITH_CURL, MODEL, Server

SUM = hashlib.sha256(MODEL).hexdigest()


class Data(Case):
    def test_known_sets_have_hashes_and_fixed_places(self):
        listed = self.aizip("data", "list").stdout.decode()
        for name in ("ag_news", "r8", "mnist"):
            self.assertIn(name, listed)
        source = (ROOT / "cli" / "data.c").read_text()
        sums = re.findall(r'"([0-9a-f]{64})"', source)
        self.assertEqual(len(sums), len(re.findall(r'https://\S+', listed)))
        self.assertEqual(len(set(sums)), len(sums))

    def test_what_is_wrong_is_said(self):
        for part, *args in (("no set that is known", "fetch", "nothing"),
                            ("expected list, or fetch", "fetch"), ("expected list", "take", "x"),
                            ("no such option", "--what"), ("value is missing", "fetch", "x", "-o"),
                            ("64 hexadecimal", "fetch", "http://127.0.0.1/x", "--sha256", "12"),
                            ("goes with one URL", "fetch", "r8", "--sha256", SUM),
                            ("no name for a file", "fetch", "http://127.0.0.1/")):
            result = self.aizip("data", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(part, result.stderr.decode())
            self.assertEqual(list(self.dir.iterdir()), [])

    def test_help(self):
        self.assertIn(b"aizip data fetch ag_news", self.aizip("data", "--help").stdout)


@unittest.skipUnless(BUILT_WITH_CURL, "built without libcurl")
class FetchData(Server):
    def aizip(self, *args, **more):
        more["env"] = {**self.environment(), **more.get("env", {})}
        return Case.aizip(self, *args, **more)

    def test_a_file_that_is_right(self):
        url = self.url("plain/set.csv?x=1")
        result = self.aizip("data", "fetch", url, "--sha256", SUM, "-o", "here")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.dir / "here"), ["set.csv"])
        self.assertEqual((self.dir / "here" / "set.csv").read_bytes(), MODEL)
        n = len(self.server.requests)
        result = self.aizip("data", "fetch", url, "--sha256", SUM, "-o", "here")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(self.server.requests), n)
        result = self.aizip("data", "fetch", url, "-o", "here")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"exists already", result.stderr)
        result = self.aizip("data", "fetch", url, "-o", "here", "-f")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_file_that_is_wrong_is_removed(self):
        result = self.aizip("data", "fetch", self.url("plain/set.csv"), "--sha256", "0" * 64, "-o",
                            "here")
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"instead of 000", result.stderr)
        self.assertEqual(os.listdir(self.dir / "here"), [])

    def test_a_fetch_goes_on_where_it_was(self):
        self.server.cut = len(MODEL) // 2
        url = self.url("plain/set.csv")
        first = self.aizip("data", "fetch", url, "--sha256", SUM, "-o", "here")
        self.assertNotEqual(first.returncode, 0)
        self.assertIn("set.csv.part", os.listdir(self.dir / "here"))
        self.server.cut = None
        again = self.aizip("data", "fetch", url, "--sha256", SUM, "-o", "here")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(os.listdir(self.dir / "here"), ["set.csv"])
        self.assertEqual((self.dir / "here" / "set.csv").read_bytes(), MODEL)


# The server's own tests are run by test_model.py.
def load_tests(loader, tests, pattern):
    del tests, pattern
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Data, FetchData))


if __name__ == "__main__":
    main()
