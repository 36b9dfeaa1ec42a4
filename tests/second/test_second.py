#!/usr/bin/env python3
"""The program's archives, decoded by decode.py, which was written from docs/format.md alone. Where
it does not decode them, program and document differ."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
import harness  # pylint: disable=wrong-import-position
from harness import TEXT, Case  # pylint: disable=wrong-import-position

# 8 bytes each: above 8192 bytes the predictor looks for a period.
RECORDS = b"".join((1000 + 3 * i).to_bytes(4, "little") + (i * i % 251).to_bytes(2, "little") +
                   (i // 7).to_bytes(2, "big") for i in range(1060))


class Second(Case):
    def decode(self, archive, dictionary=None):
        path = self.file("archive.aiz", archive)
        given = [] if dictionary is None else [self.file("dictionary", dictionary)]
        return subprocess.run([sys.executable, "-B", HERE / "decode.py", path, self.dir / "out"] + given,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def pack(self, content, *args):
        path = self.file("content", content)
        self.succeeds("-q", "-f", *(args or ("-5",)), "-o", "packed", "--", path)
        return (self.dir / "packed").read_bytes()

    def decodes(self, archive, content, dictionary=None):
        result = self.decode(archive, dictionary)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertTrue((self.dir / "out").read_bytes() == content, "the content differs")

    def refuses(self, archive, sentence, dictionary=None):
        result = self.decode(archive, dictionary)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(), r"\A[^\n]*: " + sentence + r"[^\n]*\.\n\Z")
        self.assertFalse((self.dir / "out").exists())

    def test_empty(self):
        self.decodes(self.pack(b""), b"")

    def test_a_byte(self):
        self.decodes(self.pack(b"a"), b"a")

    def test_text(self):
        text = TEXT[:1500] + b"".join(b"%d;%d,Word\t\xc3\xa4\n" % (i, i * i) for i in range(60))
        self.decodes(self.pack(text), text)

    def test_records(self):
        self.assertGreater(len(RECORDS), 8200)
        self.decodes(self.pack(RECORDS), RECORDS)

    def test_zeros(self):
        self.decodes(self.pack(bytes(3000)), bytes(3000))

    def test_noise(self):
        noise = harness.noise(5000)
        self.decodes(self.pack(noise), noise)

    def test_strange_bytes(self):
        # From text to bytes that are none, and back: characters of 2 to 4 bytes, whole and cut off.
        strange = bytes(range(256)) * 2 + b"\xc3\xc3\xa4\xe2\x82A\xf0\x9f\x98\n\xf5\x80\xc0"
        content = TEXT[:200] + strange + "ä€😀 ".encode() * 20 + TEXT[:400] + strange[::-3]
        self.decodes(self.pack(content), content)

    def test_repeats(self):
        # Each goes on long enough for another counter of the sure decisions of levels 1 and 2, then
        # ends in a byte that none expects.
        page = (HERE / "decode.py").read_bytes()[:500]
        content = page + b"".join(b"\0%d" % n + page[:n] for n in (500, 300, 80, 40)) + page[:20]
        for level in "1258":
            self.decodes(self.pack(content, "-" + level), content)

    def test_other_levels(self):
        for level in "12346789":
            content = TEXT[:300] + RECORDS[:200]
            self.decodes(self.pack(content, "-" + level), content)

    def test_blocks_and_an_index(self):
        content = harness.noise(2**16) + TEXT[:500]
        self.decodes(self.pack(content, "-5", "--block-size", "64K"), content)

    def test_joined_archives(self):
        content = [TEXT[:400], b"", b"a", harness.noise(100)]
        self.decodes(b"".join(map(self.pack, content)), b"".join(content))

    def test_after_a_dictionary(self):
        page = (HERE / "decode.py").read_bytes()
        dictionary = self.file("seen", page[:2500] + RECORDS[:300])
        content = page[1000:1900] + b"And something new.\n" + RECORDS[100:400]
        for level in "159":
            packed = self.pack(content, "-" + level, "-D", dictionary)
            self.assertLess(len(packed), len(self.pack(content, "-" + level)) - 200)
            self.decodes(packed, content, dictionary.read_bytes())
        (self.dir / "out").unlink()
        self.refuses(packed, "damaged", b"another")
        self.refuses(packed, "damaged")
        for k in range(9, 23):
            self.refuses(packed[:k] + bytes([packed[k] ^ 128]) + packed[k + 1:], "(damaged|cut off)",
                         dictionary.read_bytes())

    def test_after_built_in_dictionaries(self):
        for name in ("json", "logs"):
            self.decodes(self.pack(TEXT[:300], "-3", "--prime", name), TEXT[:300])

    def test_bad_archives(self):
        good = self.pack(TEXT[:400])
        for n, reason in ((0, "cut off"), (3, "cut off"), (8, "cut off"), (len(good) - 1, "cut off")):
            self.refuses(good[:n], reason)
        for k, reason in ((0, "no archive"), (4, "unknown"), (5, "damaged"), (8, "damaged"),
                          (9, "damaged"), (len(good) - 1, "damaged")):
            self.refuses(good[:k] + bytes([good[k] ^ 128]) + good[k + 1:], reason)
        self.refuses(good + b"\0", "no archive")
        blocks = self.pack(harness.noise(2**16 + 1), "-1", "--block-size", "64K")
        for k in (2**16 + 30, len(blocks) - 20, len(blocks) - 1):
            self.refuses(blocks[:k] + bytes([blocks[k] ^ 1]) + blocks[k + 1:], "damaged")


if __name__ == "__main__":
    harness.main()
