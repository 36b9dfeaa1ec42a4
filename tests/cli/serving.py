"""A running `aizip serve`, for tests."""

import http.client
import json
import os
import signal
import subprocess
import time
import urllib.parse

from harness import AIZIP


class Server:
    def __init__(self, *args, cwd=None, env=None, ignored=None):
        """ignored: a signal that the caller ignores, as nohup does."""
        self.process = subprocess.Popen(
            [AIZIP, "serve", "--json", *map(str, args)], cwd=cwd, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C", **(env or {})),
            preexec_fn=lambda: Server.signals(ignored))
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.communicate()[1].decode())
        said = json.loads(line)
        self.url, self.port, self.token = said["url"], said["port"], said["token"]
        self.host = f"127.0.0.1:{self.port}"

    @staticmethod
    def signals(ignored):
        """As a shell in front of somebody has them, however these tests were started."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    def stop(self, number=signal.SIGINT):
        """Ends it; returns its exit code and what it said on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said.decode()

    def ask(self, method, path, body=None, headers=None, token=True, timeout=60):
        """Returns status, headers and body."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        all_headers = {"Authorization": "Bearer " + self.token} if token else {}
        if body is not None:
            all_headers["Content-Type"] = "application/octet-stream"
        all_headers.update(headers or {})
        all_headers = {k: v for k, v in all_headers.items() if v is not None}
        try:
            client.request(method, path, body=body, headers=all_headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def json(self, method, path, body=None, status=200):
        got, _, text = self.ask(method, path, body)
        if got != status:
            raise AssertionError((got, text))
        return json.loads(text)

    def start(self, kind, content, **settings):
        query = urllib.parse.urlencode({"kind": kind, **settings})
        return self.json("POST", "/api/jobs?" + query, content, status=202)["id"]

    def state(self, number):
        return self.json("GET", f"/api/jobs/{number}")

    def wait(self, number, seconds=120):
        """The job's last state."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state(number)
            if state["state"] not in ("waiting", "running"):
                return state
            time.sleep(0.02)
        raise AssertionError("the job does not end")

    def run(self, kind, content, **settings):
        return self.wait(self.start(kind, content, **settings))

    def output(self, number):
        status, _, content = self.ask("GET", f"/api/jobs/{number}/output")
        assert status == 200, (status, content)
        return content
