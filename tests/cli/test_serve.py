#!/usr/bin/env python3
"""aizip serve: its endpoints as docs/openapi.json describes them, who may use them, and what happens
with clients that are wrong, slow, hostile or many. tests/page looks at the page itself."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import unittest

from harness import AIZIP, ROOT, SANITIZE, TEXT, Case, main, noise, run
from serving import Server

STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
TOPICS = "label,text\n" + "".join(
    f"{label},{text} {i}\n" for i in range(30) for label, text in
    (("sea", "the ship sailed over the waves"), ("field", "the farmer ploughed the field"),
     ("town", "the tram stops at the corner")))
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
         "boolean": bool, "null": type(None)}


def mismatch(value, schema, where="it"):
    """What of the value is not as the schema (the part of JSON Schema that OPENAPI uses) says."""
    if "$ref" in schema:
        schema = OPENAPI["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        wrong = [mismatch(value, one, where) for one in schema["anyOf"]]
        return None if None in wrong else f"{where}: {wrong}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) and
                         not (isinstance(value, bool) and kind in ("integer", "number"))
                         for kind in kinds):
        return f"{where}: {value!r} is not {kinds}"
    if isinstance(value, dict) and "properties" in schema:
        if set(schema["required"]) - set(value) or set(value) - set(schema["properties"]):
            return f"{where}: has {sorted(value)}"
        return next(filter(None, (mismatch(v, schema["properties"][k], f"{where}.{k}")
                                  for k, v in value.items())), None)
    if isinstance(value, list) and "items" in schema:
        return next(filter(None, (mismatch(v, schema["items"], where + "[]") for v in value)), None)
    return None


class Serve(Case):
    @classmethod
    def setUpClass(cls):
        if b"serves a page" not in run("--version").stdout:
            raise unittest.SkipTest("built without libmicrohttpd")

    def serve(self, *args, **more):
        server = Server(*args, cwd=self.dir, env={"AIZIP_MODELS": str(self.dir), **more})
        self.addCleanup(server.stop)
        return server

    def described(self, value, name):
        self.assertIsNone(mismatch(value, {"$ref": "/" + name}))

    def classifier(self, name="topics.aizc", *args):
        self.file("topics.csv", TOPICS.encode())
        self.succeeds("classify", "-q", "--train", "topics.csv", "--save", name, *args)
        return name

    def error(self, server, code, sentence, method, path, body=None, headers=None):
        status, got, text = server.ask(method, path, body, headers)
        self.assertEqual(status, code, text)
        self.assertIn(sentence, json.loads(text)["error"])
        return got


class Endpoints(Serve):
    def test_answers_are_as_described(self):
        server = self.serve("-m", STORIES, "--classifier", self.classifier(),
                            "--classifier", self.classifier("near.aizc", "--method", "knn"))
        state = server.json("GET", "/api/state")
        self.described(state, "State")
        self.assertEqual((state["model"], state["classifiers"]),
                         ("stories260k", ["topics.aizc", "near.aizc"]))
        status, _, text = server.ask("GET", "/api/openapi.json")
        self.assertEqual((status, json.loads(text)), (200, OPENAPI))
        job = server.start("compress", TEXT, map=1, verify=1, primer="auto")
        self.described(server.state(job), "Job")
        done = server.wait(job)
        self.described(done, "Job")
        self.described(done["result"], "Compressed")
        self.described(server.json("GET", f"/api/jobs/{job}/map"), "Map")
        back = server.run("decompress", server.output(job))
        self.described(back["result"], "Decompressed")
        self.assertEqual(server.output(back["id"]), TEXT)
        compared = server.run("compare", TEXT)["result"]
        self.described(compared, "Compared")
        self.assertEqual([c["name"] for c in compared["compressors"]],
                         ["gzip -9", "xz -9e", "zstd -19", "brotli -11"])
        for classifier in state["classifiers"]:
            result = server.run("classify", b"a ship on the waves", classifier=classifier)["result"]
            self.described(result, "Classified")
            self.assertEqual(result["label"], "sea")
        failed = server.run("decompress", b"no archive")
        self.described(failed, "Job")
        self.assertEqual(failed["state"], "failed")
        self.described(server.json("POST", f"/api/jobs/{failed['id']}/cancel"), "Job")
        self.described(server.json("GET", f"/api/jobs/{failed['id']}", status=404), "Error")

    def test_every_described_path_is_there(self):
        server = self.serve()
        job = server.wait(server.start("compress", b"x", map=1))["id"]
        for path, item in OPENAPI["paths"].items():
            for method in set(item) & {"get", "post"}:
                status, _, _ = server.ask(method.upper(), path.replace("{id}", str(job)),
                                          b"" if method == "post" else None)
                self.assertIn(str(status), item[method]["responses"], path)

    def test_archives_are_those_of_the_program(self):
        server = self.serve("-m", STORIES)
        for name, content in (("empty", b""), ("one", b"x"), ("text", TEXT), ("noise", noise(70000)),
                              ("broken", b"\xff\xfe\x80 caf\xc3" * 50)):
            self.file(name, content)
            for settings, args in (({}, ()), ({"level": 9}, ("-9",)), ({"primer": "json"}, ("--prime", "json")),
                                   ({"primer": "auto"}, ("--prime", "auto")),
                                   ({"model": "stories260k"}, ("-m", STORIES))):
                if "model" in settings and len(content) > 50000:
                    continue
                job = server.run("compress", content, map=1, verify=1, **settings)
                self.assertEqual((job["state"], job["error"]), ("done", None))
                self.succeeds("-q", "-f", *args, name)
                archive = server.output(job["id"])
                self.assertEqual(archive, (self.dir / (name + ".aiz")).read_bytes(), (name, settings))
                self.assertEqual(job["result"]["archive_bytes"], len(archive))
                back = server.run("decompress", archive)
                self.assertEqual(server.output(back["id"]), content)

    def test_the_map_adds_up_to_the_archive(self):
        server = self.serve("-m", STORIES)
        for settings in ({}, {"model": "stories260k"}):
            job = server.run("compress", TEXT, map=1, **settings)
            drawing = server.json("GET", f"/api/jobs/{job['id']}/map")
            drawn, strip = drawing["drawing"], drawing["strip"]
            n = len(TEXT)
            self.assertEqual("".join(drawn["text"]), TEXT.decode())
            self.assertEqual(sum(drawn["sizes"]), n)
            bits = sum(drawn["bits"])
            self.assertLess(abs(bits / 8 - job["result"]["archive_bytes"]), 0.001 * bits / 8 + 60)
            columns = [(i + 1) * n // len(strip) - i * n // len(strip) for i in range(len(strip))]
            self.assertLess(abs(sum(a * b for a, b in zip(strip, columns)) - bits), 0.01 * bits)

    def test_base64_text_is_an_archive_too(self):
        server = self.serve()
        self.file("a.txt")
        text = self.succeeds("-q", "--base64", "-c", "a.txt").stdout
        self.assertEqual(server.output(server.run("decompress", text)["id"]), TEXT)
        cut = server.run("decompress", text[:-6])
        self.assertEqual(cut["state"], "failed")

    def test_bad_archives(self):
        server = self.serve()
        _, archive = self.archive(content=TEXT * 3)
        good = archive.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 4
        self.file("dictionary", TEXT)
        self.succeeds("-q", "-D", "dictionary", "-o", "needs.aiz", "file.txt")
        for content, sentence in ((bytes(bad), "damaged"), (good[:-9], ""), (b"", "empty"), (b"\x9aAI", ""),
                                  (noise(5000), "not an aizip archive"),
                                  ((self.dir / "needs.aiz").read_bytes(), "dictionary")):
            job = server.run("decompress", content)
            self.assertEqual(job["state"], "failed")
            self.assertIn(sentence, job["error"])
            self.error(server, 409, "has failed", "GET", f"/api/jobs/{job['id']}/output")
        rng = random.Random(7)
        for _ in range(20 if SANITIZE else 60):
            bad = bytearray(good)
            for _ in range(rng.randrange(1, 5)):
                bad[rng.randrange(len(bad))] = rng.randrange(256)
            job = server.run("decompress", bytes(bad[:rng.randrange(len(bad))]))
            self.assertIn(job["state"], ("failed", "done"))
            if job["state"] == "done":
                self.assertEqual(server.output(job["id"]), TEXT * 3)

    def test_parameters(self):
        server = self.serve("--classifier", self.classifier())
        for query, sentence in (("", "kind"), ("kind=sing", "kind"), ("kind=compress&level=0", "level"),
                                ("kind=compress&level=x", "level"), ("kind=compress&model=none", "model"),
                                ("kind=compress&model=../x", "model"), ("kind=compress&primer=opera", "primer"),
                                ("kind=compress&map=2", "map"), ("kind=classify", "classifier"),
                                ("kind=classify&classifier=%00", "classifier"), ("kind", "kind")):
            self.error(server, 400, sentence, "POST", "/api/jobs?" + query, b"x")
        self.error(server, 415, "Content-Type", "POST", "/api/jobs?kind=compress", b"x",
                   {"Content-Type": "text/plain"})
        for path in ("/api/jobs/0", "/api/jobs/9", "/api/jobs/x", "/api/jobs/", "/api/jobs/-1",
                     "/api/jobs/99999999999999999999", "/api/jobs/1/map", "/none", "/../etc/passwd", "/api"):
            self.error(server, 404, "", "GET", path)
        job = server.wait(server.start("compress", b"x"))["id"]
        self.error(server, 404, "nothing of that name", "GET", f"/api/jobs/{job}/map")
        self.error(server, 404, "nothing of that name", "GET", f"/api/jobs/{job}/other")

    def test_methods(self):
        server = self.serve()
        job = server.wait(server.start("compress", b"x"))["id"]
        for method, path, allow in (("GET", "/api/jobs", "POST"), ("POST", "/api/state", "GET, HEAD"),
                                    ("POST", "/", "GET, HEAD"), ("GET", f"/api/jobs/{job}/cancel", "POST"),
                                    ("POST", f"/api/jobs/{job}", "GET, HEAD"),
                                    ("PUT", "/api/state", "GET, HEAD, POST"),
                                    ("DELETE", f"/api/jobs/{job}", "GET, HEAD, POST"),
                                    ("OPTIONS", "/api/jobs", "GET, HEAD, POST")):
            headers = self.error(server, 405, "", method, path)
            self.assertEqual(headers["Allow"], allow)
        status, headers, text = server.ask("HEAD", "/api/state")
        self.assertEqual((status, text), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 100)


class Access(Serve):
    def test_the_token(self):
        server = self.serve()
        self.assertRegex(server.token, "^[0-9a-f]{32}$")
        self.assertNotEqual(server.token, self.serve().token)
        wrong = server.token[:-1] + ("0" if server.token[-1] != "0" else "1")
        for path in ("/", "/serve.js", "/api/state", "/api/jobs/1", "/?token=", "/?token=" + wrong,
                     "/api/state?token=" + server.token):
            self.assertEqual(server.ask("GET", path, token=False)[0], 401, path)
            for headers in ({"Authorization": "Bearer " + wrong}, {"Authorization": server.token},
                            {"Cookie": f"aizip-{server.port}={wrong}"}, {"Cookie": "aizip=" + server.token},
                            {"Cookie": f"aizip-{server.port}="}, {"Authorization": "Bearer "}):
                self.assertEqual(server.ask("GET", path, headers=headers, token=False)[0], 401)
        self.assertEqual(server.ask("POST", "/api/jobs?kind=compress", b"x", token=False)[0], 401)

    def test_the_first_address_gives_the_cookie(self):
        server = self.serve()
        status, headers, _ = server.ask("GET", server.url[server.url.index("/?"):], token=False)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Set-Cookie"],
                         f"aizip-{server.port}={server.token}; Path=/; HttpOnly; SameSite=Strict")
        cookie = {"Cookie": "other=1; " + headers["Set-Cookie"].split(";")[0]}
        status, headers, page = server.ask("GET", "/", headers=cookie, token=False)
        self.assertEqual(status, 200)
        self.assertIn(b"<textarea", page)
        self.assertNotIn(server.token.encode(), page)
        self.assertNotIn("Set-Cookie", headers)

    def test_hosts(self):
        server = self.serve("--host", "box.example")
        port = server.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", f"box.example:{port}"):
            self.assertEqual(server.ask("GET", "/api/state", headers={"Host": host})[0], 200, host)
        for host in ("127.0.0.1", "localhost", "evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}",
                     f"127.0.0.1:{port}.evil.example", f"127.0.0.2:{port}", f"[::1]:{port}", "", ":",
                     f"127.0.0.1:0{port}", f"localhost.evil:{port}", "a" * 300, f"[127.0.0.1]{port}", "[", "[]"):
            self.assertEqual(server.ask("GET", "/api/state", headers={"Host": host})[0], 403, host)

    def test_origins(self):
        server = self.serve()
        own = f"http://127.0.0.1:{server.port}"
        for origin, code in ((own, 202), (f"http://localhost:{server.port}", 202), ("null", 403),
                             ("http://evil.example", 403), (own + ".evil.example", 403),
                             (f"https://127.0.0.1:{server.port}", 403), (own + "0", 403), ("", 403),
                             (f"http://127.0.0.1:{server.port - 1}", 403)):
            status, _, _ = server.ask("POST", "/api/jobs?kind=compress", b"x", {"Origin": origin})
            self.assertEqual(status, code, origin)
        for site, code in (("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)):
            self.assertEqual(server.ask("GET", "/api/state", headers={"Sec-Fetch-Site": site})[0], code)
        # Where somebody has followed the address, from wherever it was shown.
        self.assertEqual(server.ask("GET", "/?token=" + server.token, token=False,
                                    headers={"Sec-Fetch-Site": "cross-site"})[0], 200)

    def test_headers_of_every_answer(self):
        server = self.serve()
        job = server.wait(server.start("compress", b"<script>alert(1)</script>", map=1))["id"]
        for method, path, token in (("GET", "/", True), ("GET", "/", False), ("GET", "/serve.js", True),
                                    ("GET", "/api/state", True), ("GET", "/api/none", True),
                                    ("GET", f"/api/jobs/{job}/output", True), ("GET", f"/api/jobs/{job}/map", True),
                                    ("POST", "/api/jobs", True), ("PUT", "/", True), ("GET", "/api/state", False)):
            _, headers, _ = server.ask(method, path, token=token)
            self.assertTrue(headers["Content-Security-Policy"].startswith("default-src 'none'; "))
            self.assertNotIn("unsafe", headers["Content-Security-Policy"])
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertNotIn("Access-Control-Allow-Origin", headers)
            if path.endswith("/output"):
                self.assertEqual((headers["Content-Type"], headers["Content-Disposition"]),
                                 ("application/octet-stream", "attachment"))

    def test_other_addresses_are_warned_of(self):
        server = self.serve("--address", "0.0.0.0")
        self.assertEqual(server.ask("GET", "/api/state", headers={"Host": f"192.0.2.7:{server.port}"})[0], 200)
        self.assertEqual(server.ask("GET", "/api/state", headers={"Host": f"evil.example:{server.port}"})[0], 403)
        code, said = server.stop()
        self.assertEqual(code, 0)
        self.assertRegex(said, r"^aizip: 0\.0\.0\.0 can be reached from other machines")
        quiet = self.serve("--address", "0.0.0.0", "-q")
        self.assertEqual(quiet.stop(), (0, ""))


class Limits(Serve):
    def test_sizes(self):
        server = self.serve("--max-size", "4K", "--classifier", self.classifier())
        self.assertEqual(server.run("compress", noise(4096), map=1)["state"], "done")
        self.error(server, 413, "larger", "POST", "/api/jobs?kind=compress", noise(4097))
        chunks = lambda n: iter([noise(1000)] * n)  # noqa: E731: bodies whose size is not said
        query = "/api/jobs?kind=compress"
        self.assertEqual(server.ask("POST", query, chunks(4))[0], 202)
        self.assertEqual(server.ask("POST", query, chunks(5))[0], 413)
        with self.assertRaises(OSError):  # one that does not end is cut
            server.ask("POST", query, chunks(10 ** 6))
        for length in ("-1", "1e9", "99999999999999999999999", "0x10", "5, 5"):
            with self.client(server) as client:
                self.head(client, server, "POST", query, {"Content-Length": length})
                self.assertRegex(client.recv(100), rb"^HTTP/1\.1 4\d\d |^$")
        self.file("zeros", bytes(1 << 20))
        self.succeeds("-q", "zeros")
        bomb = server.run("decompress", (self.dir / "zeros.aiz").read_bytes())
        self.assertEqual(bomb["state"], "failed")
        self.assertIn("--max-size", bomb["error"])

    def client(self, server):
        return socket.create_connection(("127.0.0.1", server.port), timeout=60)

    def head(self, client, server, method, path, headers=None, end=b"\r\n"):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {server.host}",
                 f"Authorization: Bearer {server.token}", "Content-Type: application/octet-stream"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        client.sendall("".join(line + "\r\n" for line in lines).encode() + end)

    def test_time(self):
        server = self.serve("-m", STORIES, "--max-time", "1")
        late = server.run("compress", TEXT * 40, model="stories260k")
        self.assertEqual(late["state"], "failed")
        self.assertIn("--max-time", late["error"])
        self.assertEqual(server.run("compress", b"x")["state"], "done")

    def test_memory(self):
        server = self.serve("--memlimit", "300M")
        for level in (9, 1):
            job = server.run("compress", TEXT * 100, level=level)
            self.assertEqual(job["state"], "done" if level == 1 else "failed", job)
        self.assertIn("memory", server.run("compress", TEXT * 100, level=9)["error"])

    def test_long_jobs_stall_no_short_ones(self):
        server = self.serve("-m", STORIES, "--max-jobs", "12")
        long_ones = [server.start("compress", TEXT * 100, model="stories260k") for _ in range(8)]
        self.assertEqual(server.run("compress", b"short", map=1, verify=1)["state"], "done")
        states = [server.state(job)["state"] for job in long_ones]
        self.assertEqual(states, ["running"] * 3 + ["waiting"] * 5)
        self.assertEqual(server.run("decompress", server.output(9))["state"], "done")
        for job in long_ones:
            server.json("POST", f"/api/jobs/{job}/cancel")
        for job in long_ones:
            self.assertEqual(server.wait(job)["state"], "cancelled")
        self.assertEqual(server.run("compress", noise(100000))["state"], "done")

    def test_small_archives_that_take_long_stall_none_either(self):
        server = self.serve("-m", STORIES)
        self.file("large", TEXT * 100)
        archive = self.succeeds("-m", STORIES, "--no-verify", "-c", "large").stdout
        self.assertLess(len(archive), 64 << 10)
        long_ones = [server.start("decompress", archive) for _ in range(5)]
        self.assertEqual(server.run("compress", b"short", map=1, verify=1)["state"], "done")
        self.assertEqual([server.state(job)["state"] for job in long_ones], ["running"] * 3 + ["waiting"] * 2)

    def test_what_has_no_room_drives_nothing_out(self):
        server = self.serve("-m", STORIES, "--max-size", "16M")
        kept = server.run("compress", noise(8 << 20), level=1)["id"]
        long_ones = [server.start("compress", noise(16 << 20, seed), model="stories260k") for seed in range(3)]
        self.error(server, 503, "no room", "POST", "/api/jobs?kind=compress", noise(16 << 20))
        self.assertGreater(len(server.output(kept)), 8 << 20)
        for job in long_ones:
            server.json("POST", f"/api/jobs/{job}/cancel")

    def test_the_number_of_jobs(self):
        server = self.serve("-m", STORIES, "--max-jobs", "2")
        jobs = [server.start("compress", TEXT * 100, model="stories260k") for _ in range(2)]
        headers = self.error(server, 503, "too many jobs", "POST", "/api/jobs?kind=compress", b"x")
        self.assertEqual(headers["Retry-After"], "1")
        for job in jobs:
            server.json("POST", f"/api/jobs/{job}/cancel")
            server.wait(job)
        self.assertEqual(server.run("compress", b"x")["state"], "done")

    def test_old_results_make_room(self):
        server = self.serve("--max-size", "16M")
        first = server.run("compress", noise(8 << 20), level=1)["id"]
        self.assertEqual(len(server.output(first)) >= 8 << 20, True)
        for seed in range(16):
            job = server.run("compress", noise(8 << 20, seed), level=1)
            self.assertEqual(job["state"], "done")
        self.error(server, 404, "forgotten", "GET", f"/api/jobs/{first}")
        self.assertGreater(len(server.output(job["id"])), 8 << 20)

    def test_malformed_requests(self):
        server = self.serve()
        host = server.host.encode()
        rng = random.Random(3)
        bad = [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
               b"GET  HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
               b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
               b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
               b"GET /%zz%00%ff?a=%&b&=&kind=%00 HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nHost: evil.example\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost : " + host + b"\r\n\r\n",
               b"GET / HTTP/1.1\r\n Host: " + host + b"\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nCookie: " + b"a=b; " * 3000 + b"\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nCookie: ===;;;=,\x01\xff\r\n\r\n",
               b"POST /api/jobs?kind=compress HTTP/1.1\r\nHost: " + host + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"ffffffffffffffff\r\nx", b"GET http://evil.example/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
               b"G\x00T / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"]
        bad += [rng.randbytes(rng.randrange(1, 2000)) for _ in range(100)]
        good = (b"POST /api/jobs?kind=compress&level=5 HTTP/1.1\r\nHost: " + host + b"\r\nAuthorization: Bearer " +
                server.token.encode() + b"\r\nContent-Type: application/octet-stream\r\nContent-Length: 5\r\n\r\nhello")
        for _ in range(200):
            mutant = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                mutant[rng.randrange(len(mutant))] = rng.choice(b"\r\n :;%?&=\0\xff0aZ")
            bad.append(bytes(mutant))
        asked = []
        for request in bad:
            client = self.client(server)
            self.addCleanup(client.close)
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                asked.append(client)
            except OSError:  # it has ended the connection
                pass
        for client in asked:
            try:
                answer = client.recv(1 << 16)
            except ConnectionResetError:
                continue
            self.assertRegex(answer, rb"^HTTP/1\.[01] [2345]\d\d |^$")
            self.assertNotIn(b"<textarea", answer)
        self.assertEqual(server.run("compress", TEXT)["state"], "done")

    def test_clients_that_go_away(self):
        server = self.serve()
        for _ in range(30):
            with self.client(server) as client:
                self.head(client, server, "POST", "/api/jobs?kind=compress", {"Content-Length": 50000000})
                client.sendall(bytes(100000))
        job = server.run("compress", noise(3 << 20), level=1)["id"]
        for _ in range(30):  # and while an answer is sent
            with self.client(server) as client:
                self.head(client, server, "GET", f"/api/jobs/{job}/output")
                client.recv(1000)
        self.assertEqual(len(server.output(job)) > 3 << 20, True)

    def test_slow_clients_and_two_hundred_of_them(self):
        server = self.serve()
        clients = [self.client(server) for _ in range(200)]
        for i, client in enumerate(clients):
            self.addCleanup(client.close)
            if i % 4 == 1:
                client.sendall(b"GET /api/st")
            elif i % 4 == 2:
                self.head(client, server, "GET", "/api/state", end=b"X: ")
            elif i % 4 == 3:
                self.head(client, server, "POST", "/api/jobs?kind=compress", {"Content-Length": 60000})
                client.sendall(b"slow")
        self.assertEqual(server.run("compress", TEXT, map=1)["state"], "done")
        # Those that never finish their headers are sent away, though they send on and on.
        open_ones = [c for i, c in enumerate(clients) if i % 4 in (1, 2)]
        for client in open_ones:
            client.setblocking(False)
        end = time.monotonic() + 90
        while open_ones and time.monotonic() < end:
            for client in list(open_ones):
                try:
                    client.send(b"a")
                    if client.recv(100) == b"":
                        open_ones.remove(client)
                except BlockingIOError:
                    pass
                except OSError:
                    open_ones.remove(client)
            time.sleep(0.5)
        self.assertEqual(len(open_ones), 0)
        self.assertEqual(server.run("compress", TEXT, map=1)["state"], "done")

    def test_many_at_once(self):
        """More than it has connections for: all are answered in the end."""
        server = self.serve()
        clients = [self.client(server) for _ in range(600)]
        for client in clients:
            self.addCleanup(client.close)
        self.assertEqual(server.ask("GET", "/api/state", timeout=120)[0], 200)


class Life(Serve):
    def test_signals_end_it(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            server = self.serve("-m", STORIES)
            server.start("compress", TEXT * 40, model="stories260k")
            self.assertEqual(server.stop(number), (0, ""))

    def test_nohup(self):
        server = Server(cwd=self.dir, env={"AIZIP_MODELS": str(self.dir)}, ignored=signal.SIGHUP)
        self.addCleanup(server.stop)
        server.process.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        self.assertEqual(server.ask("GET", "/api/state")[0], 200)

    def test_what_it_says(self):
        process = subprocess.Popen([AIZIP, "serve", "-v"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=self.dir, env=dict(os.environ, LC_ALL="C"))
        url = process.stdout.readline().decode()
        self.assertRegex(url, r"^http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32}\n$")
        with socket.create_connection(("127.0.0.1", int(re.search(r":(\d+)/", url)[1]))) as client:
            client.sendall(b"GET /%1b[31m?token=secret HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(said.decode(), r"(?m)^GET /\\x1b\[31m: 403, ")
        self.assertNotIn(b"secret", said)

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.fails(1, f"cannot serve at 127.0.0.1, port {port}: Address already in use",
                       "serve", "--port", port)

    def test_an_address_that_nobody_can_read(self):
        with open("/dev/full", "wb") as full:
            self.fails(1, "stdout: cannot be written: No space left on device", "serve", stdout=full)

    def test_help_and_manual_say_every_option(self):
        said = self.succeeds("serve", "--help").stdout.decode()
        manual = (ROOT / "docs" / "aizip.1").read_text().replace("\\-", "-")
        section = manual[manual.index(".SH SERVING"):manual.index(".SH DICTIONARIES")]
        source = (ROOT / "cli" / "serve.c").read_text()
        table = source[source.index("long_options[]"):source.index("static int usage")]
        names = re.findall(r"\{\"([a-z-]+)\", ('.'|[A-Z_]+)", table)
        self.assertEqual(len(names), 14)
        for name, letter in names:
            if name != "help":
                short = letter[0] == "'" and name != "memlimit"
                for text in (said, section):
                    self.assertRegex(text, rf"(?<!-)-{letter[1]}\b" if short else rf"--{name}\b")

    def test_examples(self):
        self.file("smollm2-135m.gguf", STORIES.read_bytes())
        self.file("train.csv", TOPICS.encode())
        said = self.succeeds("serve", "--help").stdout.decode()
        for line in said[said.index("Examples:"):].splitlines()[1:]:
            words = line.split()
            self.assertEqual(words[0], "aizip")
            if words[1] != "serve":
                self.succeeds(*words[1:2], "-q", *words[2:])
                continue
            server = self.serve(*["0" if word == "8080" else word for word in words[2:]])
            self.assertEqual(server.run("compress", TEXT)["state"], "done")
            self.assertEqual(server.stop(), (0, ""))

    def test_usage(self):
        self.assertIn(b"Usage: aizip serve", self.succeeds("serve", "--help").stdout)
        for args in (("--port", "70000"), ("--port", "x"), ("--address", "localhost"), ("--max-size", "0"),
                     ("--max-size", "2G"), ("--max-time", "0"), ("--max-jobs", "0"), ("file",), ("--none",),
                     ("--classifier",)):
            self.fails(2, "aizip serve --help" if args != ("--none",) else "no such option", "serve", *args)
        self.fails(1, "there is no such file", "serve", "-m", "no-model")
        self.file("bad.aizc", b"no classifier")
        self.fails(3, "bad.aizc", "serve", "--classifier", "bad.aizc")
        (self.dir / "other").mkdir()
        self.classifier()
        (self.dir / "other" / "topics.aizc").write_bytes((self.dir / "topics.aizc").read_bytes())
        self.fails(2, "another classifier is called so", "serve", "--classifier", "topics.aizc",
                   "--classifier", "other/topics.aizc")
        self.fails(1, "missing.aizc", "serve", "--classifier", "missing.aizc")
        self.fails(1, "cannot serve at 203.0.113.9", "serve", "--address", "203.0.113.9")

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        server = self.serve("--address", "::1")
        self.assertTrue(server.url.startswith(f"http://[::1]:{server.port}/"))
        with socket.create_connection(("::1", server.port)) as client:
            client.sendall((f"GET /api/state HTTP/1.1\r\nHost: [::1]:{server.port}\r\n"
                            f"Authorization: Bearer {server.token}\r\n\r\n").encode())
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 "))


if __name__ == "__main__":
    main()
