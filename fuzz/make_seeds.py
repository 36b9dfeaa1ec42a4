#!/usr/bin/env python3
"""make_seeds.py: makes fuzz/seeds/ from the archives in tests/golden (see make.py there) and a
few contents and model files. Each seed begins with the option bytes that its fuzzer reads."""

import bz2
import gzip
import hashlib
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
AIZIP = os.environ.get("AIZIP", str(HERE.parent / "build" / "aizip"))
GOLDEN = HERE.parent / "tests" / "golden"
TEXT = b"The river is slow in the evening, and the bridge is of stone. 1874; 1875; 1876.\n"


def save(fuzzer, data):
    folder = HERE / "seeds" / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text


def gguf_seeds():
    """Model files: a value of each type and arrays of some; a tensor of each type of data."""
    formats = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q",
               12: "d"}
    values = [gguf_text(b"k%d" % t) + struct.pack("<I" + f, t, 1) for t, f in formats.items()]
    values.append(gguf_text(b"text") + struct.pack("<I", 8) + gguf_text(b"llama"))
    texts = struct.pack("<IIQ", 9, 8, 2) + gguf_text(b"") + gguf_text(b"ab")
    values.append(gguf_text(b"texts") + texts)
    for t, f in formats.items():
        values.append(gguf_text(b"a%d" % t) + struct.pack("<IIQ2" + f, 9, t, 2, 0, 1))
    alignment = gguf_text(b"general.alignment") + struct.pack("<II", 4, 8)
    yield b"GGUF" + struct.pack("<IQQ", 2, 0, len(values)) + b"".join(values)
    # ggml's number: values and bytes of a block
    blocks = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
              10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
              16: (256, 66), 20: (32, 18), 23: (256, 136), 30: (1, 2)}
    for kind, (n_items, n_bytes) in blocks.items():
        tensors = gguf_text(b"blk.0.x") + struct.pack("<I2QIQ", 2, n_items, 2, kind, 0)
        tensors += gguf_text(b"norm") + struct.pack("<IQIQ", 1, 4, 0, 2 * n_bytes + 7 & ~7)
        head = b"GGUF" + struct.pack("<IQQ", 3, 2, 2) + alignment + values[kind % 11] + tensors
        data = bytes(i * 37 % 256 for i in range(2 * n_bytes + 7 & ~7)) + bytes(16)
        yield head + bytes(-len(head) % 8) + data


def model_seeds():
    """A model of each architecture: one layer of 16, two heads of 8, one of keys, 8 tokens."""
    kinds = {"llama": (), "qwen2": (), "qwen3": ("head norms",), "phi3": ("one qkv", "one up"),
             "gpt2": ("one qkv", "no gate", "biases"),
             "gemma3": ("head norms", "post norms")}
    for arch, traits in kinds.items():
        n_kv = 16 if arch == "gpt2" else 8
        keys = {"embedding_length": 16, "block_count": 1, "feed_forward_length": 16, "context_length": 48,
                "attention.head_count": 2, "attention.head_count_kv": n_kv // 8, "attention.key_length": 8}
        if arch == "gemma3":
            keys["attention.sliding_window"] = 20
        head = gguf_text(b"general.architecture") + struct.pack("<I", 8) + gguf_text(arch.encode())
        for key, value in keys.items():
            head += gguf_text(f"{arch}.{key}".encode()) + struct.pack("<II", 4, value)
        tensors = {"token_embd.weight": (16, 8), "output_norm.weight": (16,)}
        if arch == "gpt2":
            tensors["position_embd.weight"] = (16, 48)
        norms = ["attn_norm", "ffn_norm"] + ["post_attention_norm", "post_ffw_norm"] * ("post norms" in traits)
        linears = {"attn_output": 16, "ffn_down": 16}
        linears |= {"attn_qkv": 16 + 2 * n_kv} if "one qkv" in traits else {"attn_q": 16, "attn_k": n_kv, "attn_v": n_kv}
        linears |= {"ffn_up": 32} if "one up" in traits else {"ffn_up": 16}
        linears |= {} if {"one up", "no gate"} & set(traits) else {"ffn_gate": 16}
        for name in norms:
            tensors[f"blk.0.{name}.weight"] = (16,)
        for name in ("attn_q_norm", "attn_k_norm") if "head norms" in traits else ():
            tensors[f"blk.0.{name}.weight"] = (8,)
        for name, rows in linears.items():
            tensors[f"blk.0.{name}.weight"] = (16, rows)
        if "biases" in traits:
            tensors |= {n.replace("weight", "bias"): d[-1:] for n, d in tensors.items() if n[0] in "bo"}
        table, data = b"", b""
        for name, dims in tensors.items():
            n = dims[0] * (dims[1] if len(dims) > 1 else 1)
            table += gguf_text(name.encode()) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, 1, len(data))
            values = [(i * 37 % 101 - 50) / 64 + ("norm.weight" in name) for i in range(n)]
            data += struct.pack(f"<{n}e", *values)
            data += bytes(-len(data) % 32)
        head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys) + 1) + head + table
        yield head + bytes(-len(head) % 32) + data


def tokenizer_seeds():
    """BPE and SPM with each pre-tokenizer: th, he, the, a space and the; "\\n\\n" and " a" as user
    tokens; then text. Then tables as they come."""
    text = TEXT + "the  then, déjà vu 東京\u2581x\n\n a\t12345 I'll".encode() + b"\xff\xe2\x96 th" + b"a" * 99
    # Of byte 0: the step of missing bytes; then pairs (token, token) and user tokens.
    pairs = b"\x74\x68\x68\x65\x61\x61\x20\x74\x74\x01\x21\x02\x0c\x00\x41\x03"
    for flags in (*range(0, 128, 16), 1, 3):
        for step in (0, 7):
            yield bytes((flags, 12, step)) + pairs + b"\xf2\n\n\xf2 a\xf1\n" + text
    tokens = b"\x01a\x01b\x02ab\x61</\x83a b\x04\xe2\x96\x81a\x61 \x66<0x41>"
    yield bytes((4, 7)) + tokens + b"\0\0" + text
    yield bytes((5, 7)) + tokens + b"\1\0" + text
    yield bytes((4, 7)) + tokens + b"\7\1" + text


def main():
    shutil.rmtree(HERE / "seeds", ignore_errors=True)
    for path in sorted(GOLDEN.glob("*.aiz")):
        archive = path.read_bytes()
        if len(archive) > 400 or "zeros" in path.name or "blocks" in path.name:
            continue # what decodes to much is slow
        # Salvage, threads, repaired checks; pieces of 1 byte to 32 KiB.
        save("fuzz_decode", bytes((1, 0x3C)) + archive)
        save("fuzz_decode", bytes((6, 0xC7)) + archive)
        save("fuzz_archive_read", b"\x01" + archive)
    for model in gguf_seeds():
        save("fuzz_gguf", model)
    for i, model in enumerate(model_seeds()):
        save("fuzz_model", bytes((i % 2 + 6 * (i % 3),)) + model)
        save("fuzz_model", bytes((15,)) + model[:len(model) // 2])
    for vocabulary in tokenizer_seeds():
        save("fuzz_tokenizer", vocabulary)
    # Three stored blocks; 0xFE 0xFD becomes 65,536 zeros, and checks are made right.
    header = b"\x9aAIZ\x01\x01\x01\x01?"
    block = b"\x9aBK\x01....%c%c%s????%s"
    run = b"\xfe\xfd"
    frame = (header + b"\x02????" + run + block % (2, 1, b"", run) + block % (3, 2, b"\x03", b"abc"))
    for flags in (4, 5, 6, 7):
        save("fuzz_decode", bytes((flags, 0xFF)) + frame)
        save("fuzz_decode", bytes((flags, 0xEC)) + frame + frame[:20] + run)
    save("fuzz_archive_read", b"\x01" + frame)
    contents = (b"", b"a", TEXT, TEXT * 4, bytes(500), bytes(range(256)),
                b"".join(i.to_bytes(4, "big") + b"\0\1" for i in range(60)))
    for i, content in enumerate(contents):
        save("fuzz_roundtrip", bytes((i, 3, 0xFF, 0xFF, 0, 0, 0)) + content)
        save("fuzz_roundtrip", bytes((i, 0x1C + i % 3, 0x84, 0x39, 0, 30, 1 << i % 8)) + content)
        save("fuzz_roundtrip", bytes((0, 0x6C, 0xFF, 0xFC, 90, 1, 128)) + content)
        save("fuzz_roundtrip", bytes((0xF8 + i, 3, 0xFF, 0xFF, 0, 9, 2)) + content)
    save("fuzz_roundtrip", bytes((0, 0xFC, 0xFF, 0xFC, 90, 1, 128)) + TEXT)
    for text in text_seeds():
        save("fuzz_text", text)


def text_seeds():
    """The alphabet, and characters: of messages after fuzz_text's own lines, and others."""
    with tempfile.NamedTemporaryFile() as seen:
        seen.write(b"The river is slow in the evening.\nWhere are you?\n")
        seen.flush()
        for i, alphabet in enumerate(("unicode", "base64", "gsm7")):
            for message in (b"", b"Where is the river?", TEXT, bytes(range(128, 150))):
                yield bytes((i,)) + subprocess.run(
                    [AIZIP, "text", "-q", "-D", seen.name, "--alphabet", alphabet], input=message, check=True,
                    stdout=subprocess.PIPE).stdout
        yield b"\x01AAAAAAAAAAAAAAAA"
        yield b"\x00\xe4\xb8\x80 \xe3\x80\x80\xea\xb0\x80"


def dataset_seeds():
    """Form, options, size of pieces; then a file of that form."""
    table = b'label,title,text\r\na,"x ""y"", z\n2",b\nc,,d\n'
    tsv = b"a b\tx\\n\\\\y\n\nc\td\n"
    jsonl = (b'{"label": "a", "text": "x \\u00e9\\u0000"}\n{"text": [1], "label": 2}\n'
             b'{"title": "t", "text": 1.5, "label": true}\n')
    for form, data in ((0, table), (1, table), (2, tsv), (3, jsonl), (0, jsonl),
                       (4, b"__label__a some\n__label__b c\n"), (5, b"one\n\nthree")):
        for options in (1, 0x19, 0x52, 4, 0x6d):
            yield bytes((form, options, options * 7 % 64)) + data


def idx_seeds():
    images = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 2) + bytes(range(12))
    for data in (images, gzip.compress(images), bz2.compress(images), lzma.compress(images)):
        yield b"\x01" + data


def classifier_seeds():
    """What the program saves, of few texts."""
    rows = "".join(f"{'abc'[i % 3]}\tword{i % 3} other{i % 5}\n" for i in range(24))
    with tempfile.TemporaryDirectory() as folder:
        train, model = pathlib.Path(folder, "t.tsv"), pathlib.Path(folder, "m.aizc")
        for labels in (3, 2, 1):
            train.write_text("".join(r + "\n" for r in rows.splitlines() if r[0] in "abc"[:labels]))
            for options in ((), ("--method", "cm", "--level", "1"), ("--method", "counts"), ("--method", "knn", "--compressor", "aizip", "--level", "1")):
                subprocess.run([AIZIP, "classify", "-q", "--train", train, "--save", model, *options],
                               check=True)
                yield model.read_bytes()


def data_seeds():
    for data in dataset_seeds():
        save("fuzz_dataset", data)
    for data in idx_seeds():
        save("fuzz_idx", data)
    for data in classifier_seeds():
        save("fuzz_classifier", data)


if __name__ == "__main__":
    main()
    data_seeds()
