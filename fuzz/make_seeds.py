#!/usr/bin/env python3
"""make_seeds.py: makes fuzz/seeds/ from the archives in tests/golden (see make.py there) and a
few contents. Each seed begins with the option bytes that its fuzzer reads."""

import hashlib
import pathlib
import shutil

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "tests" / "golden"
TEXT = b"The river is slow in the evening, and the bridge is of stone. 1874; 1875; 1876.\n"


def save(fuzzer, data):
    folder = HERE / "seeds" / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def main():
    shutil.rmtree(HERE / "seeds", ignore_errors=True)
    for path in sorted(GOLDEN.glob("*.aiz")):
        archive = path.read_bytes()
        if len(archive) > 400 or "zeros" in path.name or "blocks" in path.name:
            continue # what decodes to much is slow
        # Salvage, threads, repaired checks; pieces of 1 byte to 32 KiB.
        save("fuzz_decode", bytes((1, 0x3C)) + archive)
        save("fuzz_decode", bytes((6, 0xC7)) + archive)
        save("fuzz_archive_read", b"\x01" + archive)
    # Three stored blocks; 0xFE 0xFD becomes 65,536 zeros, and checks are made right.
    header = b"\x9aAIZ\x01\x01\x01\x01?"
    block = b"\x9aBK\x01....%c%c%s????%s"
    run = b"\xfe\xfd"
    frame = (header + b"\x02????" + run + block % (2, 1, b"", run) + block % (3, 2, b"\x03", b"abc"))
    for flags in (4, 5, 6, 7):
        save("fuzz_decode", bytes((flags, 0xFF)) + frame)
        save("fuzz_decode", bytes((flags, 0xEC)) + frame + frame[:20] + run)
    save("fuzz_archive_read", b"\x01" + frame)
    contents = (b"", b"a", TEXT, TEXT * 4, bytes(500), bytes(range(256)),
                b"".join(i.to_bytes(4, "big") + b"\0\1" for i in range(60)))
    for i, content in enumerate(contents):
        save("fuzz_roundtrip", bytes((i, 3, 0xFF, 0xFF, 0, 0, 0)) + content)
        save("fuzz_roundtrip", bytes((i, 0x1C + i % 3, 0x84, 0x39, 0, 30, 1 << i % 8)) + content)
        save("fuzz_roundtrip", bytes((0, 0x6C, 0xFF, 0xFC, 90, 1, 128)) + content)
        save("fuzz_roundtrip", bytes((0xF8 + i, 3, 0xFF, 0xFF, 0, 9, 2)) + content)
    save("fuzz_roundtrip", bytes((0, 0xFC, 0xFF, 0xFC, 90, 1, 128)) + TEXT)


if __name__ == "__main__":
    main()
