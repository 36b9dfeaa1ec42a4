#!/usr/bin/env python3
"""aizip sample."""

import json
import re
import shlex

import harness
from harness import ROOT, Case

STORIES = str(ROOT / "tests" / "models" / "stories260k.gguf")


class Samples(Case):
    def test_seeds(self):
        one = self.succeeds("sample", "-n", "300", "--prime", "prose").stdout
        self.assertEqual(len(one), 300)
        self.assertEqual(self.succeeds("sample", "-n300", "--prime=prose", "--seed=0").stdout, one)
        self.assertNotEqual(self.succeeds("sample", "-n300", "--prime=prose", "--seed=1").stdout, one)
        big = self.succeeds("sample", "-n20", "--seed=18446744073709551615").stdout
        self.assertNotEqual(self.succeeds("sample", "-n20", "--seed=18446744073709551614").stdout, big)

    def test_dictionary_and_prompt(self):
        self.file("seen", b"the cat sat on the mat. " * 40)
        cold = self.succeeds("sample", "-n60", "--temperature=0.2", "-D", "seen").stdout
        self.assertIn(b"cat sat on the mat", cold)
        more = self.succeeds("sample", "-n6", "--temperature=0", "-D", "seen", "--prompt", "the c").stdout
        self.assertEqual(more, b"at sat")

    def test_with_a_model(self):
        args = ("sample", "-m", STORIES, "--prompt", "Once upon a time, there was", "-n", "80")
        text = self.succeeds(*args).stdout
        self.assertEqual(len(text), 80)
        for off in ("all", "avx512,vnni,amx"):
            self.assertEqual(self.succeeds(*args, "-T1", env={"AIZIP_CPU_DISABLE": off}).stdout, text)
        kinds = {self.succeeds(*args, *more).stdout
                 for more in ((), ("--top-k=1",), ("--top-p=0.5",), ("--temperature=3",), ("--top-k", "9", "--top-p", ".9"))}
        self.assertEqual(len(kinds), 5)
        likeliest = self.succeeds(*args, "--top-k=1").stdout.decode()
        self.assertRegex(likeliest, r"^ (a|an) ")

    def test_by_a_compressor(self):
        self.file("seen", b"abcdefghij" * 30)
        for name in ("gzip", "zstd", "xz", "cm"):
            result = self.aizip("sample", "--compressor", name, "-D", "seen", "-n", "3", "--context=100", "--temperature=0")
            if b"not built in" in result.stderr or b"built without" in result.stderr:
                continue
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(len(result.stdout), 3)

    def test_json(self):
        info = json.loads(self.succeeds("sample", "-n40", "--json", "--seed=5", "--temperature=1.5").stdout)
        self.assertEqual((info["bytes"], info["seed"], info["temperature"], info["model"]), (40, 5, 1.5, "built-in"))
        self.assertTrue(all(ord(c) >= 32 and ord(c) != 127 for c in json.dumps(info)))

    def test_refusals(self):
        for sentence, *args in (("-n BYTES", ), ("1 to 16M", "-n0"), ("1 to 16M", "-n17M"), ("whole number", "-n9", "--seed=x"),
                                ("0 to 100", "-n9", "--temperature=-1"), ("0 to 100", "-n9", "--temperature=nan"),
                                ("0.001 to 1", "-n9", "--top-p=0"), ("from 1 on", "-n9", "--top-k=0"),
                                ("with -m", "-n9", "--top-k=4"), ("gzip, xz, zstd or cm", "-n9", "--compressor=rar"),
                                ("goes with --compressor", "-n9", "--context=8"), ("no input", "-n9", "--prime=auto"),
                                ("one of them", "-n9", "--prime=prose", "-D", "x"), ("no files", "-n9", "file"),
                                ("be the model", "-n9", "--compressor=cm", "-m", STORIES)):
            self.fails(2, sentence, "sample", *args)
        self.fails(1, "missing", "sample", "-n9", "-D", "missing")
        self.fails(4, "memory", "sample", "-n9K", "--memlimit=100K")

    def test_help_and_manual_say_every_option(self):
        text = self.succeeds("sample", "--help").stdout.decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        section = manual[manual.index(".SH SAMPLES"):]
        source = (ROOT / "cli" / "sample.c").read_text()
        table = source[source.index("long_options[]"):source.index("static int print_help")]
        for name in re.findall(r"\{\"([a-z-]+)\"", table):
            if name not in ("model", "quiet", "verbose", "help", "threads"):
                self.assertIn("--" + name, text)
                self.assertIn("--" + name, section)

    def test_examples(self):
        self.file("book.txt", b"It was a dark and stormy night. " * 30)
        text = self.succeeds("sample", "--help").stdout.decode()
        for line in text[text.index("Examples:"):].splitlines()[1:]:
            words = shlex.split(line.replace("smollm2-135m", STORIES))
            self.assertEqual(words[0], "aizip")
            self.assertIn(self.aizip(*words[1:]).returncode, (0,), line)


if __name__ == "__main__":
    harness.main()
