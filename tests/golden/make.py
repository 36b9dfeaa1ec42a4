#!/usr/bin/env python3
"""make.py [AIZIP]: makes every file beside this one, but signature.txt, anew.

The files are named as xz's test files are:
    good-*          archives that must decode, for ever or until the predictor's numeric
                    version changes; then they become unsupported and are made anew
    bad-*           archives that are damaged, cut, or no archives
    unsupported-*   archives that may be fine, but need a newer (or older) aizip
and expected.txt says of each what must come of it: the name, the status that az_decompress()
returns, and of a good one the content's size and XXH32. tests/test_golden.c reads it.

The contents are made here and need no licence: words drawn by a fixed generator, counters, zeros.
When a change alters coded bits:
    tests/golden/make.py build/aizip && AIZIP_WRITE_GOLDEN=1 build/test_cm"""

import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
AIZIP = sys.argv[1] if len(sys.argv) > 1 else str(HERE.parent.parent / "build" / "aizip")
LEVELS = (1, 5, 9)
MASK = 0xFFFFFFFF


def xxh32(data, seed=0):
    """XXH32 as its specification has it."""
    p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393

    def turn(v, n):
        return (v << n | v >> (32 - n)) & MASK

    def word(at):
        return int.from_bytes(data[at : at + 4], "little")

    pos = 0
    if len(data) >= 16:
        lanes = [(seed + p1 + p2) & MASK, (seed + p2) & MASK, seed, (seed - p1) & MASK]
        while pos + 16 <= len(data):
            for i in range(4):
                lanes[i] = turn((lanes[i] + word(pos + 4 * i) * p2) & MASK, 13) * p1 & MASK
            pos += 16
        h = sum(turn(lane, n) for lane, n in zip(lanes, (1, 7, 12, 18))) & MASK
    else:
        h = (seed + p5) & MASK
    h = (h + len(data)) & MASK
    while pos + 4 <= len(data):
        h = turn((h + word(pos) * p3) & MASK, 17) * p4 & MASK
        pos += 4
    for byte in data[pos:]:
        h = turn((h + byte * p5) & MASK, 11) * p1 & MASK
    h = (h ^ h >> 15) * p2 & MASK
    h = (h ^ h >> 13) * p3 & MASK
    return h ^ h >> 16


def text(n_bytes):
    rng, out = random.Random(1), ""
    words = ("the of and a to in is that it was for on with as his river bridge stone evening "
             "light slowly under between harbour letter weather carried number north").split()
    while len(out) < n_bytes:
        sentence = [words[min(rng.randrange(30), rng.randrange(30)) % len(words)]
                    for _ in range(rng.randint(4, 14))]
        out += " ".join(sentence).capitalize() + rng.choice((". ", ". ", ".\n"))
    return out[:n_bytes].encode()


def records(n_bytes):
    rng, value, out = random.Random(2), 30000, bytearray()
    for i in range(n_bytes // 12 + 1):
        value += rng.randint(-9, 9)
        out += i.to_bytes(4, "little") + value.to_bytes(4, "big") + bytes((rng.randrange(3), 0, 0, 9))
    return bytes(out[:n_bytes])


MODEL = str(HERE.parent / "models" / "stories260k.gguf")
STORY = b"".join(
    b"Once upon a time, there was a little %s named %s. %s loved to play in the park. One day, %s saw a big, "
    b"red ball and wanted to play with it. \"Let's go home,\" said her mom.\n" % (kind, name, who, who.lower())
    for kind, name, who in ((b"girl", b"Lily", b"She"), (b"boy", b"Tim", b"He"), (b"dog", b"Max", b"He"),
                            (b"girl", b"Mia", b"She"), (b"bird", b"Sam", b"He"), (b"cat", b"Lucy", b"She"),
                            (b"boy", b"Ben", b"He"), (b"girl", b"Sue", b"She"), (b"bear", b"Bob", b"He"),
                            (b"girl", b"Amy", b"She"), (b"fox", b"Rex", b"He"), (b"boy", b"Leo", b"He"),
                            (b"girl", b"Jane", b"She"), (b"frog", b"Fred", b"He"), (b"boy", b"Jack", b"He")))

CONTENTS = {
    "empty": b"",
    "byte": b"a",
    "text": text(4000),
    "records": records(3000),
    "zeros": bytes(20000),
    "noise": random.Random(3).randbytes(300),
}


def compress(content, *options):
    done = subprocess.run([AIZIP, "-c", *options], input=content, stdout=subprocess.PIPE, check=True)
    return done.stdout


def header(archive, changes):
    """The archive with bytes of its first header changed, and the header's check made right."""
    out = bytearray(archive)
    for at, byte in changes.items():
        out[at] = byte
    out[8] = xxh32(bytes(out[:8])) & 0xFF
    if out[4] & 0x30:  # a note has a check, too
        end = 10 + out[9]
        out[end] = xxh32(bytes(out[9:end]), int.from_bytes(out[4:8], "little")) & 0xFF
    return bytes(out)


def flipped(archive, at):
    out = bytearray(archive)
    out[at] ^= 0x10
    return bytes(out)


def good():
    """(name, archive, content)"""
    for level in LEVELS:
        for name, content in CONTENTS.items():
            yield f"{name}-{level}", compress(content, f"-{level}"), content
    # The last block is short; one of them is noise, which is stored.
    blocks = text(60000) + records(30000) + random.Random(4).randbytes(2000) + bytes(60000)
    yield "blocks-1", compress(blocks, "-1", "--block-size=64K"), blocks
    exact = bytes(2 * 65536)
    yield "full-blocks-1", compress(exact, "-1", "--block-size=64K"), exact
    two = compress(CONTENTS["text"], "-5") + compress(b"", "-1") + compress(CONTENTS["zeros"], "-9")
    # With a language model: one lane and several, blocks, and one that the model does not help.
    for options in (["-5"], ["--lanes=7", "--window=64"], ["-9"]):
        name = "model" + "".join(options).replace("=", "").replace("--", "-")
        yield name, compress(STORY[:2500], "-m", MODEL, *options), STORY[:2500]
    story = STORY * 30
    yield "model-blocks", compress(story[:70000], "-m", MODEL, "--lanes=32", "--block-size=64K"), story[:70000]
    # After built-in dictionaries, with and without a model.
    yield "primed-prose", compress(CONTENTS["text"][:2000], "--prime=prose"), CONTENTS["text"][:2000]
    yield "primed-logs-9", compress(CONTENTS["records"][:2000], "-9", "--prime=logs"), CONTENTS["records"][:2000]
    yield "model-primed", compress(STORY[:900], "-m", MODEL, "--prime=messages"), STORY[:900]
    yield "model-left-away", compress(CONTENTS["records"], "-m", MODEL), CONTENTS["records"]
    yield "concatenated", two, CONTENTS["text"] + CONTENTS["zeros"]


def bad():
    """(name, archive, status)"""
    one = compress(CONTENTS["text"], "-5")
    many = compress(bytes(3 * 65536), "-1", "--block-size=64K")
    version = one[6]
    yield "bad-no-bytes", b"", "TRUNCATED"
    yield "bad-magic", b"\x1f" + one[1:], "FORMAT"
    yield "bad-text", b"This is a text, not an archive.\n", "FORMAT"
    yield "bad-header-cut", one[:7], "TRUNCATED"
    yield "bad-header-only", one[:9], "TRUNCATED"
    yield "bad-header-check", one[:8] + bytes([one[8] ^ 1]) + one[9:], "DAMAGED"
    yield "bad-level-0", header(one, {7: one[7] & 0xF0}), "DAMAGED"
    yield "bad-level-10", header(one, {7: one[7] & 0xF0 | 10}), "DAMAGED"
    yield "bad-block-size", header(one, {7: one[7] & 0x0F | 0xB0}), "DAMAGED"
    yield "bad-block-flags", one[:9] + bytes([one[9] | 0x40]) + one[10:], "DAMAGED"
    yield "bad-block-header-cut", one[:12], "TRUNCATED"
    yield "bad-payload", flipped(one, len(one) // 2), "DAMAGED"
    yield "bad-payload-cut", one[:-1], "TRUNCATED"
    yield "bad-second-block", flipped(many, many.index(b"\x9aBK") + 12), "DAMAGED"
    yield "bad-second-mark", flipped(many, many.index(b"\x9aBK")), "DAMAGED"
    yield "bad-index", flipped(many, len(many) - 16), "DAMAGED"
    yield "bad-index-cut", many[:-1], "TRUNCATED"
    yield "bad-index-missing", many[: many.rindex(b"\x9aIXD")], "TRUNCATED"
    model = compress(STORY[:600], "-m", MODEL)
    yield "bad-model-note", flipped(model, 30), "DAMAGED"
    yield "bad-model-note-cut", model[:20], "TRUNCATED"
    yield "bad-model-payload", flipped(model, len(model) - 20), "DAMAGED"
    yield "bad-model-flag", header(model, {5: 1, 6: version}), "DAMAGED"
    primed = compress(CONTENTS["text"][:500], "--prime=prose")
    yield "bad-dictionary-note", flipped(primed, 10), "DAMAGED"
    yield "bad-dictionary-note-cut", primed[:11], "TRUNCATED"
    yield "unsupported-dictionary", header(primed, {10: 200}), "VERSION"
    given = compress(CONTENTS["text"][:500], "-D", __file__)
    yield "bad-dictionary-missing", given, "DICTIONARY"
    yield "unsupported-model-version", header(model, {6: model[6] + 1}), "VERSION"
    yield "bad-after-the-end", one + b"no archive", "FORMAT"
    yield "unsupported-format-version", header(one, {4: one[4] + 1}), "VERSION"
    yield "unsupported-flags", header(one, {4: one[4] | 0x40}), "VERSION"
    yield "unsupported-method", header(one, {5: 200}), "VERSION"
    yield "unsupported-method-version-newer", header(one, {6: version + 1}), "VERSION"
    yield "unsupported-method-version-older", header(one, {6: version - 1}), "VERSION"


def main():
    for path in HERE.glob("*.aiz"):
        path.unlink()
    lines = []
    for name, archive, content in good():
        (HERE / f"good-{name}.aiz").write_bytes(archive)
        lines.append(f"good-{name}.aiz OK {len(content)} {xxh32(content):08x}")
    for name, archive, status in bad():
        (HERE / f"{name}.aiz").write_bytes(archive)
        lines.append(f"{name}.aiz {status}")
    (HERE / "expected.txt").write_text("\n".join(lines) + "\n")
    n_bytes = sum(path.stat().st_size for path in HERE.glob("*.aiz"))
    print(f"{len(lines)} archives, {n_bytes} bytes")


if __name__ == "__main__":
    main()
