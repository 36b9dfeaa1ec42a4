#!/usr/bin/env python3
"""Archives made with a language model, -m; --base64 and -i. With AIZIP_TEST_MODEL, a GGUF file of
SmolLM2-135M, the figures of the README's table too."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness
from harness import CORPORA, ROOT, SANITIZE, TEXT, Case, noise

STORIES = str(ROOT / "tests" / "models" / "stories260k.gguf")
GPT2 = str(ROOT / "tests" / "models" / "tiny-gpt2.gguf")
STORY = (b"Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
         b"One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n")
NOWHERE = {"AIZIP_MODELS": "/nonexistent", "LLAMA_CACHE": "/nonexistent", "HF_HUB_CACHE": "/nonexistent"}
MODEL = os.environ.get("AIZIP_TEST_MODEL")


def default_signals():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Archives(Case):
    def test_files_come_back(self):
        contents = {"story": STORY * 20, "empty": b"", "one": b"x", "noise": noise(3000), "text": TEXT,
                    "utf8": b"caf\xc3\xa9 \xff\xfe \xc3(" * 40, "zeros": bytes(5000)}
        for name, content in contents.items():
            self.file(name, content)
        self.succeeds("-m", STORIES, *contents)
        for name, content in contents.items():
            self.assertEqual(self.succeeds("-dc", "-m", STORIES, name + ".aiz").stdout, content, name)
        self.assertLess((self.dir / "story.aiz").stat().st_size, 140)
        self.succeeds("-t", "-m", STORIES, *(name + ".aiz" for name in contents))

    def test_many_small_files_at_once_are_each_as_alone(self):
        contents = {f"f{k:02}": STORY[k:] * (k % 5) + noise(k, k) for k in range(24)}
        contents["large"] = TEXT * 4  # goes by itself
        for name, content in contents.items():
            self.file(name, content)
        alone = {name: self.succeeds("-m", STORIES, "--no-verify", "-c", name).stdout for name in contents}
        environment = {"AIZIP_MODELS": str(ROOT / "tests" / "models")}
        for threads in ("-T1", "-T2"):
            self.succeeds("-f", threads, "-m", STORIES, "--rm", *contents)
            self.assertEqual(self.names(), sorted(name + ".aiz" for name in contents))
            for name in contents:
                self.assertEqual((self.dir / (name + ".aiz")).read_bytes(), alone[name], name)
            self.succeeds("-t", *(name + ".aiz" for name in contents), env=environment)
            self.succeeds("-d", threads, "--rm", *(name + ".aiz" for name in contents), env=environment)
            for name, content in contents.items():
                self.assertEqual((self.dir / name).read_bytes(), content, name)
        self.succeeds("-r", "-m", STORIES, ".")
        self.assertEqual(self.names(), sorted([*contents, *(name + ".aiz" for name in contents)]))
        self.succeeds("-d", "-r", "-f", ".", env=environment)

    def test_a_pipe_among_many_is_read_once(self):
        self.file("story", STORY)
        archive = self.succeeds("-m", STORIES, "-c", "story").stdout
        self.succeeds("-m", STORIES, "story")
        (self.dir / "story").unlink()
        os.mkfifo(self.dir / "pipe.aiz")
        with subprocess.Popen([harness.AIZIP, "-d", "-f", "pipe.aiz", "story.aiz"], cwd=self.dir,
                              env=dict(os.environ, AIZIP_MODELS=str(ROOT / "tests" / "models")),
                              stderr=subprocess.PIPE) as process:
            with open(self.dir / "pipe.aiz", "wb") as pipe:
                pipe.write(archive)
            self.assertEqual((process.wait(60), process.stderr.read()), (0, b""))
        for name in ("pipe", "story"):
            self.assertEqual((self.dir / name).read_bytes(), STORY)

    def test_one_bad_file_among_many_is_named_once(self):
        for k in range(6):
            self.file(f"f{k}", STORY)
        self.file("f3.aiz", b"mine")
        result = self.fails(1, "f3.aiz: ", "-m", STORIES, *(f"f{k}" for k in range(6)))
        self.assertIn(b"exists", result.stderr)
        self.assertEqual((self.dir / "f3.aiz").read_bytes(), b"mine")
        self.assertEqual([n for n in self.names() if n.startswith(".")], [])
        archives = [f"f{k}.aiz" for k in (0, 1, 2, 4, 5)]
        damaged = bytearray((self.dir / "f2.aiz").read_bytes())
        damaged[-40] ^= 1
        self.file("f2.aiz", bytes(damaged))
        for k in range(6):
            (self.dir / f"f{k}").unlink()
        self.fails(3, "f2.aiz: ", "-d", *archives, env={"AIZIP_MODELS": str(ROOT / "tests" / "models")})
        self.assertEqual([n for n in self.names() if n[-4:] != ".aiz"], ["f0", "f1", "f4", "f5"])
        self.fails(1, "no-such-file: ", "-f", "-m", STORIES, "f0", "no-such-file", "f1")
        self.fails(1, "no-model", "-f", "-m", "no-model", "f0", "f1")

    def test_a_signal_among_many_leaves_no_half_made_file(self):
        for k in range(12):
            self.file(f"f{k}", STORY * 200)
        for number in (signal.SIGINT, signal.SIGTERM):
            for delay in (0.1, 0.3, 0.6):
                with subprocess.Popen([harness.AIZIP, "-f", "-m", STORIES, *(f"f{k}" for k in range(12))],
                                      cwd=self.dir, stderr=subprocess.PIPE, preexec_fn=default_signals) as process:
                    time.sleep(delay)
                    process.send_signal(number)
                    self.assertIn(process.wait(60), (-number, 0))
                    self.assertEqual(process.stderr.read(), b"")
                self.assertEqual([n for n in self.names() if n.startswith(".")], [])
        for name in (n for n in self.names() if n.endswith(".aiz")):
            self.assertEqual(self.succeeds("-dc", "-m", STORIES, name).stdout, STORY * 200)

    def test_levels_lanes_and_windows(self):
        self.file("story", STORY * 3)
        for options in (["-1"], ["-9"], ["--lanes=3"], ["--window=64"], ["--lanes=64", "--no-verify"]):
            self.succeeds("-f", "-m", STORIES, *options, "story")
            self.assertEqual(self.succeeds("-dc", "-m", STORIES, "story.aiz").stdout, STORY * 3)
        self.succeeds("-f", "-m", GPT2, "--overlap=10", "--window=64", "story")
        self.assertEqual(self.succeeds("-dc", "-m", GPT2, "story.aiz").stdout, STORY * 3)

    def test_stdin_to_stdout(self):
        archive = self.succeeds("-m", STORIES, stdin=STORY).stdout
        self.assertEqual(self.succeeds("-d", "-m", STORIES, stdin=archive).stdout, STORY)

    def test_threads_and_kernels_make_no_difference(self):
        self.file("story", STORY * 9)
        want = self.succeeds("-c", "-m", STORIES, "story").stdout
        for off in ("all", "amx", "vnni,amx", "avx512,vnni,amx"):
            for threads in ("-T1", "-T2"):
                got = self.succeeds("-c", threads, "-m", STORIES, "story", env={"AIZIP_CPU_DISABLE": off})
                self.assertEqual(got.stdout, want, (off, threads))

    def test_the_model_is_found_by_its_hash(self):
        self.file("story", STORY)
        self.succeeds("-m", STORIES, "story")
        (self.dir / "models").mkdir()
        shutil.copy(STORIES, self.dir / "models" / "another-name.gguf")
        env = dict(NOWHERE, AIZIP_MODELS=str(self.dir / "models"))
        self.assertEqual(self.succeeds("-dc", "story.aiz", env=env).stdout, STORY)

    def test_a_missing_model_is_named(self):
        self.file("story", STORY)
        self.succeeds("-m", STORIES, "--rm", "story")
        self.fails(1, "needs the language model stories260k (its SHA-256 begins with ", "-d", "story.aiz",
                   env=NOWHERE)
        self.fails(1, "needs another language model than -m gives: stories260k", "-d", "-m", GPT2, "story.aiz",
                   env=NOWHERE)
        self.assertEqual(self.names(), ["story.aiz"])

    def test_a_model_that_is_none(self):
        self.file("story", STORY)
        self.file("none.gguf", b"GGUF" + noise(100))
        before = self.names()
        self.fails(3, "none.gguf", "-m", "none.gguf", "story")
        self.fails(1, "there is no such file, and no model of that name", "-m", "nosuch", "story", env=NOWHERE)
        self.assertEqual(self.names(), before)

    def test_options_that_make_no_sense(self):
        self.file("story", STORY)
        self.fails(2, "they go with compressing with a language model", "--lanes=2", "story")
        self.fails(2, "--lanes 65: expected a number from 1 to 64", "-m", STORIES, "--lanes=65", "story")
        self.fails(2, "--window 5: expected", "-m", STORIES, "--window=5", "story")
        self.fails(2, "-l needs no model", "-l", "-m", STORIES, "story")
        self.fails(2, "it takes lines from stdin, and no files", "-i", "story")
        self.fails(1, "the window can have at most 64", "-m", GPT2, "--window=100", "story")

    def test_too_little_memory(self):
        self.file("story", STORY)
        self.fails(4, "for its weights alone", "-m", STORIES, "--memlimit=100K", "story")
        self.assertEqual(self.names(), ["story"])

    def test_list_shows_the_model(self):
        self.file("story", STORY)
        model = self.dir / "a\x1b[2Jb.gguf"
        shutil.copy(STORIES, model)
        self.succeeds("-m", str(model), "story")
        text = self.succeeds("-l", "story.aiz").stdout.decode()
        self.assertIn(r"needs the language model a\x1b[2Jb, SHA-256 ", text)
        entry = json.loads(self.succeeds("-l", "--json", "story.aiz").stdout)["archives"][0]
        self.assertEqual((entry["method"], entry["model"]["name"], entry["model"]["window"]),
                         ("lm+cm", "a\x1b[2Jb", 512))

    def test_concatenated_with_others(self):
        self.file("a", STORY)
        self.file("b", TEXT)
        both = self.succeeds("-c", "-m", STORIES, "a").stdout + self.succeeds("-c", "b").stdout
        self.assertEqual(self.succeeds("-d", "-m", STORIES, stdin=both).stdout, STORY + TEXT)


class Base64(Case):
    def test_is_what_python_makes(self):
        self.file("story", STORY)
        for options in (["-m", STORIES], ["-5"]):
            archive = self.succeeds("-c", *options, "story").stdout
            text = self.succeeds("-c", "--base64", *options, "story").stdout
            self.assertEqual(text, base64.encodebytes(archive))
            self.assertEqual(self.succeeds("-d", "--base64", "-m", STORIES, stdin=text).stdout, STORY)
            loose = b" \t".join(bytes([c]) for c in text).replace(b"\n", b"\r\n")
            self.assertEqual(self.succeeds("-d", "--base64", "-m", STORIES, stdin=loose).stdout, STORY)

    def test_files_are_verified_and_come_back(self):
        self.file("text", TEXT * 20)
        self.succeeds("--base64", "--verify", "--rm", "text")
        self.succeeds("-d", "--base64", "text.aiz")
        self.assertEqual((self.dir / "text").read_bytes(), TEXT * 20)

    def test_what_is_none(self):
        text = self.succeeds("--base64", stdin=TEXT).stdout
        self.fails(3, "character 11 is not base64", "-d", "--base64", stdin=text[:10] + b"*" + text[11:])
        self.fails(3, "ends too early", "-d", "--base64", stdin=text[:9])
        self.fails(3, "--base64 reads that", "-d", stdin=text)


class Interactive(Case):
    def test_lines_go_both_ways(self):
        lines = b"Once upon a time\n\nthere was a girl named Lily.\n"
        for options in (["-m", STORIES], []):
            text = self.succeeds("-i", "-q", *options, stdin=lines).stdout
            self.assertEqual(text.count(b"\n"), 3)
            self.assertEqual(self.succeeds("-i", "-q", *options, stdin=text).stdout, lines)

    def test_half_an_archive(self):
        self.fails(3, "none that is whole", "-i", "-q", stdin=b"mkFJWx\n")


@unittest.skipUnless(MODEL and not SANITIZE, "AIZIP_TEST_MODEL names no model")
class RealModel(Case):
    """The beginnings of real files, decoded; bytes at most."""

    def check(self, name, n_bytes, most):
        path = CORPORA / name
        if not path.exists():
            self.skipTest("no corpora")
        content = path.read_bytes()[:n_bytes]
        self.file("text", content)
        self.succeeds("-f", "--lanes=8", "-m", MODEL, "text")
        size = (self.dir / "text.aiz").stat().st_size
        print(f"{name}, {n_bytes} bytes in 8 lanes: {size}")
        self.assertLessEqual(size, most)

    def test_texts(self):
        self.check("canterbury/alice29.txt", 12000, 2050)
        self.check("calgary/progc", 8000, 1750)


if __name__ == "__main__":
    harness.main()
