#!/usr/bin/env python3
"""aizip classify, ncd and nearest, as a user runs them."""

import bz2
import csv
import gzip
import html.parser
import io
import json
import lzma
import math
import os
import random
import re
import subprocess
import sys
import xml.etree.ElementTree

from harness import AIZIP, CORPORA, ROOT, SANITIZE, Case, main

AG = CORPORA.parent / "classification" / "ag_news"
LLAMA = ROOT / "tests" / "models" / "tiny-llama.gguf"
STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
TOPICS = {"sport": "goal match team player coach season", "money": "shares market profit bank deal",
          "deep space": "planet orbit rocket launch moon crew"}


def texts(n, seed=1):
    """Rows of (label, text)."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        label = list(TOPICS)[i % 3]
        words = [rng.choice(TOPICS[label if rng.random() < 0.5 else rng.choice(list(TOPICS))].split())
                 for _ in range(7)]
        rows.append((label, " ".join(words)))
    return rows


def tsv(rows):
    return "".join(f"{label}\t{text}\n" for label, text in rows).encode()


def csv_of(rows):
    out = io.StringIO()
    csv.writer(out).writerows([("label", "text"), *rows])
    return out.getvalue().encode()


def jsonl_of(rows):
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for label, text in rows).encode()


def fasttext_of(rows):
    return "".join(f"__label__{label.replace(' ', '-')} {text}\n" for label, text in rows).encode()


class Classify(Case):
    def setUp(self):
        super().setUp()
        self.train = self.file("train.tsv", tsv(texts(150)))
        self.test = self.file("test.tsv", tsv(texts(60, 2)))

    def json(self, *args, **more):
        result = self.aizip(*args, "--json", **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def fails(self, code, part, *args, **more):
        result = self.aizip(*args, **more)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(part, result.stderr.decode())
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(result.stdout, b"")

    def test_a_report(self):
        report = self.json("classify", "--train", self.train, "--test", self.test)
        self.assertGreater(report["accuracy"], 0.7)
        self.assertEqual(report["rows"], 60)
        self.assertEqual(report["labels"], ["deep space", "money", "sport"])
        self.assertEqual(sum(map(sum, report["confusion"])), 60)
        self.assertLess(report["accuracy_low"], report["accuracy"])
        text = self.aizip("classify", "--train", self.train, "--test", self.test).stdout.decode()
        self.assertIn(f"Accuracy  {report['accuracy']:.4f}", text)
        self.assertIn("also in train", text)

    def test_every_form_gives_the_same_answers(self):
        test = ("--test", self.test, "--proba", "--predictions", "-", "-q")
        want = self.aizip("classify", "--train", self.train, *test).stdout
        self.assertEqual(len(want.splitlines()), 61)
        rows = texts(150)
        for name, content in (("a.csv", csv_of(rows)), ("b.jsonl", jsonl_of(rows)),
                              ("c.tsv.gz", gzip.compress(tsv(rows))),
                              ("d.tsv.bz2", bz2.compress(tsv(rows))),
                              ("e.tsv.xz", lzma.compress(tsv(rows))),
                              ("f.tsv", tsv(rows).replace(b"\n", b"\r\n")),
                              ("g.tsv", b"\xef\xbb\xbf" + tsv(rows))):
            got = self.aizip("classify", "--train", self.file(name, content), *test)
            if b"built without" not in got.stderr:
                self.assertEqual(got.stdout, want, (name, got.stderr))
        self.aizip("-k", self.train, "-o", self.dir / "packed")
        got = self.aizip("classify", "--train", self.dir / "packed", *test)
        self.assertEqual(got.stdout, want, got.stderr)
        train, tested = self.file("h.ft", fasttext_of(rows)), self.file("i.ft", fasttext_of(texts(60, 2)))
        got = self.json("classify", "--train", train, "--test", tested)
        self.assertEqual(got["labels"], ["deep-space", "money", "sport"])
        plain = self.json("classify", "--train", self.train, "--test", self.test)
        self.assertEqual(got["confusion"], plain["confusion"])

    def test_a_folder_a_label(self):
        for i, (label, text) in enumerate(texts(30)):
            self.file(f"folder/{label}/{i:03}.txt", text.encode())
        self.file("folder/.hidden/x", b"x")
        report = self.json("classify", "--train", self.dir / "folder", "--test", self.test)
        self.assertEqual(report["labels"], ["deep space", "money", "sport"])
        self.fails(1, "one folder a label", "classify", "--train", self.dir / "folder" / "money",
                   "--test", self.test)

    def test_save_and_load(self):
        model = self.dir / "m.aizc"
        for method in ("class", "knn", "cm", "counts"):
            args = ("--test", self.test, "--proba", "--predictions", "-", "-q")
            want = self.aizip("classify", "--method", method, "--compressor", "aizip", "--train",
                              self.train, "--save", model, *args)
            self.assertEqual(want.returncode, 0, want.stderr)
            got = self.aizip("classify", "--load", model, *args)
            self.assertEqual(got.stdout, want.stdout)
            data = model.read_bytes()
            for damaged, part in ((data[:-1], "damaged"), (data[:20], "damaged"),
                                  (b"x" + data[1:], "not a classifier"), (b"", "not a classifier"),
                                  (data[:4] + b"\x09" + data[5:], "version")):
                self.file("bad.aizc", damaged)
                result = self.aizip("classify", "--load", "bad.aizc", "--text", "x")
                self.assertIn(result.returncode, (3, 5))
                self.assertIn(part, result.stderr.decode())
                self.assertIn("bad.aizc", result.stderr.decode())

    def test_texts_come_and_go(self):
        """Two halves make the whole; what is taken away was never there."""
        rows = texts(120)
        first, second = self.file("first.tsv", tsv(rows[:60])), self.file("second.tsv", tsv(rows[60:]))
        both = self.file("both.tsv", tsv(rows))
        answer = ("--test", self.test, "--predictions", "-", "-q")
        start = self.aizip("classify", "--method", "counts", "--train", first, "--save", "1.aizc",
                           *answer)
        whole = self.aizip("classify", "--method", "counts", "--train", both, *answer)
        more = self.aizip("classify", "--load", "1.aizc", "--add", second, "--save", "2.aizc", *answer)
        self.assertEqual((more.returncode, more.stdout), (0, whole.stdout), more.stderr)
        less = self.aizip("classify", "--load", "2.aizc", "--remove", second, "--save", "3.aizc",
                          *answer)
        self.assertEqual((less.returncode, less.stdout), (0, start.stdout), less.stderr)
        self.assertEqual((self.dir / "1.aizc").read_bytes(), (self.dir / "3.aizc").read_bytes())
        self.fails(1, "second.tsv: line 1: the label has no such text", "classify", "--load",
                   "1.aizc", "--remove", second, "--save", "4.aizc")
        self.assertFalse((self.dir / "4.aizc").exists())
        self.fails(1, "counts only", "classify", "--train", first, "--add", second, "--text", "x")

    def test_cm_learns(self):
        for level in ("1", "3", "6"):
            report = self.json("classify", "--method", "cm", "--level", level, "--train",
                               self.train, "--test", self.test)
            self.assertGreater(report["accuracy"], 0.7)

    def test_a_model_and_names_of_labels(self):
        """What score says of a text after a name, less what it says of the name, is the cost."""
        text, names = "Lily was sad because the toy was broken.", ["Lily was sad", "Tom", "x"]
        answer = self.json("classify", "-m", STORIES, "--labels", ",".join(names), "--text", text)
        costs = {}
        for name in names:
            both = self.file("both.txt", f"{name}: {text}".encode())
            alone = self.file("alone.txt", f"{name}:".encode())
            bits = []
            for path in (both, alone):
                result = self.aizip("score", "-m", STORIES, "--json", path)
                bits.append(json.loads(result.stdout)["total"]["bits"])
            costs[name] = bits[0] - bits[1]
        p = answer["probabilities"]
        for name in names[1:]:
            self.assertAlmostEqual(math.log(p[names[0]] / p[name]) / (costs[name] - costs[names[0]]),
                                   0.1, places=3)

    def test_a_test_without_labels_is_answered(self):
        plain = self.file("plain.txt", b"goal of the team\nbank shares\n")
        got = self.aizip("classify", "--train", self.train, "--test", plain)
        self.assertEqual((got.returncode, got.stdout), (0, b"sport\nmoney\n"))
        got = self.aizip("classify", "--train", self.train, "--test", self.test, "--unlabelled")
        self.assertEqual(len(got.stdout.splitlines()), 60)

    def test_any_thread_count_gives_the_same_bytes(self):
        for options in (("class",), ("counts",), ("cm",), ("cm", "--level", "1"), ("cm", "-m", LLAMA),
                        ("knn", "--compressor", "aizip"), ("knn", "-k", "3"),
                        ("knn", "-k", "3", "--order", "train-first")):
            results = [self.aizip("classify", "--method", *options, "-T", n, "--train", self.train,
                                  "--test", self.test, "--proba", "--predictions", "-", "-q")
                       for n in ("1", "2", "8")]
            if b"built without" in results[0].stderr:
                continue
            self.assertEqual(len(results[0].stdout.splitlines()), 61, results[0].stderr)
            self.assertEqual(len({result.stdout for result in results}), 1)

    def test_a_filter_answers_as_lines_come(self):
        model = self.dir / "m.aizc"
        self.aizip("classify", "--train", self.train, "--save", model)
        with subprocess.Popen([AIZIP, "classify", "--load", model], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as process:
            for text, label in (("the goal of the team", b"sport\n"), ("bank shares", b"money\n"),
                                ("orbit of the moon", b"deep space\n")):
                process.stdin.write(text.encode() + b"\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), label)
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"")
        lines = b"team\twith tab\n\xff\xfe\n\nlast"
        got = self.aizip("classify", "--load", model, stdin=lines)
        self.assertEqual(len(got.stdout.splitlines()), 4, got.stderr)
        got = self.aizip("classify", "--load", model, "--answers", "jsonl", "--proba", stdin=lines)
        self.assertEqual({round(sum(json.loads(line)["probabilities"].values()), 3)
                          for line in got.stdout.splitlines()}, {1.0})

    def test_reject_leaves_the_least_sure_unanswered(self):
        report = self.json("classify", "--train", self.train, "--test", self.test)
        less = self.json("classify", "--train", self.train, "--test", self.test, "--reject", "0.3")
        self.assertTrue(25 <= less["answered"] <= 55, less["answered"])
        self.assertGreaterEqual(less["accuracy"], report["accuracy"])
        got = self.aizip("classify", "--train", self.train, "--test", self.test, "--reject", "0.3",
                         "--predictions", "-").stdout.split(b"\n")
        self.assertEqual(got[:-1].count(b""), 60 - less["answered"])

    def test_explain_adds_up(self):
        for method in ((), ("--method", "cm"), ("--method", "counts"), ("-m", LLAMA, "--examples", "2"), ("-m", "cm")):
            question = ("classify", "--train", self.train, *method, "--text",
                        "the goal of the bank, and the coach")
            result, answer = self.json(*question, "--explain"), self.json(*question)
            bits = result["constant_bits"] + sum(word["bits"] for word in result["words"])
            p = answer["probabilities"]
            self.assertEqual(result["for"], answer["label"])
            self.assertAlmostEqual(bits, math.log2(p[result["for"]] / p[result["against"]]),
                                   places=3)
        shown = self.aizip("classify", "--train", self.train, "--text", "goal", "--explain").stdout
        self.assertIn(b"sport against", shown)
        self.assertNotIn(b"\x1b", shown)

    def test_cross_validation(self):
        report = self.json("classify", "--train", self.train, "--cv", "5")
        self.assertEqual(report["rows"], 150)
        self.assertGreater(report["accuracy"], 0.7)
        self.assertEqual(report["train_rows"], 120)

    def test_duplicates_are_said_and_dropped(self):
        rows = texts(60, 2)
        train = self.file("t.tsv", tsv(texts(90) + [(l, t.upper() + "!") for l, t in rows[:9]]))
        report = self.json("classify", "--train", train, "--test", self.test)
        self.assertEqual(report["test_rows_in_train"], 0)
        self.assertGreaterEqual(report["test_rows_nearly_in_train"], 9)
        report = self.json("classify", "--train", train, "--test", self.test, "--dedupe")
        self.assertEqual(report["test_rows_nearly_in_train"], 0)
        self.assertGreaterEqual(report["dropped_from_train"], 9)

    def test_labels_that_training_lacks(self):
        test = self.file("t.tsv", tsv(texts(9)) + b"new label\tsome text\n")
        report = self.json("classify", "--train", self.train, "--test", test)
        self.assertEqual(report["labels_not_in_train"], 1)
        self.assertEqual(report["per_class"]["new label"]["recall"], 0)
        self.assertEqual(report["rows"], 10)

    def test_a_header_that_was_not_seen_is_asked_about(self):
        train = self.file("h.csv", b"v1,v2\n" + "".join(
            f"{label},{text}\n" for label, text in texts(60)).encode())
        result = self.aizip("classify", "--train", train, "--text", "goal")
        self.assertEqual((result.returncode, result.stdout), (0, b"sport\n"))
        self.assertIn(b"h.csv: no other row has the label of the first one", result.stderr)
        result = self.aizip("classify", "--train", train, "--header", "--text", "goal")
        self.assertEqual((result.stdout, result.stderr), (b"sport\n", b""))

    def test_one_label_only(self):
        train = self.file("one.tsv", b"a\tx y\na\tz\n")
        result = self.aizip("classify", "--train", train, "--text", "q")
        self.assertEqual((result.returncode, result.stdout), (0, b"a\n"))
        self.assertIn(b"one label only", result.stderr)

    def test_few_shots_by_seed(self):
        reports = [self.json("classify", "--train", self.train, "--test", self.test, "--shots", "5",
                             "--seed", str(seed)) for seed in (1, 1, 2, 3)]
        self.assertEqual(reports[0]["train_rows"], 15)
        self.assertEqual(reports[0]["confusion"], reports[1]["confusion"])
        self.assertNotEqual([r["confusion"] for r in reports[1:]], [reports[0]["confusion"]] * 3)

    def check_page(self, text):
        """Well-formed, without scripts and addresses."""
        self.assertNotIn("<script", text)
        self.assertNotIn("http:", text)
        self.assertNotIn("https:", text)
        self.assertIn("default-src 'none'", text)
        stack, case = [], self

        class Checker(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                if tag not in ("meta", "line", "rect"):
                    stack.append(tag)

            def handle_endtag(self, tag):
                if tag not in ("line", "rect"):
                    case.assertEqual(stack.pop(), tag)

        Checker().feed(text)
        self.assertEqual(stack, [])

    def test_hostile_text_is_escaped_everywhere(self):
        hostile = "\x1b[31m</script><script>alert(1)</script>\u202eabc\x9b\"'&"
        rows = [(f"{hostile}{i % 2}", f"{hostile} {'x' if i % 3 else 'y'} {i % 2}") for i in range(40)]
        train = self.file("h.csv", csv_of(rows))
        page = self.dir / "r.html"
        result = self.aizip("classify", "--train", train, "--test", train, "--report", page)
        self.assertEqual(result.returncode, 0, result.stderr)
        near = self.aizip("nearest", "--train", train, "--compressor", "aizip", "x").stdout
        shown = self.aizip("classify", "--train", train, "--text", hostile, "--explain").stdout
        answer, shown = shown.split(b"\n", 1)  # the answer, in a pipe, is the label as it is
        self.assertEqual(answer.decode()[:-1], hostile)
        for text in (result.stdout + near + shown, page.read_bytes()):
            for bad in "\x1b\u202e\x9b":
                self.assertNotIn(bad, text.decode())
        self.check_page(page.read_text())
        report = self.json("classify", "--train", train, "--test", train)
        self.assertEqual(report["labels"], [f"{hostile}0", f"{hostile}1"])
        raw = self.aizip("classify", "--train", train, "--test", train, "--json").stdout
        self.assertNotIn(b"<", raw)
        got = self.aizip("classify", "--train", train, "--test", train, "--answers", "csv",
                         "--proba", "--predictions", "-", "-q").stdout.decode()
        table = list(csv.reader(io.StringIO(got)))
        self.assertEqual(table[0][1:], [f"{hostile}0", f"{hostile}1"])
        self.assertEqual(len(table), 41)

    def test_a_page_of_mistakes(self):
        page = self.dir / "r.html"
        self.aizip("classify", "--train", self.train, "--test", self.test, "--report", page)
        text = page.read_text()
        self.check_page(text)
        for part in ("Most surprising mistakes", "Calibration", "Confusion", "deep space"):
            self.assertIn(part, text)

    def test_help_says_every_option(self):
        source = (ROOT / "cli" / "classify_options.c").read_text()
        names = re.findall(r'^ +{"([a-z-]+)", ', source[source.index("long_options[]"):], re.M)
        self.assertGreater(len(names), 30)
        said = b"".join(self.aizip(command, "--help").stdout
                        for command in ("classify", "nearest", "ncd")).decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        for name in names:
            if name not in ("help", "quiet", "verbose", "threads"):  # letters, said once for all
                self.assertRegex(said, rf"--{name}\b")
            self.assertRegex(manual, rf"--{name}\b")

    def test_what_is_wrong_is_said(self):
        bad = self.file("bad.csv", b"1,a\n2,b,c\n")
        empty = self.file("empty.tsv", b"")
        for code, part, *args in (
                (2, "--train FILE", "classify"),
                (1, "no such file", "classify", "--train", "none.csv", "--text", "x"),
                (1, "bad.csv, line 2: 3 columns", "classify", "--train", bad, "--text", "x"),
                (1, "no row with a label", "classify", "--train", empty, "--text", "x"),
                (2, "expected class, cm, counts or knn", "classify", "--train", bad, "--method", "svm"),
                (2, "its value is missing", "classify", "--train"),
                (2, "no such option", "classify", "--trian", "x"),
                (2, "goes with another command", "ncd", "--train", "x"),
                (2, "share from 0", "classify", "--train", bad, "--reject", "2"),
                (1, "pkzip is not known", "classify", "--train", self.train, "--method", "knn",
                 "--compressor", "pkzip", "--text", "x"),
                (1, "levels 1 to 9", "classify", "--train", self.train, "--method", "knn",
                 "--compressor", "aizip", "--level", "12", "--text", "x"),
                (2, "no words", "classify", "--train", self.train, "--method", "knn",
                 "--explain", "--text", "x"),
                (1, "levels 1 to 9", "classify", "--train", self.train, "--method", "cm",
                 "--level", "12", "--text", "x"),
                (2, "levels 1 to 9", "classify", "--train", self.train, "--method", "cm",
                 "--level", "0", "--text", "x"),
                (2, "learns nothing", "classify", "--train", self.train, "-m", LLAMA, "--save", "x"),
                (2, "goes with -m", "classify", "--labels", "a,b", "--text", "x"),
                (2, "a name is empty", "classify", "--labels", "a,,b", "-m", LLAMA, "--text", "x"),
                (2, "goes with -m", "classify", "--train", self.train, "--examples", "3",
                 "--text", "x"),
                (1, "no model of that name", "classify", "--train", self.train, "-m", "none",
                 "--text", "x"),
                (4, "--memlimit", "classify", "--train", self.train, "--memlimit", "100KiB",
                 "--text", "x"),
                (1, "can't be written", "classify", "--train", self.train, "--save", "no/such"),
                (2, "two files", "ncd", "one")):
            with self.subTest(part=part):
                self.fails(code, part, *args)

    def test_a_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        for args in (("--save", "/dev/full"), ("--report", "/dev/full", "--test", self.test),
                     ("--predictions", "/dev/full", "--test", self.test)):
            result = self.aizip("classify", "--train", self.train, *args)
            self.assertEqual(result.returncode, 1, args)
            self.assertIn(b"/dev/full", result.stderr)
        with open("/dev/full", "wb") as full:
            result = self.aizip("classify", "--train", self.train, "--test", self.test, stdout=full)
        self.assertEqual(result.returncode, 1)

    def test_nothing_half_made_is_left(self):
        before = set(self.dir.iterdir())
        self.aizip("classify", "--train", self.train, "--save", "no/such")
        self.aizip("classify", "--train", self.train, "--test", self.test, "--report", ".")
        self.assertEqual(set(self.dir.iterdir()), before)


class Neighbours(Case):
    def test_sizes_are_those_of_pythons_gzip(self):
        """2,000 pairs: the conditional distance and NCD, for both orders."""
        rows = texts(50 if SANITIZE else 500, 3)
        train = self.file("t.tsv", tsv(rows))
        sizes = [len(gzip.compress(text.encode(), 9)) for _, text in rows]
        for order, separator in (("test-first", " "), ("train-first", "")):
            for text in ("the goal of the team", "bank shares market bank shares market"):
                options = ("--train", train, "-k", str(len(rows)), "--order", order, "--separator",
                           separator, "--json", text)
                got = self.aizip("nearest", "--distance", "conditional", *options)
                if b"built without" in got.stderr:
                    self.skipTest("built without zlib")
                near = json.loads(got.stdout)["neighbours"]
                ncd = json.loads(self.aizip("nearest", *options).stdout)["neighbours"]
                ncd = {n["row"]: n["distance"] for n in ncd}
                self.assertEqual(len(near), len(rows))
                own = len(gzip.compress(text.encode(), 9))
                for n in near:
                    pair = (text, n["text"]) if order == "test-first" else (n["text"], text)
                    size = len(gzip.compress(separator.join(pair).encode(), 9))
                    known = sizes[n["row"] - 1]
                    self.assertEqual(n["distance"], size - known)
                    self.assertEqual(ncd[n["row"]], (size - min(own, known)) / max(own, known))

    def test_every_compressor(self):
        train = self.file("t.tsv", tsv(texts(30)))
        for name in ("gzip", "zlib", "deflate", "bz2", "xz", "zstd", "brotli", "aizip"):
            got = self.aizip("nearest", "--train", train, "--compressor", name, "the goal")
            if b"built without" not in got.stderr:
                self.assertEqual(len(got.stdout.splitlines()), 5, (name, got.stderr))

    def check_preset(self, preset, script, *k):
        """Labels of 12 rows, and their distances to 400, are those of a plain script."""
        if not AG.exists():
            self.skipTest("AG News is not here")
        n_train, n_test = (100, 4) if SANITIZE else (400, 12)
        train, test = AG / "train_first_12000.tsv", AG / "test.tsv"
        plain = subprocess.run([sys.executable, "-B", ROOT / "tests" / script, train, test,
                                str(n_train), str(n_test), *k], capture_output=True,
                               check=True).stdout
        plain = [json.loads(line) for line in plain.splitlines()]
        options = ("--preset", preset, *(("-k", *k) if k else ()), "--train", train, "--train-rows",
                   str(n_train))
        got = self.aizip("classify", *options, "--test", test, "--test-rows", str(n_test),
                         "--predictions", "-", "-q")
        if b"built without" in got.stderr:
            self.skipTest("built without zlib")
        self.assertEqual(got.stdout.decode().split(), [row["label"] for row in plain])
        rows = [line.split("\t", 1)[1] for line in
                test.read_text(encoding="utf-8").split("\n")[:n_test]]
        near = self.aizip("nearest", *options, "-k", str(n_train), "--json", "--",
                          *rows).stdout.decode()
        decoder, at = json.JSONDecoder(), 0
        for row in plain:
            found, at = decoder.raw_decode(near, at)
            at += 1  # the newline
            got = [0] * n_train
            for n in found["neighbours"]:
                got[n["row"] - 1] = n["distance"]
            self.assertEqual(got, row["distances"])

    def test_the_seed_is_a_plain_scripts(self):
        self.check_preset("seed", "plain_seed.py")

    def test_npc_gzip_is_a_plain_scripts(self):
        self.check_preset("npc-gzip", "plain_npc_gzip.py", "5")

    def test_a_matrix_and_its_tree(self):
        for name, text in (("a", b"the quick brown fox " * 20), ("b", b"the quick brown cat " * 20),
                           ("c\n'<", random.Random(1).randbytes(400))):
            self.file(name, text)
        names = ("a", "b", "c\n'<")
        got = json.loads(self.aizip("ncd", "--compressor", "aizip", *names, "--json").stdout)
        self.assertEqual(got["files"], list(names))
        m = got["matrix"]
        self.assertEqual([m[i][i] for i in range(3)], [0, 0, 0])
        self.assertEqual(m[0][1], m[1][0])
        self.assertLess(m[0][1], m[0][2])
        got = self.aizip("ncd", "--compressor", "aizip", *names, "--tree", "t.svg", "--csv")
        table = list(csv.reader(io.StringIO(got.stdout.decode())))
        self.assertEqual(table[0], ["file", *names])
        svg = (self.dir / "t.svg").read_text()
        self.assertEqual(svg.count("<path"), 2)
        xml.etree.ElementTree.fromstring(svg)
        newick = self.aizip("ncd", "--compressor", "aizip", *names, "--tree", "-").stdout.decode()
        self.assertTrue(newick.startswith("(('a':"), newick)
        self.assertIn("'c\\x0a''<'", newick)
        self.assertTrue(newick.endswith(";\n"))


if __name__ == "__main__":
    main()
