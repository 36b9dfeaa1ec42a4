#!/usr/bin/env python3
"""aizip text."""

import json
import re
import shlex
import unicodedata

import harness
from harness import ROOT, Case, noise

STORIES = str(ROOT / "tests" / "models" / "stories260k.gguf")
MESSAGES = ["See you at eight, then.", "Grüße, 中文 and 😀", "x", "--help is no message after --", "two\nlines", " edges "]
ALPHABETS = {"unicode": re.compile("^[\u3400-\u4db5\u4e00-\u9fa5\uac00-\ud7a3]+$"), "base64": re.compile("^[A-Za-z0-9_-]+$"),
             "gsm7": re.compile("^[^ \n\r\x1b]+$")}


class There(Case):
    def encode(self, message, *args, **more):
        return self.aizip("text", *args, "--", message, **more)

    def test_there_and_back(self):
        for alphabet, pattern in ALPHABETS.items():
            for options in ((), ("-m", STORIES)):
                for message in MESSAGES:
                    result = self.encode(message, "--alphabet", alphabet, *options)
                    self.assertEqual(result.returncode, 0)
                    text = result.stdout.decode().removesuffix("\n")
                    self.assertRegex(text, pattern)
                    self.assertRegex(result.stderr.decode(), r"\A\d+ bytes, \d+ bits, \d+ characters, \d SMS \(\d+ (septets|"
                                     r"units)\) => \d+ bytes, \d+ bits, \d+ characters, 1 SMS \(\d+ (septets|units)\), "
                                     r"\d+\.\d\d bits a byte\n\Z")
                    back = self.encode(text, "-d", "-q", "--alphabet", alphabet, *options)
                    self.assertEqual((back.stdout.decode(), back.stderr), (message + "\n", b""))

    def test_characters_survive(self):
        """Normal forms, trimming, wrapping."""
        text = self.succeeds("text", "-q", "--", *MESSAGES).stdout.decode()
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            same = unicodedata.normalize("NFC", unicodedata.normalize(form, text))
            self.assertEqual(same, text)
        for form in ("NFC", "NFKC"):
            self.assertEqual(unicodedata.normalize(form, text), text)
        wrapped = "\ufeff  " + "\r\n\t ".join(text.strip()) + "\u3000\n"
        self.assertEqual(self.succeeds("text", "-d", "-q", stdin=wrapped.encode()).stdout.decode(),
                         " ".join(MESSAGES) + "\n")

    def test_alphabet_of_unicode(self):
        characters = [chr(c) for first, last in ((0x4e00, 0x9fa5), (0x3400, 0x4db5), (0xac00, 0xd7a3))
                      for c in range(first, last + 1)]
        self.assertEqual(len(characters), 38656)
        for form in ("NFC", "NFKC"):
            self.assertTrue(all(unicodedata.normalize(form, c) == c for c in characters))
        self.assertTrue(all(unicodedata.category(c) == "Lo" for c in characters))

    def test_any_bytes(self):
        for content in (b"", b"\n", b"\0\xff\xfe", noise(2000), b"\n\n", b"a\r\nb\r\n"):
            text = self.succeeds("text", "-q", stdin=content + b"\n").stdout
            self.assertEqual(self.succeeds("text", "-d", "-q", stdin=text).stdout, content + b"\n")

    def test_the_same_everywhere(self):
        for options in ((), ("-m", STORIES)):
            texts = {self.succeeds("text", "-q", *options, MESSAGES[0], env={"AIZIP_CPU_DISABLE": off}).stdout
                     for off in ("", "all", "avx512")}
            self.assertEqual(len(texts), 1)

    def test_dictionary(self):
        self.file("said", b"The quick brown fox.\nXanthippe said: Zwiebelkuchen!\n")
        text = self.succeeds("text", "-q", "-D", "said", "Xanthippe said: Zwiebelkuchen?").stdout
        self.assertLess(len(text.decode()), 6)
        self.assertEqual(self.succeeds("text", "-dq", "-D", "said", stdin=text).stdout, b"Xanthippe said: Zwiebelkuchen?\n")
        self.assertEqual(self.aizip("text", "-dq", stdin=text).returncode, 3)

    def test_json(self):
        info = json.loads(self.succeeds("text", "--json", "--alphabet=gsm7", "Hello, is it you?").stdout)
        self.assertEqual((info["alphabet"], info["message"]["septets"], info["message"]["sms"]), ("gsm7", 17, 1))
        self.assertAlmostEqual(info["encoded"]["bits"], info["encoded"]["characters"] * 6.954, 2)
        back = json.loads(self.succeeds("text", "--json", "-d", info["text"], "--alphabet=gsm7").stdout)
        self.assertEqual(back["text"], "Hello, is it you?")
        hostile = json.loads(self.succeeds("text", "--json", "-d", self.succeeds("text", "-q", "\x1b[2J\u202e").stdout).stdout)
        self.assertEqual(hostile["text"], "\x1b[2J\u202e")


class Chat(Case):
    def test_lines(self):
        lines = b"Hello there\nHow are you?\nHello there\n"
        plain = self.succeeds("text", "-i", "-q", stdin=lines).stdout
        self.assertEqual(self.succeeds("text", "-i", "-q", stdin=plain).stdout, lines)
        known = self.succeeds("text", "-i", "-q", "--remember", stdin=lines).stdout
        self.assertEqual(known.split()[0], plain.split()[0])
        self.assertLess(len(known.decode().split()[2]), len(plain.decode().split()[2]))
        self.assertEqual(self.succeeds("text", "-i", "-q", "--remember", stdin=known).stdout, lines)

    def test_other_alphabets(self):
        lines = b"Hello there\nHow are you?\n"
        for alphabet in ("base64", "gsm7"):
            text = self.succeeds("text", "-i", "-q", "--alphabet", alphabet, stdin=lines).stdout
            self.assertEqual(self.succeeds("text", "-i", "-q", "-d", "--alphabet", alphabet, stdin=text).stdout, lines)

    def test_a_wrong_line_does_not_end_it(self):
        good = self.succeeds("text", "-i", "-q", stdin=b"Hello\n").stdout
        result = self.aizip("text", "-i", "-q", stdin="中文字符很多很多\n".encode() + good)
        self.assertEqual((result.returncode, result.stdout), (3, b"Hello\n"))


class Refusals(Case):
    def test_wrong_text(self):
        self.fails(3, "wrong or missing", "text", "-d", "中文字符很多很多")
        self.fails(3, "none of the alphabet", "text", "-d", "\u20ac")
        self.fails(3, "character 2 is none", "text", "-d", "--alphabet=base64", "a!")
        self.fails(3, "no character", "text", "-d", "")
        self.fails(1, "16384 bytes at most", "text", "x" * 16385)
        self.fails(4, "memory", "text", "--memlimit=1M", "hello")

    def test_options(self):
        self.fails(2, "unicode, base64 or gsm7", "text", "--alphabet=morse", "a")
        self.fails(2, "no message", "text", "-i", "a")
        self.fails(2, "goes with -i", "text", "--remember", "a")
        self.fails(2, "does not go with -i", "text", "-i", "--json")
        self.fails(1, "missing", "text", "-D", "missing", "a")
        self.fails(1, "no-such", "text", "-m", "no-such", "a")

    def test_help_and_manual_say_every_option(self):
        text = self.succeeds("text", "--help").stdout.decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        section = manual[manual.index(".SH SHORT MESSAGES"):]
        source = (ROOT / "cli" / "text.c").read_text()
        table = source[source.index("long_options[]"):source.index("static const struct {")]
        for name, letter in re.findall(r"\{\"([a-z-]+)\", ('.'|[A-Z_]+)", table):
            if name not in ("quiet", "verbose", "help", "decompress"):
                said = "-" + letter[1] if letter[0] == "'" and name != "memlimit" else "--" + name
                self.assertIn(said, text)
                self.assertIn("--" + name if letter[0] != "'" else said, section)

    def test_examples(self):
        self.file("letter.txt", b"Dear Lily,\nthank you for the ball.\n")
        text = self.succeeds("text", "--help").stdout.decode()
        encoded = self.succeeds("text", "-q", "See you at eight, then.").stdout.decode().strip()
        for line in text[text.index("Examples:"):].splitlines()[1:]:
            line = re.sub(r"\$\(.*\)", encoded, line).replace("smollm2-135m", STORIES)
            command, _, stdin = line.partition("<")
            words = shlex.split(command)
            self.assertEqual(words[0], "aizip")
            content = (self.dir / stdin.strip()).read_bytes() if stdin else b"Hello\n"
            self.assertEqual(self.aizip(*words[1:], stdin=content).returncode, 0, line)


if __name__ == "__main__":
    harness.main()
