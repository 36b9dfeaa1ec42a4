#!/usr/bin/env python3
"""aizip score and rank: the same figures from any number of threads and any kernels, in three
forms that agree; odd files and names; models that are none.

Tests on a real model run where AIZIP_TEST_MODEL names SmolLM2-135M-Instruct Q4_1."""

import csv
import io
import json
import lzma
import math
import os
import pty
import random
import re
import select
import signal
import struct
import subprocess
import time
import unittest

import harness
from harness import AIZIP, CORPORA, ROOT, SANITIZE, TEXT, Case

LLAMA = ROOT / "tests" / "models" / "tiny-llama.gguf"
GPT2 = ROOT / "tests" / "models" / "tiny-gpt2.gguf"
COST_BIT = 1 << 24
PROSE = b" ".join(b"Alice was %d and the caterpillar said: no, %d!\n" % (i, i * i)
                  for i in range(60))
# Costs of bytes 0 to 255 and PROSE: the same integers on every machine; others once
# AZ_LM_VERSION is.
GOLDEN = [529948693453, 469578435349, 479951191997]


class Score(Case):
    def json(self, *args, **more):
        return json.loads(self.succeeds("score", "--json", "--no-peers", *args, **more).stdout)

    def cost(self, *args, **more):
        return self.json(*args, **more)["total"]["cost"]

    def rows(self, *args, **more):
        out = self.succeeds("score", "--csv", *args, **more).stdout
        return list(csv.DictReader(io.StringIO(out.decode("utf-8", "surrogateescape"),
                                               newline="")))


class Figures(Score):
    def test_the_same_for_any_thread_count(self):
        self.file("a", PROSE)
        for model in (LLAMA, GPT2):
            for context in ("10", "64"):
                args = ("-m", model, "--context", context, "a")
                want = self.succeeds("score", "--json", "-T1", *args).stdout
                for threads in ("-T2", "-T3", "--threads=0"):
                    self.assertEqual(self.succeeds("score", "--json", threads, *args).stdout, want)

    def test_the_same_with_any_kernels(self):
        self.file("a", PROSE)
        want = self.succeeds("score", "--json", "-m", LLAMA, "a").stdout
        for features in ("all", "avx512", "avx512,avx2", "vnni", "amx"):
            got = self.succeeds("score", "--json", "-m", LLAMA, "a",
                                env={"AIZIP_CPU_DISABLE": features})
            self.assertEqual(got.stdout, want, features)

    def test_golden(self):
        self.file("a", bytes(range(256)) + PROSE)
        got = [self.cost("-m", LLAMA, "a"), self.cost("-m", GPT2, "a"),
               self.cost("-m", GPT2, "--context=50", "--stride=7", "--start=9", "a")]
        self.assertEqual(got, GOLDEN)

    def test_a_stride_of_the_context_is_none(self):
        self.file("a", PROSE)
        self.assertEqual(self.cost("-m", LLAMA, "--context=40", "--stride=40", "a"),
                         self.cost("-m", LLAMA, "--context=40", "a"))
        self.assertNotEqual(self.cost("-m", LLAMA, "--context=40", "--stride=39", "a"),
                            self.cost("-m", LLAMA, "--context=40", "a"))

    def test_windows_share_nothing(self):
        """Digits are tokens of their own, so files of one window add up to the whole."""
        digits = bytes(random.Random(1).choices(b"0123456789", k=100))
        self.file("whole", digits)
        for i in range(4):
            self.file(f"part{i}", digits[25 * i:25 * (i + 1)])
        whole = self.json("-m", LLAMA, "--context=25", "whole")
        parts = self.json("-m", LLAMA, *[f"part{i}" for i in range(4)])
        self.assertEqual(whole["total"]["tokens"], 100)
        self.assertEqual(whole["total"]["cost"], parts["total"]["cost"])

    def test_the_defaults_are_said_and_are_the_defaults(self):
        self.file("a", PROSE)
        said = self.json("-m", GPT2, "a")
        self.assertEqual((said["context"], said["stride"]), (64, 64))
        self.assertEqual(self.json("-m", GPT2, "--context=64", "--stride=64",
                                   f"--start={said['start']}", "a"), said)
        self.assertNotEqual(self.cost("-m", GPT2, f"--start={said['start'] + 1}", "a"),
                            said["total"]["cost"])
        text = self.succeeds("score", "-m", GPT2, "a").stdout.decode()
        self.assertIn(f"context 64, stride 64, start token {said['start']}\n", text)
        self.assertIn(f"  bits per byte {said['total']['bits_per_byte']:.6f}, per character ", text)

    def test_without_a_model_it_is_what_compress_writes(self):
        for content in (PROSE, TEXT, b"", b"x", harness.noise(3000)):
            self.file("a", content)
            for level in ("-1", "-5"):
                size = len(self.succeeds(level, "-c", "a").stdout)
                for args in ((level,), (level, "--as=archive"), (level, "--as", "archive"),
                             (level, "-m", "built-in")):
                    total = self.json(*args, "a")["total"]
                    self.assertEqual((total["size_bytes"], total["cost"]),
                                     (size, size * 8 * COST_BIT))
        self.assertEqual(self.json("-1", "a")["model"], "built-in")
        self.assertEqual(self.json("-1", "a")["context"], None)

    def test_as_an_archive_it_is_what_compress_writes_with_the_model(self):
        for content in (PROSE, b"", b"x", harness.noise(3000)):
            self.file("a", content)
            for level in ("-5", "-9"):
                size = len(self.succeeds(level, "-m", LLAMA, "--no-verify", "-c", "a").stdout)
                said = self.json(level, "-m", LLAMA, "--as=archive", "a")
                total = said["total"]
                self.assertEqual((total["size_bytes"], total["cost"]), (size, size * 8 * COST_BIT))
                self.assertEqual((total["characters"], total["tokens"]), (len(content), 0)
                                 if content != harness.noise(3000) else (total["characters"], 0))
                self.assertEqual((said["convention"], said["context"]), ("archive", None))
        text = self.succeeds("score", "-m", LLAMA, "--as=archive", "a").stdout.decode()
        self.assertIn("mixed with the built-in predictor, aizip -5", text)
        self.assertNotIn("token", text)

    def test_quotients_are_of_the_cost(self):
        self.file("a", "Grüße, 3 €\n".encode() * 20)
        for model in (LLAMA, None):
            one = self.json(*(("-m", model) if model else ()), "a")["files"][0]
            bits = one["cost"] / COST_BIT
            self.assertEqual((one["bytes"], one["characters"]), (300, 220))
            self.assertAlmostEqual(one["bits"], bits, 8)
            self.assertAlmostEqual(one["bits_per_byte"], bits / 300, 8)
            self.assertAlmostEqual(one["bits_per_character"], bits / 220, 8)
            self.assertEqual(one["size_bytes"], math.ceil(bits / 8))
            if model:
                per_token = bits / one["tokens"]
                self.assertAlmostEqual(one["bits_per_token"], per_token, 8)
                self.assertAlmostEqual(one["perplexity"] / 2 ** per_token, 1, 6)
                self.assertEqual(one["size_with_model_bytes"],
                                 one["size_bytes"] + LLAMA.stat().st_size)
            else:
                self.assertEqual((one["tokens"], one["bits_per_token"], one["perplexity"]),
                                 (0, None, None))

    def test_totals_add_up(self):
        names = ["a", "b", "c"]
        for i, name in enumerate(names):
            self.file(name, PROSE[:500 * i + 7])
        for args in (("-m", LLAMA), ("-3",)):
            got = json.loads(self.succeeds("score", "--json", *args, *names).stdout)
            self.assertEqual([f["file"] for f in got["files"]], names)
            for key in ("bytes", "characters", "tokens", "escapes", "bytes_scored",
                        "tokens_scored", "cost", "xz_bytes", "zstd_bytes", "built_in_bytes"):
                self.assertEqual(sum(f[key] for f in got["files"]), got["total"][key], key)
            total = got["total"]
            self.assertEqual(total["files"], 3)
            self.assertAlmostEqual(total["bits_per_byte"],
                                   total["cost"] / COST_BIT / total["bytes"], 8)
            self.assertEqual(total["size_bytes"], math.ceil(total["cost"] / COST_BIT / 8))

    def test_perplexity_counts_second_halves(self):
        self.file("a", PROSE)
        plain = self.json("-m", LLAMA, "--context=30", "a")["total"]
        got = self.json("-m", LLAMA, "--context=30", "--perplexity", "a")
        total = got["total"]
        self.assertEqual((got["convention"], got["stride"]), ("perplexity", 30))
        self.assertEqual(total["tokens"], plain["tokens"])
        self.assertEqual(total["tokens_scored"] % 14, 0)
        self.assertIn(total["tokens_scored"] // 14,
                      (plain["tokens"] // 30, (plain["tokens"] + 1) // 30))
        self.assertLess(total["bytes_scored"], len(PROSE) * 0.6)
        per_token = total["cost"] / COST_BIT / total["tokens_scored"]
        self.assertAlmostEqual(total["perplexity"] / 2 ** per_token, 1, 6)
        self.assertEqual((total["size_bytes"], total["bits_per_character"]), (None, None))
        self.fails(1, "perplexity needs two windows of 256", "score", "-m", LLAMA, "--perplexity",
                   self.file("short", b"too short"))
        text = self.succeeds("score", "-m", LLAMA, "--context=30", "--perplexity", "a").stdout
        self.assertIn(b" of them counted\n", text)

    def test_others_beside(self):
        self.file("a", PROSE)
        for model in ((), ("-m", LLAMA)):
            one = json.loads(self.succeeds("score", "--json", *model, "-2", "a").stdout)["files"][0]
            self.assertEqual(one["built_in_bytes"], len(self.succeeds("-2c", "a").stdout))
            if b"xz -9e" in self.succeeds("--version").stdout.split(b"built without")[0]:
                self.assertEqual(one["xz_bytes"],
                                 len(lzma.compress(PROSE, preset=9 | lzma.PRESET_EXTREME)))
            self.assertNotIn("xz_bytes", self.json(*model, "a")["files"][0])
        text = self.succeeds("score", "-m", LLAMA, "-2", "a").stdout.decode()
        self.assertRegex(text, r"\n  beside: xz -9e [\d,-]+, zstd -19 [\d,-]+, aizip -2 [\d,]+ bytes\n")


class Files(Score):
    def test_an_empty_file(self):
        self.file("empty", b"")
        one = self.json("-m", LLAMA, "empty")["files"][0]
        self.assertEqual((one["bytes"], one["tokens"], one["cost"], one["size_bytes"]), (0,) * 4)
        for key in ("bits_per_byte", "bits_per_character", "bits_per_token", "perplexity"):
            self.assertIsNone(one[key])
        self.assertEqual(self.rows("-m", LLAMA, "empty")[0]["bits_per_byte"], "")
        for args in ((), ("-m", LLAMA)):
            text = self.succeeds("score", *args, "empty").stdout
            self.assertIn(b"bits per byte -, per character -", text)

    def test_no_valid_utf8(self):
        self.file("a", b"\xff\xfe\x80 caf\xe9 \xed\xa0\x80 \0\x01")
        one = self.json("-m", LLAMA, "a")["files"][0]
        self.assertEqual(one["characters"], one["bytes"])
        self.assertGreater(one["bits_per_byte"], 0)

    def test_bytes_without_a_token_are_counted(self):
        model = self.file("no-z.gguf", edited(b"\x01\0\0\0\0\0\0\0z", b"\x01\0\0\0\0\0\0\0\xff"))
        self.file("a", b"zzz and zz")
        one = self.json("-m", model, "a")["files"][0]
        self.assertEqual((one["escapes"], one["bytes"]), (5, 10))
        self.assertIn(b", 5 bytes without a token\n",
                      self.succeeds("score", "-m", model, "a").stdout)

    def test_stdin(self):
        self.file("a", PROSE)
        want = self.json("-m", LLAMA, "a")
        got = self.json("-m", LLAMA, "-", stdin=PROSE)
        self.assertEqual(got["files"][0].pop("file"), "stdin")
        self.assertEqual(want["files"][0].pop("file"), "a")
        self.assertEqual(got, want)
        with open(self.dir / "a", "rb") as file:
            file.seek(100)
            rest = self.json("-m", LLAMA, "-", stdin_file=file)
        self.assertEqual(rest["total"]["bytes"], len(PROSE) - 100)

    def test_pipes_and_links_may_be_read(self):
        self.file("a", PROSE)
        (self.dir / "link").symlink_to("a")
        self.assertEqual(self.json("-1", "link")["total"]["bytes"], len(PROSE))
        os.mkfifo(self.dir / "pipe")
        with subprocess.Popen(["sh", "-c", "cat a > pipe"], cwd=self.dir):
            self.assertEqual(self.json("-1", "pipe")["total"]["bytes"], len(PROSE))

    def test_directories(self):
        self.file("d/a", PROSE)
        self.file("d/b.aiz", b"an archive")
        self.file("d/e/c", b"text")
        self.fails(1, "d: is a directory, skipped; -r takes the files in it", "score", "-1", "d")
        got = self.json("-1", "-r", "d")
        self.assertEqual([f["file"] for f in got["files"]], ["d/a", "d/e/c"])

    def test_one_bad_file_does_not_stop_the_others(self):
        self.file("a", PROSE)
        result = self.aizip("score", "--json", "-m", LLAMA, "nothing", "a", "")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 2)
        got = json.loads(result.stdout)
        self.assertEqual((got["total"]["files"], got["files"][0]["file"]), (1, "a"))

    def test_odd_names(self):
        names = ["a,b", 'say "x"', "two\nlines", " space ", "=1+1", "caf\u00e9", "b\udcffd",
                 "-dash", "\x1b[2J"]
        for name in names:
            self.file(name, b"some text")
        rows = self.rows("-1", "--no-peers", "--", *names)
        self.assertEqual([row["file"] for row in rows], names)
        self.assertEqual({row["bytes"] for row in rows}, {"9"})
        self.assertEqual({row["model"] for row in rows}, {"built-in"})
        got = self.json("-1", "--", *names)
        self.assertEqual([f["file"] for f in got["files"]], names)
        self.assertNotIn(b"\x1b", self.succeeds("score", "-1", "--", *names).stdout)

    def test_csv_and_json_agree(self):
        self.file("a", PROSE)
        self.file("b", b"")
        want = json.loads(self.succeeds("score", "--json", "-m", LLAMA, "a", "b").stdout)
        rows = self.rows("-m", LLAMA, "a", "b")
        for row, one in zip(rows, want["files"], strict=True):
            self.assertEqual(list(row), [*one, "model", "context", "stride", "start"])
            for key, value in one.items():
                self.assertEqual(row[key] if value is None or key == "file" else float(row[key]),
                                 "" if value is None else value, key)
            self.assertEqual([row["model"], row["context"]], [str(LLAMA), "256"])

    def test_a_full_disk(self):
        self.file("a", PROSE)
        with open("/dev/full", "wb") as full:
            result = self.aizip("score", "-1", "a", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"stdout: cannot be written", result.stderr)

    def test_a_text_larger_than_the_limit(self):
        with open("/dev/zero", "rb") as zero:
            self.fails(4, "raise --memlimit", "score", "-1", "--memlimit=40M", "-", stdin_file=zero)


class CommandLine(Score):
    def test_what_makes_no_sense(self):
        self.file("a", PROSE)
        m = ("-m", LLAMA)
        for args, sentence in (
                ((), "the name of a file is missing"),
                (("-m",), "its value is missing"),
                (("--context",), "its value is missing"),
                ((*m, "--context=1", "a"), "expected a number of tokens from 2 to 32768"),
                ((*m, "--context=32769", "a"), "from 2 to 32768"),
                ((*m, "--context=x", "a"), "--context x: expected"),
                ((*m, "--stride=0", "a"), "expected a number of tokens from 1 to 32768"),
                ((*m, "--start=-1", "a"), "expected the number of a token"),
                ((*m, "--start=99999999999999999999", "a"), "expected the number of a token"),
                ((*m, "--context=9", "--stride=10", "a"), "can't be more than the context"),
                ((*m, "--stride=257", "a"), "a stride of 257 tokens is more than the context"),
                ((*m, "--start=320", "a"), "start token 320: the model has 320 tokens"),
                ((*m, "--perplexity", "--stride=4", "a"), "share nothing"),
                (("-m", GPT2, "--context=65", "a"), "a context of 65 tokens: 2 to 64"),
                ((*m, "--as=archive", "--context=9", "a"), "they go with a model, -m, by itself"),
                (("--as=x", "a"), "expected archive"),
                ((*m, *m, "a"), "score takes one model; aizip rank compares several"),
                (("--context=9", "a"), "they go with a model"),
                (("--perplexity", "a"), "they go with a model"),
                (("--json", "--csv", "a"), "only one of them"),
                (("--nonsense", "a"), "there is no such option"),
                (("--json=1", "a"), "it takes no value"),
                (("-x", "a"), "there is no such option"),
                (("-0", "a"), "levels are -1"),
                (("-12", "a"), "levels are -1"),
                (("-T999", "a"), "expected a number from 0"),
                (("--memlimit=lots", "a"), "expected a size")):
            self.fails(2, sentence, "score", *args)

    def test_help(self):
        for command in ("score", "rank"):
            out = self.succeeds(command, "--help").stdout.decode()
            self.assertTrue(out.startswith(f"Usage: aizip {command} "))
            self.assertTrue(all(len(line) <= 81 for line in out.splitlines()), out)
            self.assertEqual(self.succeeds(command, "-h").stdout.decode(), out)

    def test_a_file_of_that_name_is_still_a_file(self):
        self.file("score")
        self.succeeds("-1", "./score")
        self.assertIn("score.aiz", self.names())

    def test_models_go_by_name(self):
        self.file("models/tiny.gguf", LLAMA.read_bytes())
        self.file("a", PROSE)
        env = {"AIZIP_MODELS": str(self.dir / "models")}
        got = self.json("-m", "tiny", "a", env=env)
        self.assertEqual((got["model"], got["model_path"]),
                         ("tiny", str(self.dir / "models" / "tiny.gguf")))
        self.assertEqual(got["total"]["cost"], self.cost("-m", LLAMA, "a"))

    def test_quiet(self):
        self.file("a", PROSE)
        result = self.aizip("score", "-qq", "-1", "nothing", "a")
        self.assertEqual((result.returncode, result.stderr), (1, b""))


def edited(old, new, content=None):
    """The model with one thing changed."""
    content = LLAMA.read_bytes() if content is None else content
    assert len(old) == len(new) and old in content, old
    return content.replace(old, new, 1)


def with_type(name, kind):
    """The model with a tensor said to be of another type."""
    content = bytearray(LLAMA.read_bytes())
    at = content.index(name) + len(name)
    n_dims, = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at + 4 + 8 * n_dims, kind)
    return bytes(content)


class BadModels(Score):
    def setUp(self):
        super().setUp()
        self.file("a", b"some text")

    def refused(self, content, sentence, code=3):
        self.file("bad.gguf", content)
        result = self.fails(code, sentence, "score", "-m", "./bad.gguf", "a")
        self.assertEqual(result.stdout, b"")
        self.assertIn(b"bad.gguf", result.stderr)

    def test_what_is_no_model(self):
        self.refused(b"", "is empty", 1)
        for content in (b"GGUF", b"some text, not a model", bytes(5000),
                        b"GGUF" + struct.pack("<IQQ", 3, 2**40, 2**40)):
            self.refused(content, "")
        self.fails(1, "there is no such file, and no model of that name", "score", "-m", "none",
                   "a", env={"AIZIP_MODELS": str(self.dir)})
        self.fails(1, "cannot be read: No such file", "score", "-m", "./none", "a")

    def test_cut_short(self):
        content = LLAMA.read_bytes()
        for n in (10, 100, 1000, 5000, len(content) // 2, len(content) - 1):
            self.refused(content[:n], "")

    def test_what_is_not_supported(self):
        arch = struct.pack("<Q", 5) + b"llama"
        self.refused(edited(arch, struct.pack("<Q", 5) + b"mamba"),
                     "models of architecture mamba are not supported: llama, gpt2,")
        self.refused(edited(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenz"), "token")
        self.refused(edited(b"tokenizer.ggml.model", b"tokenizer.ggml.modem"), "token")
        self.refused(with_type(b"blk.0.attn_q.weight", 16), "")  # IQ2_XXS
        self.refused(with_type(b"blk.0.attn_q.weight", 99), "")
        self.refused(edited(b"blk.1.ffn_up.weight", b"blk.1.ffn_uq.weight"), "blk.1.ffn_up")
        self.refused(edited(b"llama.block_count", b"llama.block_counz"),
                     "block_count")
        self.refused((ROOT / "tests" / "models" / "types.gguf").read_bytes(), "architecture")

    def test_random_damage(self):
        """Where it is found, with a sentence; where not, the figures are of another model."""
        content, rng = LLAMA.read_bytes(), random.Random(3)
        for _ in range(30 if SANITIZE else 120):
            damaged = bytearray(content)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(content) // 4)] = rng.randrange(256)
            self.file("bad.gguf", bytes(damaged))
            result = self.aizip("score", "--no-peers", "-m", "./bad.gguf", "a", timeout=60)
            text = result.stderr.decode("utf-8", "surrogateescape")
            self.assertIn(result.returncode, (0, 2, 3, 4), text)
            if result.returncode:
                self.assertRegex(text, r"\Aaizip: [^\n]*\.\n\Z")

    def test_more_than_the_limit(self):
        self.fails(4, "raise --memlimit to allow it", "score", "-m", LLAMA, "--memlimit=100K", "a")
        for limit in range(100, 3000, 145):
            result = self.aizip("score", "--no-peers", "-T1", "-m", LLAMA, f"--memlimit={limit}K",
                                "a")
            self.assertIn(result.returncode, (0, 4))
            self.assertEqual(len(result.stderr.splitlines()), result.returncode // 4)
        self.assertEqual(result.returncode, 0)


class Rank(Score):
    def ranking(self, *args, **more):
        return json.loads(self.succeeds("rank", "--json", *args, **more).stdout)

    def test_the_order_and_the_sums(self):
        self.file("a", PROSE)
        self.file("b", TEXT[:3000])
        got = self.ranking("-m", LLAMA, "-m", GPT2, "-m", "built-in", "a", "b")
        models = got["models"]
        self.assertEqual([m["rank"] for m in models], [1, 2, 3])
        figures = [m["bits_per_byte"] for m in models]
        self.assertEqual(figures, sorted(figures))
        self.assertEqual(models[0]["model"], "built-in")
        self.assertEqual((got["files"], got["bytes"]), (["a", "b"], len(PROSE) + 3000))
        for m in models:
            args = ("-m", m["model"], "a", "b")
            self.assertEqual(self.cost(*args), m["cost"])
            self.assertLess(m["low"], m["bits_per_byte"])
            self.assertGreater(m["high"], m["bits_per_byte"])
            self.assertAlmostEqual(m["behind"], m["bits_per_byte"] - figures[0], 8)
            self.assertLessEqual(m["behind_low"], m["behind"])
            self.assertGreaterEqual(m["behind_high"], m["behind"])
        self.assertEqual((models[0]["behind_low"], models[0]["behind_high"]), (0, 0))

    def test_the_same_each_time(self):
        self.file("a", PROSE)
        args = ("-m", LLAMA, "-m", "built-in", "-1", "a")
        want = self.succeeds("rank", "--json", "-T1", *args).stdout
        self.assertEqual(self.succeeds("rank", "--json", "-T3", *args).stdout, want)
        self.assertEqual(self.succeeds("rank", "--json", *args,
                                       env={"AIZIP_CPU_DISABLE": "all"}).stdout, want)

    def test_the_interval_is_that_of_a_bootstrap(self):
        """Drawn again here, with the same generator, from blocks that are files of their own."""
        digits = bytes(random.Random(2).choices(b"0123456789", k=512 * 6))
        self.file("a", digits)
        m = self.ranking("-m", LLAMA, "--context=64", "a")["models"][0]
        costs = []
        for i in range(6):  # 512 is a multiple of the context: blocks share no window
            self.file("block", digits[512 * i:512 * (i + 1)])
            costs.append(self.cost("-m", LLAMA, "--context=64", "block"))
        self.assertEqual(sum(costs), m["cost"])
        state, mask, samples = 1, 2**64 - 1, []
        for _ in range(2000):
            cost = 0
            for _ in costs:
                state = state + 0x9e3779b97f4a7c15 & mask
                z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9 & mask
                z = (z ^ z >> 27) * 0x94d049bb133111eb & mask
                cost += costs[((z ^ z >> 31) >> 32) * len(costs) >> 32]
            samples.append(cost / COST_BIT / len(digits))
        samples.sort()
        self.assertAlmostEqual(m["low"], samples[50], 8)
        self.assertAlmostEqual(m["high"], samples[1949], 8)

    def test_forms_agree(self):
        self.file("a", PROSE)
        args = ("-m", LLAMA, "-m", GPT2, "a")
        want = self.ranking(*args)["models"]
        out = self.succeeds("rank", "--csv", *args).stdout.decode()
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        for row, one in zip(rows, want, strict=True):
            for key in row:
                self.assertEqual(row[key], str(one[key]) if key == "model" else row[key])
                if key != "model":
                    self.assertEqual(float(row[key]), one[key], key)
        text = self.succeeds("rank", *args).stdout.decode()
        for one in want:
            self.assertRegex(text, rf"\n *{one['rank']} +{one['bits_per_byte']:.6f} +"
                                   rf"{one['low']:.4f} to {one['high']:.4f} .*"
                                   + re.escape(one["model"]))

    def test_little_text(self):
        self.file("a", b"short")
        self.file("empty", b"")
        one = self.ranking("-m", LLAMA, "a")["models"][0]
        self.assertEqual((one["low"], one["high"]), (None, None))
        one = self.ranking("-m", LLAMA, "-m", "built-in", "empty")["models"][0]
        self.assertIsNone(one["bits_per_byte"])
        self.succeeds("rank", "-m", LLAMA, "empty")
        self.succeeds("rank", "--csv", "-m", LLAMA, "empty")

    def test_many_files_and_stdin(self):
        for i in range(40):
            self.file(f"d/{i:02}", PROSE[:i * 20])
        got = self.ranking("-m", GPT2, "-r", "d", "-", stdin=PROSE)
        self.assertEqual(got["files"], [f"d/{i:02}" for i in range(40)] + ["stdin"])
        self.assertEqual(got["bytes"], sum(i * 20 for i in range(40)) + len(PROSE))

    def test_what_can_not_be_ranked_is_left_out(self):
        self.file("a", PROSE)
        self.file("bad.gguf", b"x" * 100)
        result = self.aizip("rank", "--json", "-m", "./bad.gguf", "-m", GPT2, "a", "nothing")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(len(result.stderr.splitlines()), 2)
        self.assertEqual([m["model"] for m in json.loads(result.stdout)["models"]], [str(GPT2)])
        result = self.fails(3, "bad.gguf", "rank", "--json", "-m", "./bad.gguf", "a")
        self.assertEqual(result.stdout, b"")
        result = self.fails(1, "nothing", "rank", "--json", "-m", GPT2, "nothing")
        self.assertEqual(result.stdout, b"")

    def test_what_makes_no_sense(self):
        self.file("a", PROSE)
        for args, sentence in (
                (("a",), "-m MODEL is missing"),
                (("-m", LLAMA), "the name of a file is missing"),
                (("-m", LLAMA, "--perplexity", "a"), "it goes with aizip score"),
                (("-m", LLAMA, "--no-peers", "a"), "it goes with aizip score"),
                (("-m", GPT2, "--context=65", "a"), "2 to 64 are possible")):
            self.fails(2, sentence, "rank", *args)


class Watching(Score):
    """A person at a terminal."""

    def start(self, *args, **more):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen([AIZIP, *map(str, args)], cwd=self.dir, stderr=slave,
                                   stdout=subprocess.PIPE,
                                   env=dict(os.environ, LC_ALL="C", TERM="xterm"), **more)
        self.addCleanup(process.stdout.close)
        os.close(slave)
        return process, master

    def test_progress_is_drawn_and_wiped(self):
        self.file("a", PROSE * 40)
        process, master = self.start("score", "--no-peers", "-T1", "-m", LLAMA, "a")
        shown = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        self.assertEqual(process.wait(120), 0)
        if b"scoring" not in shown:
            self.skipTest("the work was done before progress is drawn")
        self.assertRegex(shown, rb"\r\x1b\[Ka: scoring +\d+ %, [\d.]+ [kM]B/s, \d+:\d\d left")
        self.assertTrue(shown.endswith(b"\r\x1b[K"))

    def test_none_without_a_terminal_or_with_q(self):
        self.file("a", PROSE * 10)
        self.succeeds("score", "-m", LLAMA, "a")
        process, master = self.start("score", "-q", "--no-peers", "-m", LLAMA, "a")
        process.stdout.read()
        self.assertEqual(process.wait(120), 0)
        self.assertEqual(select.select([master], [], [], 0)[0] and self.read(master), [])

    @staticmethod
    def read(master):
        try:
            return list(os.read(master, 100))
        except OSError:
            return []

    def test_a_signal_ends_it(self):
        self.file("a", PROSE * 400)
        # A shell's background jobs ignore it, and so would we.
        self.addCleanup(signal.signal, signal.SIGINT,
                        signal.signal(signal.SIGINT, signal.default_int_handler))
        for command in ("score", "rank"):
            process = subprocess.Popen([AIZIP, command, "-m", LLAMA, "a"], cwd=self.dir,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(process.kill)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
            self.assertEqual((process.returncode, err), (-signal.SIGINT, b""))
            self.assertEqual(self.names(), ["a"])


MODEL = os.environ.get("AIZIP_TEST_MODEL")


@unittest.skipUnless(MODEL and not SANITIZE, "AIZIP_TEST_MODEL names no model")
class RealModel(Score):
    """Against float32 and the same windows (tests/reference/bits.json): 0.3 % more is allowed,
    but for XML, where 0.45 % was measured (docs/transformer.md)."""

    def check(self, row):
        path = CORPORA / row["file"]
        if not path.exists():
            self.skipTest("no corpora")
        self.file("text", path.read_bytes()[:row["n_bytes"]])
        got = self.json("-m", MODEL, f"--context={row['window']}", "--no-peers", "text")
        self.assertEqual((got["total"]["tokens"], got["start"]), (row["n_tokens"], row["start"]))
        ratio = got["total"]["bits_per_byte"] / row["bits_per_byte"]
        print(f"{row['file']}, {row['n_bytes']} bytes, windows of {row['window']}: {ratio - 1:+.2%}")
        self.assertLessEqual(ratio, 1.006 if row["file"].endswith("/xml") else 1.003)
        self.assertGreater(ratio, 0.997)

    def test_bits_of_float32(self):
        bits = json.loads((ROOT / "tests" / "reference" / "bits.json").read_text())
        rows = [row for row in bits["results"] if row["model"] == "smollm2-135m.gguf" and not row["int8"]]
        self.assertGreater(len(rows), 6)
        for row in rows:
            with self.subTest(file=row["file"], window=row["window"]):
                self.check(row)


if __name__ == "__main__":
    harness.main()
