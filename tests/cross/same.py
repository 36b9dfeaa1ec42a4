#!/usr/bin/env python3
"""same.py REFERENCE OTHER...: whether two builds of aizip make the same archives and classifiers.

REFERENCE is a program, OTHER a command line (such as qemu-s390x build-s390x/aizip). Inputs of
several kinds and levels are compressed by both; the archives must be equal byte for byte, and
each must decode what the other made. --quick takes less of each input, for emulators."""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


MODEL = str(ROOT / "tests" / "models" / "stories260k.gguf")
LEARNT = str(ROOT / "tests" / "models" / "tiny-gpt2.gguf")
STORY = (b"Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, "
         b"she saw a big, red ball. She wanted to play with it, but it was too high. Lily's mom said, \"Lily, "
         b"let's go home.\" Lily was sad. \"I want to play with the ball,\" she said.\n")


def text(n_bytes):
    """English prose and code, from files that never change much."""
    parts = [ROOT / "LICENSE", ROOT / "include" / "aizip.h", ROOT / "src" / "coder" / "coder.h",
             ROOT / "docs" / "aizip.1", ROOT / "CMakeLists.txt"]
    data = b"".join(path.read_bytes() for path in parts)
    return (data * (n_bytes // len(data) + 1))[:n_bytes]


def records(n_bytes):
    """Binary columns: a counter, a walk, a few flags."""
    rng, value, out = random.Random(2), 1000, bytearray()
    for i in range(n_bytes // 8 + 1):
        value += rng.randint(-9, 9)
        out += i.to_bytes(3, "little") + (value & 0xffff).to_bytes(2, "big")
        out += bytes([rng.choice((0, 0, 0, 1, 7)), 0, value & 3])
    return bytes(out[:n_bytes])


def inputs(quick):
    """(name, options, content)"""
    scale = 1 if quick else 8
    yield "empty", ["-5"], b""
    yield "one byte", ["-5"], b"a"
    yield "zeros", ["-1"], bytes(20000 * scale)
    yield "noise", ["-1"], random.Random(1).randbytes(20000 * scale)
    for level in range(1, 10):
        share = 24000 if level == 1 else 12000 if level <= 5 else 4000
        yield f"text -{level}", [f"-{level}"], text(share * scale)
        yield f"records -{level}", [f"-{level}"], records(share * scale // 2)
    for lanes in (1, 5):
        options = ["-m", MODEL, f"--lanes={lanes}"]
        yield f"a language model, {lanes} lanes", options, STORY * (2 if quick else 8)
    yield "a language model, learnt positions", ["-m", LEARNT, "--overlap=20"], text(600)
    yield "a language model, left away", ["-m", MODEL], records(2000)
    for name in ("json", "auto"):
        yield f"after a built-in text, {name}", [f"--prime={name}"], text(2000)
    yield "after a dictionary", ["-2", "-D", str(ROOT / "LICENSE")], text(5000)
    yield "a language model after a dictionary", ["-m", MODEL, "-D", str(ROOT / "LICENSE")], text(500)
    yield "several blocks", ["-1", "--block-size=64K"], text(150000) + records(50000)


def run(command, data):
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def check(reference, other, options, content):
    """What is wrong, or None."""
    expected = run([*reference, *options, "-c"], content)
    got = run([*other, *options, "-c"], content)
    if got != expected:
        where = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b),
                     min(len(got), len(expected)))
        return f"archives of {len(got)} and {len(expected)} bytes differ from byte {where} on"
    needed = []
    for option in ("-m", "-D"):
        if option in options:
            needed += options[options.index(option):][:2]
    if run([*other, "-dc", *needed], expected) != content:
        return "the content comes back wrong"
    return None


def check_command(reference, other, options, content):
    """What is wrong, or None: what a command writes."""
    if run([*other, *options], content) != run([*reference, *options], content):
        return "the outputs differ"
    return None


def commands(folder):
    """(name, options, standard input)"""
    message = b"See you at eight, then.\nOr at nine?\n"
    for alphabet in ("unicode", "gsm7"):
        yield f"messages, {alphabet}", ["text", "-i", "-q", "--alphabet", alphabet], message
    yield "messages with a language model", ["text", "-i", "-q", "-m", MODEL], message
    yield "a sample", ["sample", "-n", "200", "--prime=json"], b""
    yield "a cold sample", ["sample", "-n", "100", "--prime=json", "--temperature=0.7"], b""
    yield "a sample of a language model", ["sample", "-n", "60", "-m", MODEL, "--top-p=0.9"], b""
    samples = []
    for i in range(20):
        samples.append(pathlib.Path(folder, str(i)))
        samples[-1].write_bytes(text(60000)[i * 3000:][:3000])
    yield "training", ["train", "-q", "-1", "--size=4K", "-o", "-", *map(str, samples)], b""


def rows(n_labels):
    """Training and test texts, label, tab, text a line: sentences of files, a file a label."""
    files = [ROOT / "LICENSE", ROOT / "docs" / "format.md", ROOT / "include" / "aizip.h"]
    parts = [[], []]
    for label, path in enumerate(files[:n_labels]):
        lines = [line.strip() for line in path.read_text().splitlines() if len(line) > 30][:120]
        for i, line in enumerate(lines):
            parts[i % 3 == 2].append(f"label {label}\t{line.replace(chr(9), ' ')}\n")
    return ["".join(part).encode() for part in parts]


def check_classifier(reference, other, options, n_labels):
    """What is wrong, or None: the classifier and its probabilities, learnt by both."""
    train, test = rows(n_labels)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder, name)) for name in ("train.tsv", "test.tsv", "a", "b")]
        pathlib.Path(paths[0]).write_bytes(train)
        pathlib.Path(paths[1]).write_bytes(test)
        answers = []
        for command, model in ((reference, paths[2]), (other, paths[3])):
            run([*command, "classify", "-q", "--train", paths[0], "--save", model, *options], b"")
            answers.append(run([*command, "classify", "-q", "--load", paths[2], "--test", paths[1],
                                "--proba", "--predictions", "-"], b""))
        if pathlib.Path(paths[2]).read_bytes() != pathlib.Path(paths[3]).read_bytes():
            return "the classifiers differ"
        if not answers[0] or answers[0] != answers[1]:
            return "the probabilities differ"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("reference")
    parser.add_argument("other", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    n_passed = n_failed = 0
    checks = [(name, check, options, content) for name, options, content in inputs(args.quick)]
    folder = tempfile.TemporaryDirectory()
    checks += [(name, check_command, options, data) for name, options, data in commands(folder.name)]
    checks += [("classifier of 3 labels", check_classifier, [], 3),
               ("classifier of 2 labels", check_classifier, [], 2),
               ("labels by counts", check_classifier, ["--method=counts"], 3),
               ("labels by cm", check_classifier, ["--method=cm", "--level=1"], 3),
               ("nearest neighbours", check_classifier,
                ["--method=knn", "--compressor=aizip", "-k3", "--train-rows=20"], 3)]
    for name, function, options, content in checks:
        try:
            fault = function([args.reference], args.other, options, content)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            fault = str(error)
        if fault:
            n_failed += 1
            print(f"{' '.join(args.other)}: {name}: {fault}")
        else:
            n_passed += 1
    folder.cleanup()
    print(f"{n_passed} passed, {n_failed} failed")
    return 1 if n_failed or not n_passed else 0


if __name__ == "__main__":
    sys.exit(main())
