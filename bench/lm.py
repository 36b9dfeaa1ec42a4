#!/usr/bin/env python3
"""Measures language models in aizip and in llama.cpp, in turn, in one run.

    lm.py MODEL [--threads N] [--rounds N] [--work DIR] [--bench PROGRAM]

A round is aizip (build/bench_lm), then llama.cpp (llama.py: the model as it is, and requantised as
Q4_0 and Q8_0); the figures are medians of the rounds, the ratios medians of each round's ratio. Then
the targets: PASS or FAIL. Needs llama-cpp-python, built on this machine, in the Python that runs it.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def last_json(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def best_of(llama, what):
    """llama.cpp's fastest type in this: its name and tokens a second."""
    return max(((row[what], name) for name, row in llama.items()), key=lambda pair: pair[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default="/tmp/aizip-llama")
    parser.add_argument("--bench", default=str(HERE.parent / "build" / "bench_lm"))
    arg = parser.parse_args()
    rounds = []
    for i in range(arg.rounds):
        ours = last_json([arg.bench, arg.model, str(arg.threads), "3"])
        theirs = last_json([sys.executable, str(HERE / "llama.py"), arg.model, "--threads", str(arg.threads),
                            "--runs", "3", "--work", arg.work])["tokens_per_second"]
        rounds.append((ours, theirs))
        print(f"round {i + 1}: aizip {ours['score']:.0f}, llama.cpp "
              + ", ".join(f"{name} {row['prompt']:.0f}" for name, row in theirs.items()), flush=True)
    middle = {key: statistics.median(ours[key] for ours, _ in rounds)
              for key, value in rounds[0][0].items() if isinstance(value, (int, float))}
    prompt = statistics.median(ours["score"] / best_of(theirs, "prompt")[0] for ours, theirs in rounds)
    lanes = statistics.median(ours["lanes"] / best_of(theirs, "prompt")[0] for ours, theirs in rounds)
    kernels = rounds[0][0]["kernels"]
    share = {"vnni": 0.55, "amx": 0.25}.get(kernels)
    wanted = 1.5 if kernels == "amx" else 2.0
    print(f"\n| | aizip ({kernels}) | llama.cpp, fastest type |\n|---|---|---|")
    for ours, theirs, name in (("score", "prompt", "a prompt of 512"), ("lanes", "lanes", "16 lanes"),
                               ("single", "single", "one token at a time")):
        peer = statistics.median(best_of(row, theirs)[0] for _, row in rounds)
        print(f"| {name}, tokens a second | {middle[ours]:.0f} | {peer:.0f} |")
    print(f"| int8 products of one thread, 10^9 a second: 256 rows, 16 rows, peak | "
          f"{middle['multiply_256_gmacs']:.0f}, {middle['multiply_16_gmacs']:.0f}, {middle['peak_gmacs']:.0f} | |")
    print(f"| load | {middle['load_s']:.2f} s | |\n")
    memory = middle["peak_memory_mb"] / middle["weights_mb"]
    checks = [(prompt >= wanted, f"score {prompt:.2f} times llama.cpp's prompt ({wanted} wanted)"),
              (lanes >= 0.7 * wanted, f"16 lanes {lanes:.2f} times llama.cpp's prompt ({0.7 * wanted:.2f} wanted)"),
              (middle["load_s"] < 1, f"load {middle['load_s']:.2f} s"),
              (True, f"memory {memory:.2f} times the int8 weights, with 16 caches of 512 positions")]
    if share:
        got = middle["multiply_256_gmacs"] / middle["peak_gmacs"]
        checks.append((got >= share, f"{got:.0%} of the peak in matrix products ({share:.0%} wanted)"))
    for good, text in checks:
        print("PASS" if good else "FAIL", text)
    sys.exit(not all(good for good, _ in checks))


if __name__ == "__main__":
    main()
