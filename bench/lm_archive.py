#!/usr/bin/env python3
"""Measures archives made with a language model: sizes, and seconds of both directions, from one run.

    lm_archive.py MODEL FILE[:BYTES]... [--options "-5" "-9" ...] [--llama-zip SCRIPT] [--json OUT]

Each file (or its first BYTES) is compressed and decompressed with each set of options and without -m
at -9; what comes back is compared. With --llama-zip, llama-zip's script (github.com/AlexBuz/llama-zip)
takes its turn, run by the Python that runs this, which needs llama-cpp-python and more-itertools; its
window is --window, 2,048 by default. Seconds are wall clock with loading; aizip does not verify
here (--no-verify), unless a set of options says --verify. Prints Markdown.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

AIZIP = str(pathlib.Path(__file__).resolve().parent.parent / "build" / "aizip")


def timed(command, stdin, stdout):
    with open(stdin, "rb") as source, open(stdout, "wb") as sink:
        start = time.monotonic()
        done = subprocess.run(command, stdin=source, stdout=sink, stderr=subprocess.PIPE, check=False)
        seconds = time.monotonic() - start
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-300:]}")
    return seconds


def measure(folder, encode, decode, text):
    archive, again = folder / "archive", folder / "again"
    encoding = timed(encode, text, archive)
    decoding = timed(decode, archive, again)
    if again.read_bytes() != text.read_bytes():
        raise RuntimeError(f"{' '.join(encode)}: what is decoded differs")
    return {"bytes": archive.stat().st_size, "encode_seconds": encoding, "decode_seconds": decoding}


def tools_of(arg):
    for options in arg.options:
        words = options.split()
        verify = [] if "--verify" in words else ["--no-verify"]
        yield f"aizip {options}", [arg.aizip, "-c", "-m", arg.model, *verify, *words], [
            arg.aizip, "-dc", "-m", arg.model]
    yield "aizip -9, built-in", [arg.aizip, "-c", "-9"], [arg.aizip, "-dc"]
    if arg.llama_zip:
        llama = [sys.executable, arg.llama_zip, arg.model, "--n-ctx", str(arg.window)]
        yield "llama-zip", [*llama, "-c"], [*llama, "-d"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--options", nargs="+", default=["-5"])
    parser.add_argument("--aizip", default=AIZIP)
    parser.add_argument("--llama-zip")
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--json")
    arg = parser.parse_args()
    arg.options = [option.strip() for option in arg.options]
    rows, failed = [], 0
    print("| file | bytes | | archive | bits/byte | encoding, s | decoding, s |\n|---|---|---|---|---|---|---|")
    for name in arg.files:
        path, _, n_bytes = name.partition(":")
        content = pathlib.Path(path).read_bytes()[:int(n_bytes) if n_bytes else None]
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "text"
            text.write_bytes(content)
            for tool, encode, decode in tools_of(arg):
                try:
                    row = measure(pathlib.Path(folder), encode, decode, text)
                except RuntimeError as error:
                    print(f"FAILED: {error}")
                    failed += 1
                    continue
                row.update(file=pathlib.Path(path).name, n_bytes=len(content), tool=tool)
                rows.append(row)
                print(f"| {row['file']} | {len(content):,} | {tool} | {row['bytes']:,} "
                      f"| {row['bytes'] * 8 / len(content):.4f} | {row['encode_seconds']:.1f} "
                      f"| {row['decode_seconds']:.1f} |", flush=True)
    if arg.json:
        pathlib.Path(arg.json).write_text(json.dumps(rows, indent=1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
