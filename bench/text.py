#!/usr/bin/env python3
"""text.py FILE [--model MODEL] [--aizip PROGRAM]: bits per byte of short messages, a line each.

All lines of FILE (an empty one and a first line `title` left out, CR removed) by `aizip text`, decoded and
compared: characters times the bits that one can hold. For what is trained (a zstd dictionary; -D) the
lines are divided at random, fixed, and trained on one half; sizes are of the other half. gzip, zstd and
brotli take whole bytes; their frames are as short as the programs and libraries make them."""

import argparse
import gzip
import math
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

ALPHABETS = {"base64": 6.0, "unicode": math.log2(38656), "gsm7": math.log2(124)}


def run(*command, data=b""):
    return subprocess.run([str(word) for word in command], input=data, stdout=subprocess.PIPE, check=True).stdout


def lines_of(path):
    lines = [line.rstrip(b"\r") for line in path.read_bytes().split(b"\n")]
    return [line for line in lines[lines[0] == b"title":] if line]


def aizip(program, lines, alphabet, *options):
    """Bits a byte, and ms a message for encoding and decoding."""
    begin = time.perf_counter()
    command = (program, "text", "-i", "-q", "--alphabet", alphabet, *options)
    coded = run(*command, data=b"\n".join(lines) + b"\n")
    between = time.perf_counter()
    if run(*command, "-d", data=coded) != b"\n".join(lines) + b"\n":
        sys.exit("a message does not decode to what was given")
    end = time.perf_counter()
    n = sum(map(len, coded.decode().split("\n")))
    return (n * ALPHABETS[alphabet] / sum(map(len, lines)), 1000 * (between - begin) / len(lines),
            1000 * (end - between) / len(lines))


def zstd(lines, samples, folder):
    for k, line in enumerate(samples):
        (folder / f"{k}").write_bytes(line)
    made = subprocess.run(["zstd", "-q", "-f", "--train", "-r", folder, "-o", folder / "dictionary"], check=False,
                          stderr=subprocess.DEVNULL)
    if made.returncode:
        return None
    total = 0
    for line in lines:
        frame = run("zstd", "-19", "-c", "-q", "--no-check", "-D", folder / "dictionary", data=line)
        assert run("zstd", "-dc", "-q", "-D", folder / "dictionary", data=frame) == line
        total += len(frame)
    return total


def row(name, figures, note=""):
    print(f"| {name} | " + " | ".join(figures) + f" | {note} |", flush=True)


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--aizip", default=str(here / "build" / "aizip"))
    args = parser.parse_args()
    lines = lines_of(args.file)
    shuffled = lines[:]
    random.Random(3).shuffle(shuffled)
    seen, rest = shuffled[:len(lines) // 2], shuffled[len(lines) // 2:]
    print(f"{len(lines)} messages, {sum(map(len, lines)) / len(lines):.1f} bytes each on average\n")
    print("| | base64 | Unicode | GSM 7-bit | ms a message, both ways |\n|---|---:|---:|---:|---|")

    def ours(name, lines, *options):
        figures = [aizip(args.aizip, lines, alphabet, *options) for alphabet in ALPHABETS]
        row(name, [f"{figure[0]:.3f}" for figure in figures], f"{figures[0][1]:.1f}, {figures[0][2]:.1f}")

    ours("aizip text", lines)
    if args.model:
        ours(f"aizip text -m {pathlib.Path(args.model).stem}", lines, "-m", args.model)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "seen").write_bytes(b"\n".join(seen) + b"\n")
        ours("aizip text -D, half of them seen, of the others", rest, "-D", folder / "seen")
    print("\n| | bits a byte |\n|---|---:|")

    def peer(name, total, lines):
        print(f"| {name} | {8 * total / sum(map(len, lines)):.3f} |", flush=True)

    peer("gzip -9", sum(len(gzip.compress(line, 9, mtime=0)) for line in lines), lines)
    deflate = [zlib.compressobj(9, wbits=-15) for _ in lines]
    peer("deflate -9, without a frame", sum(len(d.compress(line) + d.flush()) for d, line in zip(deflate, lines)), lines)
    if shutil.which("brotli"):
        peer("brotli -q 11", sum(len(run("brotli", "-q", "11", "-c", data=line)) for line in lines), lines)
    if shutil.which("zstd"):
        with tempfile.TemporaryDirectory() as name:
            total = zstd(rest, seen, pathlib.Path(name))
        if total:
            peer("zstd -19 with a dictionary trained on half of them, of the others", total, rest)


if __name__ == "__main__":
    main()
