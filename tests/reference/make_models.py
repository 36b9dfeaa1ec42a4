#!/usr/bin/env python3
"""Makes small random models, with what the reference makes of them, for tests of inference.

    make_models.py DIR [NAME ...]        all models, or those named
    make_models.py DIR types             types.gguf and types.values: only blocks of each type
    make_models.py --list
    make_models.py --check DIR           compares llama.cpp (llama-cpp-python) with the reference

For each model it writes NAME.gguf, NAME.ids (raw little-endian int32) and NAME.logits (raw float32
[n_ids][n_vocab], from reference.py). Everything follows from the model's name, so the files are
the same wherever the versions of numpy and gguf are. Needs numpy and gguf.

Activations keep a size of about 1, each half of a layer adds about 0.1 of that to the residual stream,
and logits spread by about 3, as in trained models. A random model is the worst case for int8
arithmetic: nothing in it is redundant, and errors add up while the signal doesn't. Weights are
therefore of random sign and of similar size (0.6 to 1 times the largest), so that an int8 with a
scale a row fits them, and a correct int8 engine stays within 1 % of the float32 logits (--check
says how far it is), whereas a fault in the graph, a pair rotated wrongly or a window off by one,
does not. Where gguf has no quantiser for a type, the blocks are random bits with scales that give
the same spread: then every bit of the format matters.

The vocabulary is made for bytes, too: GPT-2's byte tokens and 63 merges, or SPM's byte tokens and
some words, so that a whole program can run on these files.
"""

import pathlib
import sys
import zlib

import gguf
import numpy as np

import reference

T = gguf.GGMLQuantizationType
N_VOCAB = 320
# What makes a half of a layer add 0.1 to the residual stream: attention averages its values, and
# activations of gates are smaller than what they were made from.
ATTN_GAIN = 0.25
FFN_GAIN = 0.25
WORDS = ["Ġt", "he", "Ġa", "in", "re", "on", "Ġthe", "er", "Ġs", "at", "Ġw", "Ġo", "en", "Ġc", "it",
         "is", "an", "or", "es", "Ġb", "ed", "Ġf", "ing", "Ġp", "ou", "Ġan", "al", "ar", "Ġto", "Ġm",
         "Ġof", "Ġin", "Ġd", "Ġh", "Ġand", "ic", "as", "le", "Ġth", "ion", "om", "ll", "ent", "Ġn",
         "Ġl", "st", "Ġre", "ve", "Ġe", "ro", "ly", "Ġbe", "Ġg", "ĠT", "ct", "ĠS", "id", "ot", "ĠI",
         "ut", "et", "ĠA", "Ġis"]


def rng_of(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


# Block types without a quantiser: bytes of a block, and where its half-precision scales are (the
# first a multiplier, the second, if any, of the minimum: its usual ratio to the first is given).
RANDOM_BLOCKS = {
    T.Q2_K: (84, 80, 82, 1.5),
    T.Q3_K: (110, 108, None, 0),
    T.Q4_K: (144, 0, 2, 7.5),
    T.Q5_K: (176, 0, 2, 15.5),
    T.Q6_K: (210, 208, None, 0),
    T.IQ4_NL: (18, 0, None, 0),
    T.IQ4_XS: (136, 0, None, 0),
}


def half_bytes(x):
    return np.asarray(x, dtype="<f2").view(np.uint8).reshape(-1, 2)


def tame_scales(blocks, kind):
    """Scales of groups in the upper half of their range, of either sign where they have one, and
    minima that differ from them in the lowest bits only, as a quantiser would have them. Random
    ones would make some groups ten times as large as others, and many nearly constant."""
    if kind == T.Q2_K:  # [16] scale | minimum << 4
        s = blocks[:, :16]
        s[:] = (s & 15 | 8) * 17 ^ (s & 0x30)
    elif kind == T.Q3_K:  # the highest two of six bits, of which 32 is subtracted
        blocks[:, 104:108] = (blocks[:, 104:108] & 0x55) * 3
    elif kind in (T.Q4_K, T.Q5_K):  # [4] scale, [4] minimum, [4] low halves of four more of each
        s = blocks[:, 4:16]
        s[:, :4] |= 0xA0
        s[:, 4:8] = s[:, :4] ^ (s[:, 4:8] & 7)
        s[:, 8:] = (s[:, 8:] & 15) * 17 ^ (s[:, 8:] & 0x70)
    elif kind == T.Q6_K:  # [16] int8
        s = blocks[:, 192:208]
        s[:] = s & 0xBF | ~s >> 1 & 0x40
    elif kind == T.IQ4_XS:  # as Q3_K
        blocks[:, 2:4] = (blocks[:, 2:4] & 0x55) * 3


def random_blocks(rng, rows, columns, kind, deviation):
    """[rows][bytes] of blocks of random bits, with scales so that the values spread as asked."""
    size, at, at_min, ratio = RANDOM_BLOCKS[kind]
    n = rows * columns // gguf.GGML_QUANT_SIZES[kind][0]
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    spread = rng.uniform(0.9, 1.1, n)
    tame_scales(blocks, kind)

    def set_scales(unit):
        blocks[:, at:at + 2] = half_bytes(spread * unit)
        if at_min is not None:
            blocks[:, at_min:at_min + 2] = half_bytes(spread * unit * ratio)

    set_scales(2.0 ** -10)
    unit = 2.0 ** -10 * deviation / gguf.quants.dequantize(blocks, kind).std()
    set_scales(unit)
    return blocks.reshape(rows, -1)


class Writer:
    """A GGUF file in the making: tensors by name, random or given."""

    def __init__(self, path, name, arch):
        self.rng = rng_of(name)
        self.out = gguf.GGUFWriter(path, arch)
        self.arch = arch
        self.out.add_name("random")  # llama.cpp wants certain tokens where "phi3" is in the name
        self.out.add_quantization_version(2)

    def key(self, name, value):
        add = self.out.add_float32 if isinstance(value, float) else \
            self.out.add_string if isinstance(value, str) else self.out.add_uint32
        add(f"{self.arch}.{name}", value)

    def matrix(self, name, rows, columns, kind, size=None, gain=1.0):
        """Entries of root mean square `size`; without it, so that inputs of size 1 give outputs of
        size `gain`."""
        deviation = size or gain * columns ** -0.5
        if kind in RANDOM_BLOCKS:
            data = random_blocks(self.rng, rows, columns, kind, deviation)
        else:
            w = self.rng.uniform(0.6, 1, (rows, columns)) * self.rng.choice([-1.0, 1.0], (rows, columns))
            w *= deviation / np.sqrt(np.mean(np.square(w)))
            data = gguf.quants.quantize(w.astype(np.float32), kind)
        self.out.add_tensor(name + ".weight", data, raw_dtype=kind)

    def vector(self, name, size, middle, deviation):
        x = middle + deviation * self.rng.standard_normal(size)
        self.out.add_tensor(name, x.astype(np.float32))

    def norm(self, name, size, bias=False, gain=1.0):
        self.vector(name + ".weight", size, gain, 0.1 * abs(gain))
        if bias:
            self.vector(name + ".bias", size, 0.0, 0.1 * abs(gain))

    def close(self):
        self.out.write_header_to_file()
        self.out.write_kv_data_to_file()
        self.out.write_tensors_to_file()
        self.out.close()


def byte_symbols():
    """GPT-2's character for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def merges_of(words):
    """One merge for each word: of the longest known beginning and the rest, which is known, too."""
    known = set(byte_symbols().values())
    for w in words:
        cut = next(i for i in range(len(w) - 1, 0, -1) if w[:i] in known and w[i:] in known)
        known.add(w)
        yield f"{w[:cut]} {w[cut:]}"


def add_bpe(out, pre):
    tokens = ["<|endoftext|>", *byte_symbols().values(), *WORDS]
    assert len(tokens) == N_VOCAB
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(pre)
    out.add_token_list(tokens)
    out.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (N_VOCAB - 1))
    out.add_token_merges(list(merges_of(WORDS)))
    out.add_bos_token_id(0)
    out.add_eos_token_id(0)
    out.add_add_bos_token(False)


def add_spm(out):
    words = ["▁", *"etaoinshr", *(w.replace("Ġ", "▁") for w in WORDS)][: N_VOCAB - 259]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *words]
    kinds = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    out.add_tokenizer_model("llama")
    out.add_tokenizer_pre("default")
    out.add_token_list(tokens)
    out.add_token_types(kinds + [gguf.TokenType.NORMAL] * len(words))
    out.add_token_scores([0.0] * 259 + [-float(i) for i in range(len(words))])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_add_bos_token(True)
    out.add_add_space_prefix(False)


def begin(path, name, arch, n_embd, n_layer, n_head, n_head_kv, n_ff, n_ctx=256, spm=False, pre="smollm"):
    w = Writer(path, name, arch)
    w.key("context_length", n_ctx)
    w.key("embedding_length", n_embd)
    w.key("block_count", n_layer)
    w.key("feed_forward_length", n_ff)
    w.key("attention.head_count", n_head)
    w.key("attention.head_count_kv", n_head_kv)
    w.key("vocab_size", N_VOCAB)
    add_spm(w.out) if spm else add_bpe(w.out, pre)
    return w


def vocabulary(w, n_embd, kind, tied, size=1.0, bias=False, output_kind=None):
    """Embedding, of the size given, the last norm, which makes logits of size 3, and output."""
    w.matrix("token_embd", N_VOCAB, n_embd, kind, size)
    gain = 3 * n_embd ** -0.5 / size
    if tied:  # of random signs, or the last token would always be the most probable next one
        gain *= w.rng.choice([-1.0, 1.0], n_embd)
    w.norm("output_norm", n_embd, bias, gain)
    if not tied:
        w.matrix("output", N_VOCAB, n_embd, output_kind or kind, size)


def llama(path, name, kind=T.F32, embd_kind=None, output_kind=None, arch="llama", n_embd=64, n_layer=2, n_head=4, n_head_kv=2,
          n_ff=128, d_head=None, tied=True, biases=False, head_norms=False, rope_freqs=False, spm=False,
          pre="smollm", base=10000.0):
    """llama, qwen2 (biases) and qwen3 (head_norms, d_head)."""
    w = begin(path, name, arch, n_embd, n_layer, n_head, n_head_kv, n_ff, spm=spm, pre=pre)
    w.key("attention.layer_norm_rms_epsilon", 1e-5)
    w.key("rope.freq_base", base)
    if d_head:
        w.key("attention.key_length", d_head)
        w.key("attention.value_length", d_head)
    d_head = d_head or n_embd // n_head
    w.key("rope.dimension_count", d_head)
    vocabulary(w, n_embd, embd_kind or kind, tied, output_kind=output_kind)
    if rope_freqs:  # as Llama 3's converter writes them: from 1 up to its factor of 8
        factors = np.interp(np.arange(d_head // 2), [2, d_head // 2 - 2], [1.0, 8.0])
        w.out.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    for l in range(n_layer):
        b = f"blk.{l}."
        w.norm(b + "attn_norm", n_embd)
        for part, n in (("attn_q", n_head), ("attn_k", n_head_kv), ("attn_v", n_head_kv)):
            w.matrix(b + part, n * d_head, n_embd, kind)
            if biases:
                w.vector(b + part + ".bias", n * d_head, 0.0, 0.5)
            if head_norms and part != "attn_v":
                w.norm(b + part + "_norm", d_head)
        w.matrix(b + "attn_output", n_embd, n_head * d_head, kind, gain=ATTN_GAIN)
        w.norm(b + "ffn_norm", n_embd)
        w.matrix(b + "ffn_gate", n_ff, n_embd, kind)
        w.matrix(b + "ffn_up", n_ff, n_embd, kind)
        w.matrix(b + "ffn_down", n_embd, n_ff, kind, gain=FFN_GAIN)
    w.close()


def gpt2(path, name, kind=T.F32, embd_kind=None, n_embd=64, n_layer=2, n_head=4, n_ff=256, n_ctx=128):
    w = begin(path, name, "gpt2", n_embd, n_layer, n_head, n_head, n_ff, n_ctx=n_ctx, pre="gpt-2")
    w.key("attention.layer_norm_epsilon", 1e-5)
    vocabulary(w, n_embd, embd_kind or kind, True, bias=True)
    w.matrix("position_embd", n_ctx, n_embd, T.F32, 0.5)
    for l in range(n_layer):
        b = f"blk.{l}."
        w.norm(b + "attn_norm", n_embd, bias=True)
        w.norm(b + "ffn_norm", n_embd, bias=True)
        for part, rows, columns, gain in (
                ("attn_qkv", 3 * n_embd, n_embd, 1.0), ("attn_output", n_embd, n_embd, ATTN_GAIN),
                ("ffn_up", n_ff, n_embd, 1.0), ("ffn_down", n_embd, n_ff, FFN_GAIN)):
            w.matrix(b + part, rows, columns, kind, gain=gain)
            w.vector(b + part + ".bias", rows, 0.0, 0.1 * gain)
    w.close()


def phi3(path, name, kind=T.F32, original=256, n_rot=16, n_embd=64, n_layer=2, n_head=4, n_head_kv=2, n_ff=128):
    """original: the context it was trained for first; shorter than the text, it takes the long
    factors. n_rot below 16 leaves a part of each head unrotated."""
    w = begin(path, name, "phi3", n_embd, n_layer, n_head, n_head_kv, n_ff, spm=True)
    d_head = n_embd // n_head
    w.key("attention.layer_norm_rms_epsilon", 1e-5)
    w.key("attention.sliding_window", 32)  # to be ignored
    w.key("rope.dimension_count", n_rot)
    w.key("rope.scaling.original_context_length", original)
    w.key("rope.scaling.attn_factor", 1.1902381)
    vocabulary(w, n_embd, kind, False)
    w.vector("rope_factors_short.weight", n_rot // 2, 1.1, 0.05)
    w.vector("rope_factors_long.weight", n_rot // 2, 4.0, 0.5)
    for l in range(n_layer):
        b = f"blk.{l}."
        w.norm(b + "attn_norm", n_embd)
        w.matrix(b + "attn_qkv", (n_head + 2 * n_head_kv) * d_head, n_embd, kind)
        w.matrix(b + "attn_output", n_embd, n_embd, kind, gain=ATTN_GAIN)
        w.norm(b + "ffn_norm", n_embd)
        w.matrix(b + "ffn_up", 2 * n_ff, n_embd, kind)
        w.matrix(b + "ffn_down", n_embd, n_ff, kind, gain=FFN_GAIN)
    w.close()


def gemma3(path, name, kind=T.F32, n_embd=64, n_layer=7, n_head=4, n_head_kv=1, n_ff=128, d_head=32, factor=None):
    """Seven layers: five slide over 16 positions, one sees all, one slides again."""
    w = begin(path, name, "gemma3", n_embd, n_layer, n_head, n_head_kv, n_ff, spm=True)
    w.key("attention.layer_norm_rms_epsilon", 1e-6)
    w.key("attention.key_length", d_head)
    w.key("attention.value_length", d_head)
    w.key("attention.sliding_window", 16)
    w.key("rope.freq_base", 1000000.0)
    if factor:
        w.key("rope.scaling.type", "linear")
        w.key("rope.scaling.factor", factor)
    vocabulary(w, n_embd, kind, True, n_embd ** -0.5)
    for l in range(n_layer):
        b = f"blk.{l}."
        for part, gain in (("attn_norm", 1.0), ("post_attention_norm", 0.08), ("ffn_norm", 1.0),
                           ("post_ffw_norm", 0.08)):
            w.norm(b + part, n_embd, gain=gain)
        for part in ("attn_q_norm", "attn_k_norm"):
            w.norm(b + part, d_head)
        w.matrix(b + "attn_q", n_head * d_head, n_embd, kind)
        w.matrix(b + "attn_k", n_head_kv * d_head, n_embd, kind)
        w.matrix(b + "attn_v", n_head_kv * d_head, n_embd, kind)
        w.matrix(b + "attn_output", n_embd, n_head * d_head, kind)
        w.matrix(b + "ffn_gate", n_ff, n_embd, kind)
        w.matrix(b + "ffn_up", n_ff, n_embd, kind)
        w.matrix(b + "ffn_down", n_embd, n_ff, kind)
    w.close()


# name: (maker, its arguments, number of tokens)
MODELS = {
    "tiny-llama": (llama, dict(kind=T.Q4_1, embd_kind=T.Q8_0), 64),
    "tiny-gpt2": (gpt2, dict(kind=T.Q4_0, embd_kind=T.Q8_0, n_ff=128, n_ctx=64), 48),
    "llama-plain": (llama, dict(tied=False, spm=True), 80),
    "llama-3": (llama, dict(kind=T.F16, biases=True, rope_freqs=True, pre="llama-bpe", base=500000.0), 96),
    "qwen2": (llama, dict(kind=T.F16, arch="qwen2", biases=True, pre="qwen2", base=1000000.0), 80),
    "qwen3": (llama, dict(arch="qwen3", head_norms=True, d_head=32, pre="qwen2", base=1000000.0), 80),
    "gpt2": (gpt2, dict(kind=T.F16), 80),
    "phi3-short": (phi3, dict(kind=T.F16), 80),
    "phi3-long": (phi3, dict(original=32, n_rot=12), 80),
    "gemma3": (gemma3, dict(kind=T.F16), 96),
    "gemma3-scaled": (gemma3, dict(kind=T.Q8_0, factor=8.0), 96),
}
TYPES = (T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K,
         T.IQ4_NL, T.IQ4_XS)
for _kind in TYPES:
    MODELS[f"llama-{_kind.name.lower()}"] = (
        llama, dict(kind=_kind, output_kind=T.Q8_0 if _kind in RANDOM_BLOCKS else _kind, n_embd=256, n_head=4, n_head_kv=1, n_ff=256, tied=False), 64)


TYPES_ROWS = 4  # of 256 values each
HALVES = {  # type: (bytes of a block, where the block holds halves)
    **{t: (size, [at] + ([at_min] if at_min is not None else [])) for t, (size, at, at_min, _) in RANDOM_BLOCKS.items()},
    T.F16: (2, [0]), T.Q4_0: (18, [0]), T.Q4_1: (20, [0, 2]), T.Q5_0: (22, [0]), T.Q5_1: (24, [0, 2]), T.Q8_0: (34, [0]),
}


def make_types(directory):
    """types.gguf: a tensor for each type, of its name, of blocks of random bits, where only the
    halves are tamed (finite; of both signs, the first row's subnormal); and types.values, raw
    float32 [type][row][256]: what they decode to, in the file's order."""
    rng = rng_of("types")
    out = gguf.GGUFWriter(directory / "types.gguf", "types")
    values = []
    for kind in TYPES:
        n_block, size = gguf.GGML_QUANT_SIZES[kind]
        if kind in HALVES:
            assert HALVES[kind][0] == size
            blocks = rng.integers(0, 256, (TYPES_ROWS * 256 // n_block, size), dtype=np.uint8)
            for at in HALVES[kind][1]:
                x = rng.standard_normal(len(blocks)) * 0.01
                x[: len(blocks) // TYPES_ROWS] *= 0.001
                blocks[:, at:at + 2] = half_bytes(x)
            data = blocks.reshape(TYPES_ROWS, -1)
        else:
            data = gguf.quants.quantize(rng.standard_normal((TYPES_ROWS, 256)).astype(np.float32), kind)
        if kind == T.F16:
            data = data.view(np.float16)
        out.add_tensor(kind.name.lower(), data, raw_dtype=kind)
        values.append(gguf.quants.dequantize(data, kind).astype("<f4"))
    np.concatenate(values).tofile(directory / "types.values")
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def make(directory, name):
    maker, arguments, n_ids = MODELS[name]
    path = directory / f"{name}.gguf"
    maker(path, name, **arguments)
    # Any tokens but the first few, which are special.
    ids = rng_of(name + " ids").integers(3, N_VOCAB, n_ids).astype("<i4")
    ids.tofile(path.with_suffix(".ids"))
    result = reference.logits(reference.load(path), ids)
    result.astype("<f4").tofile(path.with_suffix(".logits"))
    return result


def relative_error(x, y):
    return float(np.sqrt(np.mean(np.square(x - y)) / np.mean(np.square(y))))


def check(directory, names):
    import compare_llama
    for name in names:
        path = directory / f"{name}.gguf"
        ids = np.fromfile(path.with_suffix(".ids"), dtype="<i4")
        ours = np.fromfile(path.with_suffix(".logits"), dtype="<f4").reshape(len(ids), -1)
        int8 = relative_error(reference.logits(reference.load(path, int8=True), ids), ours)
        line = f"{name:16} logits' deviation {ours.std():.2f}, int8 {100 * int8:.2f} %"
        try:
            theirs = compare_llama.llama_logits(path, ids)
            top, kl = compare_llama.agreement(ours, theirs)
            print(f"{line}, llama.cpp {100 * relative_error(theirs, ours):.3f} %, KL {kl:.2e}, same first {100 * top:.1f} %")
        except compare_llama.CannotLoad:
            print(f"{line}, llama.cpp does not load it")


def main():
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        print("\n".join(MODELS))
        return
    checking = arguments[:1] == ["--check"]
    if checking:
        arguments = arguments[1:]
    if not arguments:
        sys.exit(__doc__)
    directory = pathlib.Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    if arguments[1:] == ["types"]:
        make_types(directory)
        return
    names = arguments[1:] or list(MODELS)
    if checking:
        check(directory, names)
        return
    for name in names:
        result = make(directory, name)
        size = (directory / f"{name}.gguf").stat().st_size
        print(f"{name:16} {size:8} bytes, logits' deviation {result.std():.2f}")


if __name__ == "__main__":
    main()
