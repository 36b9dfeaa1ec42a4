#!/usr/bin/env python3
"""make_unicode_classes.py: writes unicode_classes.c, the class of every code point.

    python3 -m pip install unicodedata2==15.1.0
    python3 src/tokenizer/make_unicode_classes.py

The version must be the one that llama.cpp's tables have (compared code point by code point: no
difference): where a newer version assigns a code point, a pre-tokenizer would cut another way.
What a version assigns is never reclassified in a way that matters, so a model that was trained
with an older one only differs on characters that it never saw."""

import pathlib
import sys

import unicodedata2 as unicode

VERSION = "15.1.0"
CLASSES = {"L": 1, "N": 2, "P": 3, "S": 4}
SPACE = 5
# White_Space=yes in PropList.txt; all of them are Zs, Zl, Zp or Cc.
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F,
          0x205F, 0x3000}
BLOCK = 128  # code points a block, two to a byte; with 64 there are more than 256 blocks
HERE = pathlib.Path(__file__).resolve().parent


def class_of(code):
    return SPACE if code in SPACES else CLASSES.get(unicode.category(chr(code))[0], 0)


def rows(values, form, per_row):
    for i in range(0, len(values), per_row):
        yield "    " + ", ".join(form % v for v in values[i:i + per_row]) + ","


def main():
    if unicode.unidata_version != VERSION:
        sys.exit(f"Unicode {unicode.unidata_version} is here, {VERSION} is needed")
    blocks, index = {}, []
    for start in range(0, 0x110000, BLOCK):
        block = bytes(class_of(start + i) | class_of(start + i + 1) << 4 for i in range(0, BLOCK, 2))
        index.append(blocks.setdefault(block, len(blocks)))
    # The end of the index is all the same block: a code point beyond it is looked up there.
    used = len(index)
    while used > 1 and index[used - 1] == index[used - 2]:
        used -= 1
    assert len(blocks) <= 256
    flat = [byte for block in blocks for byte in block]
    text = f"""/*
 * unicode_classes: the class of each code point, in two levels: its block of {BLOCK} code points,
 * then its place in that block, two to a byte. {used + len(flat)} bytes. Made by
 * make_unicode_classes.py from Unicode {VERSION}; not to be edited.
 */
#include "pretokenize.h"

/* clang-format off */
static const uint8_t block_of[{used}] = {{
{chr(10).join(rows(index[:used], "%d", 24))}
}};

static const uint8_t classes[{len(blocks)} * {BLOCK // 2}] = {{
{chr(10).join(rows(flat, "0x%02x", 16))}
}};
/* clang-format on */

az_char_class az_char_class_of(uint32_t code) {{
    uint32_t block = code / {BLOCK};
    uint32_t row = block_of[block < {used} ? block : {used - 1}];
    uint32_t pair = classes[row * {BLOCK // 2} + code % {BLOCK} / 2];
    return (az_char_class)(pair >> code % 2 * 4 & 15);
}}
"""
    (HERE / "unicode_classes.c").write_text(text)
    print(f"{len(blocks)} blocks, {used} in the index")


if __name__ == "__main__":
    main()
