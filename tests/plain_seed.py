#!/usr/bin/env python3
"""AI.zip's gzip classifier, plainly: each test text's k nearest training texts by normalised
compression distance; gzip level 9, training text + test text without anything between, the
neighbours in the order of the rows where distances are equal, ties of votes to the lowest label.

plain_seed.py TRAIN.tsv TEST.tsv [N_TRAIN N_TEST K]: a line a test row, its label and the
distances to all training rows, as JSON."""

import gzip
import json
import sys


def rows(path, n):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n").split("\t", 1) for line in file][:n]


def size(text):
    return len(gzip.compress(text.encode(), 9))


def main(train, test, n_train=12000, n_test=760, k=5):
    train = rows(train, int(n_train))
    sizes = [size(text) for _, text in train]
    for _, text in rows(test, int(n_test)):
        own = size(text)
        distances = [(size(other + text) - min(own, known)) / max(own, known)
                     for (_, other), known in zip(train, sizes)]
        near = sorted(range(len(train)), key=lambda i: (distances[i], i))[:int(k)]
        votes = [train[i][0] for i in near]
        label = min(set(votes), key=lambda name: (-votes.count(name), int(name)))
        print(json.dumps({"label": label, "distances": distances}))


if __name__ == "__main__":
    main(*sys.argv[1:])
