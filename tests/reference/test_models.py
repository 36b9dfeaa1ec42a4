#!/usr/bin/env python3
"""test_models.py: makes the random models of make_models.py, runs LM_DUMP (an environment variable:
the program tests/lm_dump.c) on each, and compares with the float32 reference: the relative root
mean square error of the logits is at most 1 %. Needs numpy and gguf; without them exit code 77.

    test_models.py [NAME ...]      all models, or those named
"""

import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np

    import make_models
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

MOST = 0.01


def measure(program, directory, name):
    """(relative error of its logits, that of the reference with weights and activations as int8)"""
    make_models.make(directory, name)
    path = directory / f"{name}.gguf"
    out = path.with_suffix(".ours")
    subprocess.run([program, path, path.with_suffix(".ids"), out], check=True)
    right = np.fromfile(path.with_suffix(".logits"), dtype="<f4")
    ids = np.fromfile(path.with_suffix(".ids"), dtype="<i4")
    ours = np.fromfile(out, dtype="<f4")
    int8 = make_models.reference.logits(make_models.reference.load(path, int8=True), ids)
    return make_models.relative_error(ours, right), make_models.relative_error(int8.ravel(), right)


def main():
    program = os.environ["LM_DUMP"]
    n_bad = 0
    print(f"{'model':16} {'error':>8} {'int8':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or make_models.MODELS:
            try:
                ours, int8 = measure(program, pathlib.Path(folder), name)
            except subprocess.CalledProcessError:
                ours, int8 = float("inf"), 0.0
            bad = not ours <= MOST
            n_bad += bad
            print(f"{name:16} {100 * ours:6.3f} % {100 * int8:6.3f} %{'  too much' if bad else ''}", flush=True)
    print(f"{n_bad} of them above {100 * MOST:g} %")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
