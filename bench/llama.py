#!/usr/bin/env python3
"""Measures llama.cpp through llama-cpp-python, for aizip to be compared with.

    llama.py MODEL [--threads N] [--runs N] [--work DIR] [--types as-is,Q4_0,Q8_0]

MODEL is measured as it is and requantised by llama.cpp to the other types (kept in DIR). For each:

    prompt    512 tokens in one batch, logits of the last only; tokens a second
    single    one token at a time, after 256 others; tokens a second
    lanes     16 sequences, a token each at a time, each at about 256 positions; tokens a second

of which each is the median of the runs, after one that isn't counted. Everything else is as
llama.cpp has it by default: keys and values in 16-bit floats, flash attention where it chooses it.
Printed: how llama.cpp was built and the machine's load, a Markdown table, and JSON as last line.
Build llama-cpp-python on the machine that is measured (GGML_NATIVE, its default, then uses what the
CPU has); a wheel from elsewhere may be made for any x86-64. Needs llama-cpp-python and numpy.
"""

import argparse
import json
import os
import pathlib
import statistics
import time

import llama_cpp as ll
import numpy as np

QUIET = ll.llama_log_callback(lambda *_: None)
TYPES = {"Q4_0": (ll.LLAMA_FTYPE_MOSTLY_Q4_0), "Q4_1": (ll.LLAMA_FTYPE_MOSTLY_Q4_1), "Q8_0": (ll.LLAMA_FTYPE_MOSTLY_Q8_0)}
N_PROMPT = 512
N_BEFORE = 256
N_SINGLE = 64
N_LANES = 16
N_STEPS = 16


class Context:
    """A model with a cache, and batches of (token, position, sequence, logits wanted)."""

    def __init__(self, path, threads, n_seq):
        self.model = ll.llama_model_load_from_file(str(path).encode(), ll.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp can't load {path}")
        params = ll.llama_context_default_params()
        params.n_ctx = (N_PROMPT if n_seq == 1 else 512) * n_seq
        params.n_batch = params.n_ubatch = N_PROMPT
        params.n_seq_max = n_seq
        params.n_threads = params.n_threads_batch = threads
        self.context = ll.llama_init_from_model(self.model, params)
        self.batch = ll.llama_batch_init(N_PROMPT, 0, 1)
        vocab = ll.llama_model_get_vocab(self.model)
        rng = np.random.default_rng(1)
        self.tokens = rng.integers(1000, ll.llama_vocab_n_tokens(vocab), 1 << 16).tolist()

    def clear(self):
        ll.llama_memory_clear(ll.llama_get_memory(self.context), True)

    def decode(self, items):
        """Runs a batch of (position, sequence, logits wanted); the tokens are random."""
        self.batch.n_tokens = len(items)
        for i, (pos, seq, wanted) in enumerate(items):
            self.batch.token[i] = self.tokens[(pos * 31 + seq * 977) & 0xFFFF]
            self.batch.pos[i], self.batch.n_seq_id[i], self.batch.logits[i] = pos, 1, wanted
            self.batch.seq_id[i][0] = seq
        if ll.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        ll.llama_synchronize(self.context)

    def fill(self, seq, n):
        self.decode([(i, seq, i == n - 1) for i in range(n)])

    def close(self):
        ll.llama_batch_free(self.batch)
        ll.llama_free(self.context)
        ll.llama_model_free(self.model)


def prompt_seconds(c):
    c.clear()
    began = time.perf_counter()
    c.fill(0, N_PROMPT)
    return (time.perf_counter() - began) / N_PROMPT


def single_seconds(c):
    c.clear()
    c.fill(0, N_BEFORE)
    began = time.perf_counter()
    for i in range(N_SINGLE):
        c.decode([(N_BEFORE + i, 0, 1)])
    return (time.perf_counter() - began) / N_SINGLE


def lanes_seconds(c):
    c.clear()
    n = N_BEFORE - N_STEPS // 2
    for s in range(N_LANES):
        c.fill(s, n)
    began = time.perf_counter()
    for i in range(N_STEPS):
        c.decode([(n + i, s, 1) for s in range(N_LANES)])
    return (time.perf_counter() - began) / (N_STEPS * N_LANES)


def measure(path, threads, runs):
    result = {}
    for n_seq, what in ((1, {"prompt": prompt_seconds, "single": single_seconds}), (N_LANES, {"lanes": lanes_seconds})):
        c = Context(path, threads, n_seq)
        for name, function in what.items():
            function(c)
            seconds = [function(c) for _ in range(runs)]
            result[name] = round(1 / statistics.median(seconds), 1)
            result[name + "_best"] = round(1 / min(seconds), 1)
        c.close()
    return result


def requantised(model, kind, folder):
    """The model in another type, made once."""
    out = folder / f"{model.stem}-{kind}.gguf"
    if not out.exists():
        folder.mkdir(parents=True, exist_ok=True)
        params = ll.llama_model_quantize_default_params()
        params.ftype = TYPES[kind]
        params.allow_requantize = True
        partial = out.with_suffix(".part")
        if ll.llama_model_quantize(str(model).encode(), str(partial).encode(), params) != 0:
            raise SystemExit(f"llama.cpp can't make {kind} of {model}")
        partial.rename(out)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/aizip-llama"))
    parser.add_argument("--types", default="as-is,Q4_0,Q8_0")
    args = parser.parse_args()
    ll.llama_log_set(QUIET, None)
    ll.llama_backend_init()
    system = ll.llama_print_system_info().decode().strip(" |")
    load = os.getloadavg()[0]
    print(f"llama-cpp-python {ll.__version__}: {system}")
    print(f"threads {args.threads}, load before {load:.2f}\n")
    print("| type | prompt of 512 | one token at a time | 16 sequences at 256 |\n|---|---|---|---|")
    results = {}
    for kind in args.types.split(","):
        path = args.model if kind == "as-is" else requantised(args.model, kind, args.work)
        r = results[kind] = measure(path, args.threads, args.runs)
        print(f"| {kind} | {r['prompt']} | {r['single']} | {r['lanes']} |", flush=True)
    print()
    print(json.dumps({"model": args.model.name, "threads": args.threads, "runs": args.runs, "system": system,
                      "version": ll.__version__, "load": round(load, 2), "tokens_per_second": results}))


if __name__ == "__main__":
    main()
