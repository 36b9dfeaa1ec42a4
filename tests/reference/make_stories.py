#!/usr/bin/env python3
"""Makes tests/models/stories260k.gguf out of llama2.c's checkpoint and tokenizer.

    make_stories.py stories260K.bin tok512.bin stories260k.gguf

A real model, trained on TinyStories (karpathy/tinyllamas, MIT licence). Sizes are filled up with
zeros to multiples of 16 (heads of 8 to 16, with queries times sqrt(2), as the softmax divides by
the root of a head's size; 172 hidden values to 176), which changes nothing. Matrices whose lines
are multiples of 32 become Q8_0, the others F16. Needs numpy and gguf.
"""

import struct
import sys

import gguf
import numpy as np


def read_checkpoint(path):
    data = open(path, "rb").read()
    dim, hidden, n_layers, n_heads, n_kv, n_vocab, n_ctx = struct.unpack("<7i", data[:28])
    values = np.frombuffer(data, np.float32, offset=28)
    at = 0

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return values[at - n:at].reshape(shape)

    kv = dim * n_kv // n_heads
    tensors = {"token_embd": take(n_vocab, dim)}
    stacks = [("attn_norm", (dim,)), ("attn_q", (dim, dim)), ("attn_k", (kv, dim)), ("attn_v", (kv, dim)),
              ("attn_output", (dim, dim)), ("ffn_norm", (dim,)), ("ffn_gate", (hidden, dim)),
              ("ffn_down", (dim, hidden)), ("ffn_up", (hidden, dim))]
    for name, shape in stacks:
        stack = take(n_layers, *shape)
        for i in range(n_layers):
            tensors[f"blk.{i}.{name}"] = stack[i]
    tensors["output_norm"] = take(dim)
    return tensors, dict(dim=dim, hidden=hidden, n_layers=n_layers, n_heads=n_heads, n_kv=n_kv,
                         n_vocab=n_vocab, n_ctx=n_ctx)


HEAD = 16


def pad_heads(value, n_heads, axis):
    """Each head's part of that axis filled up to HEAD."""
    value = np.moveaxis(value, axis, 0)
    heads = value.reshape(n_heads, -1, value.shape[1])
    padded = np.zeros((n_heads, HEAD, value.shape[1]), np.float32)
    padded[:, :heads.shape[1]] = heads
    return np.moveaxis(padded.reshape(n_heads * HEAD, -1), 0, axis)


def pad(tensors, c):
    hidden = (c["hidden"] + 15) // 16 * 16
    for name, value in tensors.items():
        part = name.split(".")[-1]
        if part == "attn_q":
            value = pad_heads(value * np.sqrt(HEAD * c["n_heads"] / c["dim"]), c["n_heads"], 0)
        elif part in ("attn_k", "attn_v"):
            value = pad_heads(value, c["n_kv"], 0)
        elif part == "attn_output":
            value = pad_heads(value, c["n_heads"], 1)
        elif part in ("ffn_gate", "ffn_up"):
            value = np.pad(value, ((0, hidden - c["hidden"]), (0, 0)))
        elif part == "ffn_down":
            value = np.pad(value, ((0, 0), (0, hidden - c["hidden"])))
        tensors[name] = np.ascontiguousarray(value, np.float32)
    c["rot"] = c["dim"] // c["n_heads"]
    c["hidden"] = hidden


def read_tokens(path, n_vocab):
    data = open(path, "rb").read()
    at, tokens = 4, []
    for _ in range(n_vocab):
        score, n = struct.unpack_from("<fi", data, at)
        tokens.append((data[at + 8:at + 8 + n], score))
        at += 8 + n
    return tokens


def main():
    tensors, c = read_checkpoint(sys.argv[1])
    pad(tensors, c)
    tokens = read_tokens(sys.argv[2], c["n_vocab"])
    out = gguf.GGUFWriter(sys.argv[3], "llama")
    out.add_name("stories260K")
    out.add_license("mit")
    out.add_context_length(c["n_ctx"])
    out.add_embedding_length(c["dim"])
    out.add_block_count(c["n_layers"])
    out.add_feed_forward_length(c["hidden"])
    out.add_head_count(c["n_heads"])
    out.add_head_count_kv(c["n_kv"])
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_rope_dimension_count(c["rot"])
    out.add_layer_norm_rms_eps(1e-5)
    out.add_tokenizer_model("llama")
    kinds = [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)
    texts = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % i for i in range(256)]
    texts += [text.replace(b" ", "\u2581".encode()) for text, _ in tokens[259:]]
    out.add_token_list(texts)
    out.add_token_scores([score for _, score in tokens])
    out.add_token_types(kinds)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    for name, value in tensors.items():
        name += ".weight"
        if value.ndim == 1:
            out.add_tensor(name, value)
        elif value.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            out.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
        else:
            out.add_tensor(name, value.astype(np.float16))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    main()
