#!/usr/bin/env python3
"""Jiang et al.'s classification by gzip, plainly: text, a space, training text; gzip level 9; the k
nearest by normalised compression distance, in the order of the rows where distances are equal;
where several labels have most votes, fewer neighbours are asked.

plain_npc_gzip.py TRAIN.tsv TEST.tsv [N_TRAIN N_TEST K]: a line a test row, its label and the
distances to all training rows, as JSON."""

import json
import sys

from plain_seed import rows, size


def vote(labels):
    """The label that alone has most of the votes of as many of the first as it takes."""
    votes = {label: labels.count(label) for label in labels}
    most = [label for label, n in votes.items() if n == max(votes.values())]
    return most[0] if len(most) == 1 else vote(labels[:-1])


def main(train, test, n_train=12000, n_test=200, k=1):
    train = rows(train, int(n_train))
    sizes = [size(text) for _, text in train]
    for _, text in rows(test, int(n_test)):
        own = size(text)
        distances = [(size(text + " " + other) - min(own, known)) / max(own, known)
                     for (_, other), known in zip(train, sizes)]
        near = sorted(range(len(train)), key=lambda i: (distances[i], i))[:int(k)]
        print(json.dumps({"label": vote([train[i][0] for i in near]), "distances": distances}))


if __name__ == "__main__":
    main(*sys.argv[1:])
