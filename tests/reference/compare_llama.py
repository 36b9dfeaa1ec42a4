#!/usr/bin/env python3
"""Compares logits with llama.cpp's, through llama-cpp-python.

    compare_llama.py MODEL TEXT...                     the float32 reference against llama.cpp
    compare_llama.py MODEL TEXT... --program COMMAND   aizip against llama.cpp
    compare_llama.py MODEL --dump IDS LOGITS           a dump against llama.cpp

IDS is raw little-endian int32, LOGITS raw little-endian float32 [n][n_vocab], of which row i is
about token i + 1: logits or natural logarithms of probabilities, up to a constant a row. COMMAND is
called as `COMMAND MODEL IDS LOGITS` and writes LOGITS. Of each TEXT the start token and the first
tokens are taken, --tokens (2,000) in all, as one sequence; with --window as sequences of that many
of these ids, each on its own, which are then as many calls of COMMAND.

Printed for each text, as JSON: how often both have the same most probable token, and the mean Kullback-
Leibler divergence in nats a token, of LOGITS from llama.cpp: sum p log(p/q), p being llama.cpp's.

llama.cpp quantises activations to 8 bits and keeps keys and values as 16-bit floats; here it keeps
them as float32, without flash attention, so that what remains is the former.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import numpy as np


class CannotLoad(Exception):
    pass


def quiet():
    import llama_cpp as ll
    quiet.callback = ll.llama_log_callback(lambda *_: None)  # kept, or it is freed
    ll.llama_log_set(quiet.callback, None)


def open_model(path):
    import llama_cpp as ll
    quiet()
    params = ll.llama_model_default_params()
    model = ll.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise CannotLoad(path)
    return model


def llama_logits(path, ids, n_threads=None, window=None):
    """float32 [n][n_vocab] for ids as one sequence, or as sequences of `window`."""
    import llama_cpp as ll
    model = open_model(path)
    n_vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(model))
    window = min(window or len(ids), len(ids))
    params = ll.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = window
    params.n_threads = params.n_threads_batch = n_threads or os.cpu_count()
    params.type_k = params.type_v = ll.GGML_TYPE_F32
    params.flash_attn_type = ll.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = ll.llama_init_from_model(model, params)
    out = np.empty((len(ids), n_vocab), np.float32)
    for begin in range(0, len(ids), window):
        part = ids[begin:begin + window]
        ll.llama_memory_clear(ll.llama_get_memory(context), True)
        batch = ll.llama_batch_init(len(part), 0, 1)
        batch.n_tokens = len(part)
        for i, t in enumerate(part):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(t), i, 1, 1
            batch.seq_id[i][0] = 0
        if ll.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        rows = np.ctypeslib.as_array(ll.llama_get_logits(context), (len(part), n_vocab))
        out[begin:begin + len(part)] = rows
        ll.llama_batch_free(batch)
    ll.llama_free(context)
    ll.llama_model_free(model)
    return out


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)


def agreement(ours, theirs, rows=64):
    """(share of equal most probable tokens, mean KL of theirs from ours in nats)"""
    same, kl = 0, 0.0
    for i in range(0, len(ours), rows):
        q, p = log_softmax(ours[i:i + rows]), log_softmax(theirs[i:i + rows])
        same += int((q.argmax(axis=1) == p.argmax(axis=1)).sum())
        kl += float((np.exp(p) * (p - q)).sum(dtype=np.float64))
    return same / len(ours), kl / len(ours)


def report(model, name, ids, ours, window, threads=None):
    theirs = llama_logits(model, ids, threads, window)
    same, kl = agreement(ours, theirs)
    print(json.dumps({"model": pathlib.Path(model).stem, "text": pathlib.Path(name).name, "n_tokens": len(ids),
                      "same_first": round(same, 4), "kl": round(kl, 6)}), flush=True)
    return same, kl


def logits_of_program(command, model, ids):
    with tempfile.TemporaryDirectory() as folder:
        ids_file, out = os.path.join(folder, "ids"), os.path.join(folder, "logits")
        np.asarray(ids, "<i4").tofile(ids_file)
        subprocess.run([*shlex.split(command), model, ids_file, out], check=True)
        return np.fromfile(out, "<f4").reshape(len(ids), -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("texts", nargs="*")
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--window", type=int, default=None)
    parser.add_argument("--start", type=int, default=0, help="the token before a text")
    parser.add_argument("--program")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of llama.cpp")
    parser.add_argument("--int8", action="store_true", help="the reference rounded as aizip rounds")
    parser.add_argument("--dump", nargs=2, metavar=("IDS", "LOGITS"))
    parser.add_argument("--min-same", type=float, default=0.0, help="fail below this share")
    parser.add_argument("--max-kl", type=float, default=float("inf"), help="fail above")
    args = parser.parse_args()
    import reference
    results = []
    if args.dump:
        ids = np.fromfile(args.dump[0], "<i4")
        ours = np.fromfile(args.dump[1], "<f4").reshape(len(ids), -1)
        results.append(report(args.model, args.dump[0], ids, ours, args.window, args.threads))
    model = reference.load(args.model, args.int8) if args.texts and not args.program else None
    for name in args.texts:
        with open(name, "rb") as f:
            text = f.read(10 * args.tokens)
        ids = np.concatenate([[args.start], reference.tokenize(args.model, text)])[: args.tokens]
        window = args.window or len(ids)
        parts = [ids[i:i + window] for i in range(0, len(ids), window)]
        ours = np.concatenate([logits_of_program(args.program, args.model, part) if args.program
                               else reference.logits(model, part) for part in parts])
        results.append(report(args.model, name, ids, ours, window, args.threads))
    if any(same < args.min_same or kl > args.max_kl for same, kl in results):
        sys.exit("too far from llama.cpp")


if __name__ == "__main__":
    main()
