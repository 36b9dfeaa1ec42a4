#!/usr/bin/env python3
"""A float32 reference of the models that aizip runs, to be read and to be compared with.

load() reads a GGUF file and turns every tensor into float32, whatever its type; logits() is the
forward pass, one function for each architecture, written like the papers: x is [n][n_embd], the
residual stream of n tokens of one sequence, from position 0. Nothing is quantised on the way, so
aizip and llama.cpp, which both quantise activations, differ from it slightly. Needs numpy and gguf.

    reference.py logits MODEL IDS OUT           raw float32 [n][n_vocab]
    reference.py bits MODEL FILE [--bytes N] [--window W] [--start ID] [--ids IDS]

IDS is a file of raw little-endian int32 token ids. Without --ids, FILE is cut into tokens by
llama-cpp-python, which then has to be there.

A window of W: the tokens are cut into groups of W (the last may be shorter); each group stands
alone. The model is given the start token and then all but the last token of the group, W positions
in all, and its W distributions are those of the group's W tokens. So every token is coded, one
position holds the start token, and the first token of a window is coded from that alone. Bits per
byte are the sum of -log2 p over all tokens of the file, divided by the file's bytes.
"""

import argparse
import json
import sys
import time

import gguf
import numpy as np

F32 = np.float32


class Model:
    """A GGUF file in float32: its metadata, its tensors, and what the forward pass asks of them."""

    def __init__(self, path, int8=False):
        reader = gguf.GGUFReader(path)
        self.fields = reader.fields
        self.arch = self.get("general.architecture")
        self.int8 = int8
        self.rounded = {}  # with int8: what was made of the matrices
        # name -> [rows][columns] or [columns]
        self.tensors = {t.name: self._float32(t) for t in reader.tensors}
        self.types = {t.name: t.tensor_type.name for t in reader.tensors}

        self.n_embd = self.key("embedding_length")
        self.n_layer = self.key("block_count")
        self.n_head = self.key("attention.head_count")
        self.n_head_kv = self.key("attention.head_count_kv", self.n_head)
        self.d_head = self.key("attention.key_length", self.n_embd // self.n_head)
        self.n_rot = self.key("rope.dimension_count", self.d_head)
        self.eps = F32(self.key("attention.layer_norm_rms_epsilon",
                                self.key("attention.layer_norm_epsilon", 1e-5)))
        self.n_vocab = self.tensors["token_embd.weight"].shape[0]
        self.n_ctx = self.key("context_length")
        self.rope_base = self.key("rope.freq_base", 10000.0)
        # Linear scaling: positions are divided by the factor. Other kinds come as factor tensors.
        scaling = self.key("rope.scaling.type", "linear")
        if scaling == "yarn":
            raise ValueError("yarn scaling is not in the reference")
        factor = self.key("rope.scaling.factor", self.key("rope.scale_linear", 0.0))
        self.rope_scale = 1.0 if scaling == "none" else 1.0 / (factor or 1.0)

    def get(self, name, default=None):
        return self.fields[name].contents() if name in self.fields else default

    def key(self, name, default=None):
        """A key of the architecture. One that has a value for each layer must have equal ones."""
        value = self.get(f"{self.arch}.{name}", default)
        if isinstance(value, list):
            if len(set(value)) != 1:
                raise ValueError(f"{name} differs between layers: not in the reference")
            value = value[0]
        return value

    def _float32(self, tensor):
        x = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        return np.ascontiguousarray(x, dtype=F32)

    def optional(self, name):
        return self.tensors.get(name)

    def linear(self, name, x):
        """x [n][columns] times the matrix's rows, plus the bias if there is one."""
        w = self.tensors[name + ".weight"]
        if self.int8:
            if name not in self.rounded:
                self.rounded[name] = int8_rows(w)
            w, x = self.rounded[name], int8_groups(x)
        y = x @ w.T
        bias = self.optional(name + ".bias")
        return y if bias is None else y + bias

    def embed(self, ids):
        return self.tensors["token_embd.weight"][ids]

    def norm(self, name, x):
        """RMS norm, over the last axis: x of [n][n_embd] or [n][n_head][d_head]."""
        mean = np.mean(np.square(x), axis=-1, keepdims=True, dtype=np.float64).astype(F32)
        return x / np.sqrt(mean + self.eps) * self.tensors[name + ".weight"]

    def layer_norm(self, name, x):
        mean = np.mean(x, axis=-1, keepdims=True, dtype=np.float64).astype(F32)
        return self.norm(name, x - mean) + self.tensors[name + ".bias"]

    def heads(self, x, n_head):
        return x.reshape(len(x), n_head, -1)


def int8_rows(w):
    """What is left of a matrix as int8 with one scale a row (aizip's format)."""
    scale = np.maximum(np.abs(w).max(axis=1, keepdims=True), F32(1e-30)) / F32(127)
    return np.rint(w / scale) * scale


def int8_groups(x, size=64):
    """What is left of activations as int8 with one scale per 64 values."""
    pad = -x.shape[1] % size
    g = np.pad(x, ((0, 0), (0, pad))).reshape(len(x), -1, size)
    scale = np.maximum(np.abs(g).max(axis=2, keepdims=True), F32(1e-30)) / F32(127)
    return (np.rint(g / scale) * scale).reshape(len(x), -1)[:, : x.shape[1]]


def silu(x):
    with np.errstate(over="ignore"):
        return x / (F32(1) + np.exp(-x))


def gelu(x):
    """The tanh form, as GPT-2 and Gemma have it."""
    return F32(0.5) * x * (F32(1) + np.tanh(F32(np.sqrt(2 / np.pi)) * (x + F32(0.044715) * x * x * x)))


def rope(m, x, neox, base=None, scale=None, factors=None, amplitude=1.0):
    """Rotary positions on x [n][n_head][d_head]. Pair i of the n_rot/2 pairs turns by
    position * scale * base^(-2i/n_rot) / factors[i]. The pairs are (2i, 2i+1), or (i, i + n_rot/2)
    where neox says so. Values from n_rot on stay as they are."""
    n_rot = m.n_rot
    i = np.arange(n_rot // 2)
    freq = np.float64(base or m.rope_base) ** (-2.0 * i / n_rot) * (scale or m.rope_scale)
    if factors is not None:
        freq = freq / factors
    angle = np.arange(len(x))[:, None, None] * freq
    cos = (np.cos(angle) * amplitude).astype(F32)
    sin = (np.sin(angle) * amplitude).astype(F32)
    out = x.copy()
    first = (..., slice(0, n_rot // 2)) if neox else (..., slice(0, n_rot, 2))
    second = (..., slice(n_rot // 2, n_rot)) if neox else (..., slice(1, n_rot, 2))
    a, b = x[first], x[second]
    out[first] = a * cos - b * sin
    out[second] = a * sin + b * cos
    return out


def attention(q, k, v, scale, window=None):
    """Causal attention: q [n][n_head][d], k and v [n][n_head_kv][d] -> [n][n_head * d]. Position i
    sees j when j <= i and, with a sliding window, i - j < window."""
    n, n_head, d = q.shape
    group = n_head // k.shape[1]
    out = np.empty((n, n_head, v.shape[2]), F32)
    for begin in range(0, n, 256):  # rows at a time, for the tables of n * n are large
        end = min(n, begin + 256)
        first = max(0, begin - window + 1) if window else 0
        i, j = np.arange(begin, end)[:, None], np.arange(first, end)[None, :]
        visible = (j <= i) & (i - j < (window or n))
        bias = np.where(visible, F32(0), F32(-np.inf))
        for h in range(n_head):
            s = (q[begin:end, h] * F32(scale)) @ k[first:end, h // group].T
            s += bias
            s -= s.max(axis=1, keepdims=True)
            np.exp(s, out=s)
            s /= s.sum(axis=1, keepdims=True, dtype=np.float64).astype(F32)
            out[begin:end, h] = s @ v[first:end, h // group]
    return out.reshape(n, -1)


def split_qkv(m, name, x):
    """Queries, keys and values of one matrix whose rows are all queries, then keys, then values."""
    y = m.linear(name, x)
    nq, nk = m.n_head * m.d_head, m.n_head_kv * m.d_head
    return (m.heads(y[:, :nq], m.n_head), m.heads(y[:, nq:nq + nk], m.n_head_kv),
            m.heads(y[:, nq + nk:], m.n_head_kv))


def gated(m, b, x, activation):
    return m.linear(b + "ffn_down", activation(m.linear(b + "ffn_gate", x)) * m.linear(b + "ffn_up", x))


def forward_llama(m, ids, n_ctx, neox=False):
    """Llama and what is built like it; qwen2 has biases and neox pairs, qwen3 norms of the heads.
    rope_freqs.weight holds Llama 3's scaling as a divisor for each pair."""
    x = m.embed(ids)
    factors = m.optional("rope_freqs.weight")
    for l in range(m.n_layer):
        b = f"blk.{l}."
        h = m.norm(b + "attn_norm", x)
        q = m.heads(m.linear(b + "attn_q", h), m.n_head)
        k = m.heads(m.linear(b + "attn_k", h), m.n_head_kv)
        v = m.heads(m.linear(b + "attn_v", h), m.n_head_kv)
        if m.arch == "qwen3":
            q, k = m.norm(b + "attn_q_norm", q), m.norm(b + "attn_k_norm", k)
        q, k = rope(m, q, neox, factors=factors), rope(m, k, neox, factors=factors)
        x = x + m.linear(b + "attn_output", attention(q, k, v, m.d_head ** -0.5))
        x = x + gated(m, b, m.norm(b + "ffn_norm", x), silu)
    return m.norm("output_norm", x)


def forward_qwen(m, ids, n_ctx):
    return forward_llama(m, ids, n_ctx, neox=True)


def forward_gpt2(m, ids, n_ctx):
    x = m.embed(ids) + m.tensors["position_embd.weight"][: len(ids)]
    for l in range(m.n_layer):
        b = f"blk.{l}."
        q, k, v = split_qkv(m, b + "attn_qkv", m.layer_norm(b + "attn_norm", x))
        x = x + m.linear(b + "attn_output", attention(q, k, v, m.d_head ** -0.5))
        h = gelu(m.linear(b + "ffn_up", m.layer_norm(b + "ffn_norm", x)))
        x = x + m.linear(b + "ffn_down", h)
    return m.layer_norm("output_norm", x)


def forward_phi3(m, ids, n_ctx):
    """Fused matrices: attn_qkv is q, k, v; ffn_up is the gate, then up. longrope: the long factors
    where the context that the model is run with (n_ctx, not the text's length) is larger than the
    one it was trained for first, else the short ones; in both cases cosine and sine are multiplied
    by attn_factor. The sliding window of the metadata is ignored, as llama.cpp does."""
    x = m.embed(ids)
    original = m.key("rope.scaling.original_context_length", m.n_ctx)
    factors = m.optional("rope_factors_long.weight" if n_ctx > original else "rope_factors_short.weight")
    amplitude = m.key("rope.scaling.attn_factor", 1.0)
    for l in range(m.n_layer):
        b = f"blk.{l}."
        q, k, v = split_qkv(m, b + "attn_qkv", m.norm(b + "attn_norm", x))
        q = rope(m, q, True, factors=factors, amplitude=amplitude)
        k = rope(m, k, True, factors=factors, amplitude=amplitude)
        x = x + m.linear(b + "attn_output", attention(q, k, v, m.d_head ** -0.5))
        h = m.linear(b + "ffn_up", m.norm(b + "ffn_norm", x))
        n_ff = h.shape[1] // 2
        x = x + m.linear(b + "ffn_down", silu(h[:, :n_ff]) * h[:, n_ff:])
    return m.norm("output_norm", x)


def gemma3_sliding(m, layer):
    """Of six layers the first five slide, the sixth sees everything. The metadata may give the
    period, or a flag for each layer."""
    pattern = m.get("gemma3.attention.sliding_window_pattern", 6)
    return bool(pattern[layer]) if isinstance(pattern, list) else layer % pattern < pattern - 1


def forward_gemma3(m, ids, n_ctx):
    """Norms before and after both halves of a layer, norms of the heads, two rope bases. The file
    holds norm weights as the factor itself (1 is already added)."""
    window = m.key("attention.sliding_window", 0)
    local_base = m.key("rope.freq_base_swa", 10000.0)
    scale = m.d_head ** -0.5
    if m.n_layer == 62:  # the 27B model
        scale = (m.n_embd / m.n_head) ** -0.5
    x = m.embed(ids) * F32(np.sqrt(m.n_embd))
    for l in range(m.n_layer):
        b = f"blk.{l}."
        local = bool(window) and gemma3_sliding(m, l)
        base, stretch = (local_base, 1.0) if local else (m.rope_base, m.rope_scale)
        h = m.norm(b + "attn_norm", x)
        q = m.norm(b + "attn_q_norm", m.heads(m.linear(b + "attn_q", h), m.n_head))
        k = m.norm(b + "attn_k_norm", m.heads(m.linear(b + "attn_k", h), m.n_head_kv))
        v = m.heads(m.linear(b + "attn_v", h), m.n_head_kv)
        q, k = rope(m, q, True, base, stretch), rope(m, k, True, base, stretch)
        a = attention(q, k, v, scale, window if local else None)
        x = x + m.norm(b + "post_attention_norm", m.linear(b + "attn_output", a))
        h = gated(m, b, m.norm(b + "ffn_norm", x), gelu)
        x = x + m.norm(b + "post_ffw_norm", h)
    return m.norm("output_norm", x)


FORWARD = {
    "llama": forward_llama,
    "qwen2": forward_qwen,
    "qwen3": forward_qwen,
    "gpt2": forward_gpt2,
    "phi3": forward_phi3,
    "gemma3": forward_gemma3,
}


def load(path, int8=False):
    """With int8, weights and activations of all products are rounded as aizip rounds them."""
    model = Model(path, int8)
    if model.arch not in FORWARD:
        raise ValueError(f"architecture {model.arch} is not in the reference")
    return model


def hidden(model, ids, n_ctx=None):
    """The last norm's output [n][n_embd]. n_ctx: the context that the model is run with, if it is
    not just the text; only phi3 asks."""
    ids = np.asarray(ids, dtype=np.int64)
    return FORWARD[model.arch](model, ids, n_ctx or len(ids))


def head(model, h):
    """Logits of rows h of hidden(). Without its own output matrix a model uses the embedding."""
    name = "output" if "output.weight" in model.tensors else "token_embd"
    y = model.linear(name, h)
    cap = model.key("final_logit_softcapping", 0.0)
    return np.tanh(y / F32(cap)) * F32(cap) if cap else y


def logits(model, ids, n_ctx=None):
    """float32 [n][n_vocab]: row i is about token i + 1."""
    return head(model, hidden(model, ids, n_ctx))


def cost_bits(model, h, targets, rows=128):
    """-log2 of each target's probability; a few rows at a time, for the vocabulary is large."""
    cost = []
    for i in range(0, len(targets), rows):
        y = head(model, h[i:i + rows])
        y -= y.max(axis=1, keepdims=True)
        total = np.exp(y).sum(axis=1, dtype=np.float64)
        cost.append(np.log(total) - y[np.arange(len(y)), targets[i:i + rows]])
    return np.concatenate(cost) / np.log(2)


def window_bits(model, tokens, window, start, progress=False):
    """-log2 p of each token, in windows as said above."""
    cost = []
    for i in range(0, len(tokens), window):
        part = np.asarray(tokens[i:i + window])
        cost.append(cost_bits(model, hidden(model, np.concatenate([[start], part[:-1]]), window), part))
        if progress:
            print(f"{i + len(part)}/{len(tokens)}", file=sys.stderr)
    return np.concatenate(cost)


def tokenize(path, data):
    """The token ids of bytes, by llama-cpp-python. Their pieces are the bytes, or it's an error."""
    import ctypes
    import llama_cpp as ll
    tokenize.quiet = ll.llama_log_callback(lambda *_: None)  # kept, or it is freed
    ll.llama_log_set(tokenize.quiet, None)
    params = ll.llama_model_default_params()
    params.vocab_only = True
    model = ll.llama_model_load_from_file(str(path).encode(), params)
    vocab = ll.llama_model_get_vocab(model)
    ids = (ll.llama_token * (len(data) + 8))()
    n = ll.llama_tokenize(vocab, data, len(data), ids, len(ids), False, False)
    piece = ctypes.create_string_buffer(1024)
    text = b""
    for t in ids[:n]:
        size = ll.llama_token_to_piece(vocab, t, piece, len(piece), 0, True)
        text += piece.raw[:size]
    ll.llama_model_free(model)
    if text != data:
        raise ValueError("the tokens' pieces are not the text")
    return np.array(ids[:n], dtype=np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("logits")
    one.add_argument("model")
    one.add_argument("ids")
    one.add_argument("out")
    two = commands.add_parser("bits")
    two.add_argument("model")
    two.add_argument("file")
    two.add_argument("--bytes", type=int, default=None, help="the first N bytes of the file only")
    two.add_argument("--window", type=int, default=1024)
    two.add_argument("--start", type=int, default=0)
    two.add_argument("--ids")
    for p in (one, two):
        p.add_argument("--int8", action="store_true", help="round weights and activations as aizip does")
    args = parser.parse_args()

    if args.command == "logits":
        model = load(args.model, args.int8)
        logits(model, np.fromfile(args.ids, dtype="<i4")).astype("<f4").tofile(args.out)
        return
    with open(args.file, "rb") as f:
        data = f.read(args.bytes)
    ids = np.fromfile(args.ids, dtype="<i4") if args.ids else tokenize(args.model, data)
    model = load(args.model, args.int8)
    began = time.time()
    total = window_bits(model, ids, args.window, args.start, sys.stderr.isatty()).sum()
    print(json.dumps({
        "file": args.file.split("/")[-1], "n_bytes": len(data), "n_tokens": len(ids),
        "window": args.window, "start": args.start, "int8": args.int8,
        "bits_per_byte": round(float(total) / len(data), 6), "seconds": round(time.time() - began, 1)}))


if __name__ == "__main__":
    main()
