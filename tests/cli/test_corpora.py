#!/usr/bin/env python3
"""Real files round-trip through the program: all of them at -1, small ones at every level."""

import hashlib
import unittest

import harness
from harness import CORPORA, Case

# Level: the largest file (bytes) and the most bytes in all that are taken at it; a level
# of 0.1 MB/s spends some 30 s on 3 MB.
BUDGETS = {2: (200_000, 3_000_000), 3: (200_000, 3_000_000), 4: (150_000, 2_000_000),
           5: (150_000, 2_000_000), 6: (120_000, 1_500_000), 7: (100_000, 1_000_000),
           8: (100_000, 800_000), 9: (100_000, 800_000)}
# The sanitizers make all of it several times slower.
SCALE = 8 if harness.SANITIZE else 1


@unittest.skipUnless(CORPORA.is_dir(), f"there are no corpora at {CORPORA}")
class Corpora(Case):
    def files(self):
        return sorted((path for path in CORPORA.rglob("*") if path.is_file()),
                      key=lambda path: (path.stat().st_size, path))

    def check(self, level, paths):
        for path in paths:
            content = path.read_bytes()
            archive = self.succeeds(f"-{level}", "-c", str(path)).stdout
            self.assertLessEqual(len(archive), len(content) + 64 + len(content) // 10000, path)
            decoded = self.succeeds("-dc", stdin=archive).stdout
            self.assertEqual(hashlib.sha256(decoded).digest(), hashlib.sha256(content).digest(),
                             path)

    def test_every_file_at_level_1(self):
        largest = 300_000 if harness.SANITIZE else 1 << 62
        self.check(1, [path for path in self.files() if path.stat().st_size <= largest])


def add_level(level, largest, total):
    def test(self):
        paths, left = [], total // SCALE
        # From the largest down, then the small ones fill the rest.
        for path in reversed(self.files()):
            size = path.stat().st_size
            if size <= largest // SCALE and size <= left:
                paths.append(path)
                left -= size
        self.assertTrue(paths)
        self.check(level, paths)

    setattr(Corpora, f"test_small_files_at_level_{level}", test)


for LEVEL, (LARGEST, TOTAL) in BUDGETS.items():
    add_level(LEVEL, LARGEST, TOTAL)

if __name__ == "__main__":
    harness.main()
