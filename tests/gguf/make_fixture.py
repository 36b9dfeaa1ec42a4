#!/usr/bin/env python3
"""make_fixture.py: makes dequantise.bin, random blocks of every type with the values that the
Python package gguf (PyPI, by the authors of the format) says they hold. Needs numpy and gguf; the
test that reads the file needs neither.

The file, all little endian, for each type: u32 type | u32 n_bytes | u32 n_values | bytes |
binary32 values."""

import pathlib
import struct

import numpy
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

TYPES = (Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0,
         Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL, Type.IQ4_XS)

# Where a block's halves (its scales) begin: random bytes would make some of them NaN.
HALVES = {Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2), Type.Q8_0: (0,),
          Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2),
          Type.Q6_K: (208,), Type.IQ4_NL: (0,), Type.IQ4_XS: (0,)}
SPECIAL_HALVES = (0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF)


def blocks_of(kind, rng, n_blocks):
    """[n_blocks][n_bytes] of u8."""
    n_bytes = GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, (n_blocks, n_bytes), dtype=numpy.uint8)
    for at in HALVES.get(kind, ()):
        halves = rng.normal(0, 0.05, n_blocks).astype("<f2")
        for i, bits in enumerate(SPECIAL_HALVES):
            if i < n_blocks - 2:
                halves.view("<u2")[i] = bits
        blocks[:, at:at + 2] = halves.view(numpy.uint8).reshape(n_blocks, 2)
    if kind == Type.F32:
        blocks[:] = rng.normal(0, 1, n_blocks).astype("<f4").view(numpy.uint8).reshape(-1, 4)
    return blocks


def chunk(kind, seed, n_blocks):
    blocks = blocks_of(kind, numpy.random.default_rng(seed), n_blocks)
    data = blocks.reshape(-1)
    with numpy.errstate(all="ignore"):
        values = dequantize(data if kind != Type.F32 else data.view("<f4"), kind)
    values = numpy.ascontiguousarray(values.reshape(-1), dtype="<f4")
    assert len(values) == n_blocks * GGML_QUANT_SIZES[kind][0]
    return struct.pack("<III", kind, data.nbytes, len(values)) + data.tobytes() + values.tobytes()


def main(path, scale=1):
    with open(path, "wb") as out:
        for kind in TYPES:
            n_items = GGML_QUANT_SIZES[kind][0]
            out.write(chunk(kind, 1000 + kind, scale * {1: 64, 32: 8, 256: 3}[n_items]))


if __name__ == "__main__":
    main(pathlib.Path(__file__).resolve().parent / "dequantise.bin")
