#!/usr/bin/env python3
"""classify.py --data FOLDER [PART]...: aizip classify beside its peers, in one run, as tables.

  accuracy  the default method beside scikit-learn's LinearSVC and LogisticRegression on TF-IDF, of
            each set in FOLDER (train.tsv and test.tsv, or as in SETS); test labels are only counted
  few-shot  5, 10 and 50 rows a label, 5 seeds: the mean and its 95 % interval (Student's t)
  knn       nearest neighbours by gzip: labels of presets, and pairs a second beside compress2()
            (build/deflate_pairs, built with the tests)
  npc-gzip  every distance of some rows beside the package npc-gzip's, if it is there, and its speed
  primed    --method counts, --method cm, and -m smollm2-135m, if it is there
  mnist     images 0-8,999 for training, the rest for the test, beside neighbours by pixels, gzip

Needs numpy and scikit-learn from PyPI. Texts are read literally, as label, tab, text."""

import argparse
import gzip
import json
import math
import multiprocessing
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

ROOT = pathlib.Path(__file__).resolve().parents[1]
AIZIP = os.environ.get("AIZIP", str(ROOT / "build" / "aizip"))
PAIRS = os.environ.get("DEFLATE_PAIRS", str(ROOT / "build" / "deflate_pairs"))
SETS = {"AG News": ("ag_news/train_union.tsv", "ag_news/test.tsv"),
        "20News": ("20news/train.tsv", "20news/test.tsv"),
        "R8": ("r8/train.txt", "r8/test.txt"),
        "Ohsumed": ("ohsumed/train.tsv", "ohsumed/test.tsv"),
        "banking77": ("banking77/train.tsv", "banking77/test.tsv"),
        "SST-2": ("sst2/train.tsv", "sst2/test.tsv"),
        "MR": ("mr/train.tsv", "mr/test.tsv")}


def read(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        rows = [line.rstrip("\n").split("\t", 1) for line in file]
    return [text for _, text in rows], [label for label, _ in rows]


def aizip(*args):
    done = subprocess.run([AIZIP, "classify", "--json", "-q", *map(str, args)], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def peers():
    """name: a new pipeline."""
    words = {"ngram_range": (1, 2), "sublinear_tf": True}
    chars = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True}
    return {"TF-IDF + LR, default": lambda: make_pipeline(TfidfVectorizer(),
                                                          LogisticRegression(max_iter=1000)),
            "words (1,2) + LinearSVC": lambda: make_pipeline(TfidfVectorizer(**words), LinearSVC()),
            "characters (2-5) + LinearSVC": lambda: make_pipeline(TfidfVectorizer(**chars),
                                                                  LinearSVC())}


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def accuracy(data):
    results = {name: [] for name in ("aizip classify", *peers())}
    costs = []
    for name, (train, test) in SETS.items():
        report = aizip("--train", data / train, "--test", data / test)
        results["aizip classify"].append(report["accuracy"])
        x, y = read(data / train)
        tx, ty = read(data / test)
        seconds = []
        for peer, make in peers().items():
            if name == "AG News" and peer.startswith("characters"):
                results[peer].append(None)
                continue
            start = time.monotonic()
            model = make().fit(x, y)
            seconds.append(f"{time.monotonic() - start:.1f}")
            results[peer].append(float(np.mean(np.array(model.predict(tx)) == np.array(ty))))
        costs.append((name, f"{report['train_seconds']:.1f}", " / ".join(seconds),
                      f"{report['test_seconds'] / len(ty) * 1e3:.3f}",
                      f"{report['macro_f1']:.4f}", f"{report['log_loss']:.4f}",
                      f"{report['calibration_error']:.4f}"))
        print(name, report["accuracy"], file=sys.stderr)
    table(("accuracy", *SETS, "mean"),
          [(name, *("" if v is None else f"{v:.4f}" for v in values),
            "" if None in values else f"{statistics.mean(values):.4f}")
           for name, values in results.items()])
    table(("set", "seconds to train", "the peers', in turn", "ms a text and 2 threads", "macro F1",
           "log loss", "calibration error"), costs)


def interval(values):
    """Mean and half a 95 % interval of five."""
    return f"{statistics.mean(values):.3f} ± {2.776 * statistics.stdev(values) / math.sqrt(5):.3f}"


def few_shot(data):
    rows = []
    for name in ("AG News", "banking77", "SST-2", "MR"):
        train, test = (data / path for path in SETS[name])
        x, y = read(train)
        tx, ty = read(test)
        tx, ty = tx[::max(1, len(tx) // 300)], ty[::max(1, len(ty) // 300)]
        with tempfile.TemporaryDirectory() as folder:
            sample, chosen = pathlib.Path(folder, "test.tsv"), pathlib.Path(folder, "train.tsv")
            sample.write_text("".join(f"{b}\t{a}\n" for a, b in zip(tx, ty)), encoding="utf-8")
            for shots in (5, 10, 50):
                found = {"class": [], "knn": [], "lr": []}
                for seed in range(5):
                    rng = np.random.RandomState(seed)
                    order = rng.permutation(len(y))
                    kept, n_of = [], {}
                    for i in order:
                        if n_of.setdefault(y[i], 0) < shots:
                            n_of[y[i]] += 1
                            kept.append(i)
                    chosen.write_text("".join(f"{y[i]}\t{x[i]}\n" for i in kept), encoding="utf-8")
                    options = ("--train", chosen, "--test", sample)
                    found["class"].append(aizip(*options)["accuracy"])
                    found["knn"].append(aizip("--method", "knn", "--preset", "npc-gzip",
                                              *options)["accuracy"])
                    model = peers()["TF-IDF + LR, default"]().fit([x[i] for i in kept],
                                                                  [y[i] for i in kept])
                    found["lr"].append(float(np.mean(model.predict(tx) == np.array(ty))))
                rows.append((name, str(shots), *(interval(v) for v in found.values())))
    table(("set (about 300 test rows)", "rows a label", "aizip, class", "gzip, k = 1",
           "TF-IDF + LR"), rows)


def knn(data):
    rows = []
    for name, n_test, options, published in (
            ("AG News", 760, ("--preset", "seed"), ""),
            ("R8", 0, ("--preset", "npc-gzip"), ".913"),
            ("R8", 0, ("--preset", "npc-gzip", "-k", "5"), ".929"),
            ("Ohsumed", 0, ("--preset", "npc-gzip"), ".365"),
            ("Ohsumed", 0, ("--preset", "npc-gzip", "-k", "5"), ".393"),
            ("20News", 60, ("--preset", "npc-gzip"), ".607"),
            ("AG News", 60, ("--preset", "npc-gzip"), ".876 (all of its training rows)")):
        train, test = SETS[name]
        if "seed" in options:
            train = "ag_news/train_first_12000.tsv"
        lines = (data / test).read_bytes().split(b"\n")
        lines = [line for line in lines if line]
        with tempfile.TemporaryDirectory() as folder:
            sample = pathlib.Path(folder, "test.tsv")
            n_test = n_test or len(lines)
            step = 1 if "seed" in options else len(lines) // n_test
            sample.write_bytes(b"".join(line + b"\n" for line in lines[::step][:n_test]))
            report = aizip("--method", "knn", *options, "--train", data / train, "--test", sample)
        n_pairs = report["rows"] * report["train_rows"]
        rows.append((name, " ".join(options), str(report["rows"]), f"{report['accuracy']:.4f}",
                     f"{report['accuracy_low']:.3f} to {report['accuracy_high']:.3f}", published,
                     f"{n_pairs / report['test_seconds'] / 1e3:.0f}"))
    table(("set", "options", "test rows", "accuracy", "95 %", "published, all rows",
           "thousand pairs a second, 2 cores"), rows)
    if os.path.exists(PAIRS):
        files = [data / SETS[name][1] for name in ("AG News", "R8", "Ohsumed", "MR")]
        print(subprocess.run([PAIRS, "40000", "7", *map(str, files)], check=False,
                             stdout=subprocess.PIPE, text=True).stdout)


PEER = []  # what a forked process can't be sent


def ask_peer(texts):
    return PEER[-1].predict(texts)


def npc_gzip(data):
    """Every distance beside the package npc-gzip's, and its speed on two cores against ours."""
    from npc_gzip.compressors.gzip_compressor import GZipCompressor
    from npc_gzip.knn_classifier import KnnClassifier
    np.random.choice = lambda n, size, replace: np.arange(size)  # it shuffles rows; here it doesn't
    n_train, n_test, rows = 3000, 40, []
    for name in ("AG News", "R8", "Ohsumed"):
        x, y = read(data / SETS[name][0])
        tx, ty = read(data / SETS[name][1])
        x, y, tx, ty = x[:n_train], y[:n_train], tx[:n_test], ty[:n_test]
        options = ("--order", "train-first", "--separator", " ")
        with tempfile.TemporaryDirectory() as folder:
            train, test = pathlib.Path(folder, "train.tsv"), pathlib.Path(folder, "test.tsv")
            train.write_text("".join(f"{b}\t{a}\n" for a, b in zip(x, y)), encoding="utf-8")
            test.write_text("".join(f"{b}\t{a}\n" for a, b in zip(tx, ty)), encoding="utf-8")
            for distance in ("ncd", "cdm"):
                PEER.append(KnnClassifier(GZipCompressor(), x, list(range(len(x))), distance))
                start = time.perf_counter()
                with multiprocessing.Pool(2) as pool:  # it uses one core by itself
                    theirs = np.concatenate([d for d, *_ in pool.map(ask_peer,
                                                                     (tx[::2], tx[1::2]))])
                seconds = time.perf_counter() - start
                theirs = np.concatenate(list(zip(theirs[:n_test // 2], theirs[n_test // 2:])))
                n_differ = 0
                for text, row in zip(tx, theirs):
                    done = subprocess.run([AIZIP, "nearest", "-q", "--json", "--train", train, "-k",
                                           str(len(x)), "--distance", distance, *options, "--", text],
                                          check=True, stdout=subprocess.PIPE)
                    ours = {n["row"]: n["distance"] for n in json.loads(done.stdout)["neighbours"]}
                    n_differ += sum(abs(ours[i + 1] - d) > 1e-8 for i, d in enumerate(row))
                again = test.read_bytes() * 20
                test.write_bytes(again)
                report = aizip("--method", "knn", "--train", train, "--test", test, "-T2",
                               "--distance", distance, *options)
                test.write_bytes(again[:len(again) // 20])
                ours = len(x) * report["rows"] / report["test_seconds"]
                rows.append((name, distance, str(theirs.size), str(n_differ), f"{ours:,.0f}",
                             f"{theirs.size / seconds:,.0f}",
                             f"{ours * seconds / theirs.size:.1f}"))
    table(("set", "distance", "pairs", "that differ", "pairs a second, 2 cores", "npc-gzip, 2 processes",
           "times"), rows)


def primed(data):
    """By counts; and the fewest bits after texts of each label, on some test rows of each set."""
    def row(name, n_rows, *options):
        train, test = (data / path for path in SETS[name])
        lines = [line for line in test.read_bytes().split(b"\n") if line]
        with tempfile.TemporaryDirectory() as folder:
            sample = pathlib.Path(folder, "test.tsv")
            step = max(1, len(lines) // n_rows) if n_rows else 1  # files may be in order of labels
            sample.write_bytes(b"\n".join(lines[::step][:n_rows or None]) + b"\n")
            r = aizip("--train", train, "--test", sample, *options)
        return (name, "`" + " ".join(options) + "`", str(r["rows"]), f"{r['accuracy']:.4f}",
                f"{r['accuracy_low']:.3f} to {r['accuracy_high']:.3f}",
                f"{r['train_seconds']:.1f}", f"{1000 * r['test_seconds'] / r['rows']:.2f}")
    rows = [row(name, 0, "--method", "counts") for name in SETS]
    rows += [row(name, 1000, "--method", "cm", "--level", level)
             for name in SETS for level in ("1", "3")]
    rows += [row(name, 200, "-m", "smollm2-135m", "--examples", n)
             for name in ("AG News", "SST-2") for n in ("2", "8")]
    table(("set", "options", "test rows", "accuracy", "95 %", "seconds to train", "ms a text"), rows)


def mnist(data):
    folder = data / "mnist"
    images = gzip.open(folder / "t10k-images-idx3-ubyte.gz").read()
    labels = gzip.open(folder / "t10k-labels-idx1-ubyte.gz").read()
    with tempfile.TemporaryDirectory() as work:
        def write(name, first, last):
            head = struct.pack(">I", last - first)
            pathlib.Path(work, name).write_bytes(
                images[:4] + head + images[8:16] + images[16 + first * 784:16 + last * 784])
            pathlib.Path(work, name + ".l").write_bytes(labels[:4] + head + labels[8 + first:8 + last])
            return ["--train" if name == "a" else "--test", f"{work}/{name}",
                    "--train-labels" if name == "a" else "--test-labels", f"{work}/{name}.l"]
        train, test = write("a", 0, 9000), write("b", 9000, 10000)
        ours = aizip(*train, *test)["accuracy"]
        gzips = aizip(*train, *test, "--method", "knn", "-k", "1", "--test-rows", "200")["accuracy"]
    pixels = np.frombuffer(images[16:], np.uint8).reshape(10000, 784).astype(np.float32)
    names = np.frombuffer(labels[8:], np.uint8)
    near = KNeighborsClassifier(1).fit(pixels[:9000], names[:9000])
    score = float(np.mean(near.predict(pixels[9000:]) == names[9000:]))
    table(("MNIST, 9,000 / 1,000", "accuracy"),
          (("aizip classify", f"{ours:.4f}"), ("nearest by pixels", f"{score:.4f}"),
           ("nearest by gzip, 200 rows", f"{gzips:.4f}")))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parts = {"accuracy": accuracy, "few-shot": few_shot, "knn": knn, "mnist": mnist,
             "npc-gzip": npc_gzip, "primed": primed}
    parser.add_argument("part", nargs="*", choices=[*parts, []])
    args = parser.parse_args()
    for name in args.part or parts:
        parts[name](args.data)


if __name__ == "__main__":
    main()
