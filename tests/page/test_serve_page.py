"""The page of aizip serve, through all that it does: typing, files, archives, models, classifiers,
progress and cancel, by mouse and by keyboard, dark and light, on a phone's width, and under axe."""

import json
import os
import re
import time

from openapi_spec_validator import validate
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from web import PHONE, ROOT, WIDE, PageCase

from harness import noise
from serving import Server

STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
SAMPLE = (ROOT / "docs" / "pictures" / "sample.txt").read_bytes()
SENTENCE = "Once upon a time there was a compressor that told stories. "
TOPICS = "label,text\n" + "".join(
    f"{label},{text} {i}\n" for i in range(30) for label, text in
    (("sea", "the ship sailed over the waves with wind and salt"),
     ("field", "the farmer ploughed the field and sowed wheat"),
     ("<b>town</b>", "the tram and the bus stop at the street corner")))


class Serve(PageCase):
    @property
    def own(self):
        return rf"http://127\.0\.0\.1:{self.server.port}/|data:|about:|chrome"

    def open(self, *args, size=WIDE, scheme="light", env=None):
        self.server = Server("-m", STORIES, *args, env={"AIZIP_MODELS": str(self.dir), **(env or {})},
                             cwd=self.dir)
        self.addCleanup(self.server.stop)
        self.addCleanup(self.web.get, "about:blank")
        self.go(self.server.url, size, scheme)
        self.wait("return location.search === '' && document.querySelectorAll('#level option').length === 9")
        self.model("")
        Select(self.id("primer")).select_by_value("")
        self.web.execute_cdp_cmd("Browser.setDownloadBehavior",
                                 {"behavior": "allow", "downloadPath": str(self.dir / "saved")})
        return self.server

    def model(self, name):
        Select(self.id("model")).select_by_value(name)

    def id(self, name):
        return self.web.find_element(By.ID, name)

    def text(self, name):
        return self.web.execute_script("return document.getElementById(arguments[0]).textContent", name)

    def type(self, text):
        self.id("input").send_keys(text)

    def paste(self, text):
        self.web.execute_script(
            "const i = document.getElementById('input'); i.value = arguments[0];"
            "i.dispatchEvent(new Event('input'))", text)

    def figures(self, n_bytes, seconds=20):
        """Waits for the figures of so many bytes."""
        self.wait("return document.getElementById('figures').textContent.startsWith(arguments[0])",
                  f"{n_bytes:,} byte", seconds=seconds)
        self.wait("return document.getElementById('sizes').rows.length === 5", seconds=seconds)

    def choose(self, name, content):
        self.id("file").send_keys(str(self.file(name, content)))

    def saved(self, name):
        path = self.dir / "saved" / name
        for _ in range(200):
            if path.exists() and not list((self.dir / "saved").glob("*.crdownload")):
                return path.read_bytes()
            time.sleep(0.05)
        self.fail(f"no {name} in {os.listdir(self.dir / 'saved') if path.parent.exists() else 'saved'}")

    def test_it_looks_right_to_axe(self):
        self.file("topics.csv", TOPICS.encode())
        self.succeeds("classify", "-q", "--train", "topics.csv", "--save", "topics.aizc")
        self.open("--classifier", "topics.aizc")
        self.check("serve-empty-wide-light")
        self.paste(SAMPLE[:600].decode())
        self.figures(600)
        self.wait("return !document.getElementById('labelled').hidden")
        for size, width in ((WIDE, "wide"), (PHONE, "phone")):
            for scheme in ("light", "dark"):
                self.look(size, scheme)
                self.check(f"serve-text-{width}-{scheme}")
        self.id("text").send_keys(Keys.ARROW_RIGHT)
        self.check("serve-pointed-phone-dark")
        self.file("archive.txt", SAMPLE)
        self.succeeds("-q", "archive.txt")
        self.id("file").send_keys(str(self.dir / "archive.txt.aiz"))
        self.wait("return !document.getElementById('restored').hidden")
        for scheme in ("light", "dark"):
            self.look(PHONE, scheme)
            self.check(f"serve-archive-phone-{scheme}")

    def test_typing(self):
        self.open()
        self.type(SENTENCE)
        self.figures(len(SENTENCE))
        first = self.text("figures")
        self.type(SENTENCE)
        self.figures(2 * len(SENTENCE))
        self.assertRegex(self.text("figures"), r"bytes become \d+ bytes: \d\.\d{3} bits a byte\. "
                                               r"Decoded again: the same\.")
        self.assertNotEqual(first, self.text("figures"))
        rows = [r.text for r in self.web.find_elements(By.CSS_SELECTOR, "#sizes tr")]
        for row, name in zip(rows, ("aizip (built-in -5)", "gzip -9", "xz -9e", "zstd -19", "brotli -11")):
            self.assertRegex(row, "^" + re.escape(name) + r"\s+\d+ \d+\.\d{3}$")
        self.assertEqual(self.text("text"), 2 * SENTENCE)
        self.wait("return document.getElementById('status').textContent.startsWith('118 bytes become')")
        ActionChains(self.web).move_to_element(
            self.web.find_element(By.CSS_SELECTOR, "#text span[data-i='3']")).perform()
        self.wait("return document.getElementById('detail').textContent.includes('at byte 3')")
        self.assertIn("The likeliest here:", self.detail())
        self.paste("")
        self.wait("return document.getElementById('results').hidden && document.getElementById('heat').hidden")
        self.quiet()

    def test_the_page_agrees_with_the_program(self):
        self.open()
        self.paste(SAMPLE.decode())
        self.figures(len(SAMPLE))
        self.id("save").click()
        archive = self.saved("text.txt.aiz")
        self.file("text.txt", SAMPLE)
        self.succeeds("-q", "text.txt")
        self.assertEqual((self.dir / "text.txt.aiz").read_bytes(), archive)
        self.assertIn(f"become {len(archive):,} bytes", self.text("figures"))

    def test_a_model(self):
        self.open()
        self.paste(SAMPLE[:300].decode())
        self.figures(300)
        self.model("stories260k")
        self.id("model").send_keys(Keys.TAB)
        self.wait("return document.getElementById('sizes').textContent.includes('aizip (stories260k)')")
        self.assertNotIn("Decoded again", self.text("figures"))
        self.id("save").click()
        archive = self.saved("text.txt.aiz")
        self.assertIn("Decoded again: the same.", self.text("figures"))
        result = self.aizip("-d", "-c", "-m", STORIES, stdin=archive)
        self.assertEqual(result.stdout, SAMPLE[:300])

    def test_primed(self):
        self.open()
        self.paste(SAMPLE[:600].decode())
        self.figures(600)
        plain = self.text("figures")
        Select(self.id("primer")).select_by_value("prose")
        self.wait("return document.getElementById('figures').textContent.includes('built-in text for prose')")
        size = [int(text.split("become ")[1].split()[0]) for text in (plain, self.text("figures"))]
        self.assertLess(size[1], size[0])
        Select(self.id("primer")).select_by_value("auto")
        self.file("text.txt", SAMPLE[:600])
        self.succeeds("-q", "--prime", "auto", "text.txt")
        self.wait("return document.getElementById('figures').textContent.includes(arguments[0])",
                  f"become {(self.dir / 'text.txt.aiz').stat().st_size} bytes")

    def test_a_file_and_its_archive(self):
        content = bytes(range(256)) * 300 + noise(1000)
        self.open()
        self.choose("data.bin", content)
        self.figures(len(content))
        self.assertIn("The first 65,536 bytes are drawn", self.text("cut"))
        self.assertEqual(self.text("name"), "data.bin, 77,800 bytes")
        self.assertTrue(self.text("text").startswith("00000000  00 01 02"))
        self.shot("serve-binary")
        self.id("save").click()
        archive = self.saved("data.bin.aiz")
        self.choose("copy.bin.aiz", archive)
        self.wait("return !document.getElementById('restored').hidden")
        self.assertIn("hold 77,800 bytes", self.text("found"))
        self.assertTrue(self.web.execute_script("return document.getElementById('results').hidden"))
        self.id("save-file").click()
        self.assertEqual(self.saved("copy.bin"), content)
        self.id("drop-it").click()
        self.wait("return document.getElementById('restored').hidden")

    def test_dropping(self):
        self.open()
        self.web.execute_script("""
            const dropped = new DataTransfer();
            dropped.items.add(new File([arguments[0]], "note.txt"));
            dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, cancelable: true}));
        """, SENTENCE)
        self.figures(len(SENTENCE))
        self.assertEqual(self.text("name"), f"note.txt, {len(SENTENCE)} bytes")

    def test_bad_archives_are_refused_in_a_sentence(self):
        self.open()
        _, archive = self.archive("file.txt", SAMPLE)
        damaged = bytearray(archive.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        self.choose("damaged.aiz", bytes(damaged))
        self.wait("return document.getElementById('problem').textContent !== ''")
        self.assertRegex(self.text("problem"), r"damaged.*\(at byte \d+\)\.$")
        self.shot("serve-damaged")
        self.choose("none.aiz", b"this is no archive")
        self.wait("return document.getElementById('problem').textContent.includes('archive')"
                  "&& !document.getElementById('problem').textContent.includes('damaged')")
        self.assertTrue(self.web.execute_script("return document.getElementById('restored').hidden"))
        self.paste("text again")
        self.figures(10)
        self.assertEqual(self.text("problem"), "")

    def test_too_large(self):
        self.open("--max-size", "2K")
        self.choose("large.txt", SAMPLE * 100)
        self.wait("return document.getElementById('problem').textContent.includes('--max-size')")

    def test_progress_and_cancel(self):
        self.open()
        self.model("stories260k")
        self.choose("long.txt", SAMPLE * 1500)
        self.wait("return !document.getElementById('work').hidden && document.getElementById('progress').value > 0")
        self.assertRegex(self.text("phase"), r"compressing \d+ %")
        self.check("serve-progress")
        self.id("cancel").click()
        self.wait("return document.getElementById('work').hidden")
        self.assertEqual(self.text("problem"), "Cancelled.")
        for _ in range(200):  # one compresses, the other compares; either may have come first
            states = [self.server.state(job)["state"] for job in (1, 2)]
            if "running" not in states and "waiting" not in states:
                break
            time.sleep(0.05)
        self.assertIn(sorted(states), (["cancelled", "cancelled"], ["cancelled", "done"]))
        self.model("")
        self.paste(SENTENCE)
        self.figures(len(SENTENCE))

    def test_classifying(self):
        self.file("topics.csv", TOPICS.encode())
        self.succeeds("classify", "-q", "--train", "topics.csv", "--save", "topics.aizc")
        self.succeeds("classify", "-q", "--method", "knn", "--train", "topics.csv", "--save", "near.aizc")
        self.open("--classifier", "topics.aizc", "--classifier", "near.aizc")
        self.paste("waves and wind around the ship")
        self.wait("return document.getElementById('label').textContent === 'This is sea.'")
        words = self.text("words")
        self.assertIn("waves", words)
        self.assertRegex(self.text("decided-title"), "^Words for sea, against ")
        self.assertEqual(self.text("marked").split(), "waves and wind around the ship".split())
        self.paste("a tram stop on the street, and a bus at the corner")
        self.wait("return document.getElementById('label').textContent === 'This is <b>town</b>.'")
        self.assertEqual(self.web.find_elements(By.CSS_SELECTOR, "#label b b"), [])
        self.shot("serve-classified")
        Select(self.id("classifier")).select_by_value("near.aizc")
        self.wait("return document.getElementById('neighbours').rows.length === 5")
        self.assertIn("the tram and the bus", self.text("neighbours"))

    def test_keys_alone(self):
        self.open()
        self.web.execute_script("document.getElementById('input').focus()")
        ActionChains(self.web).send_keys("aa ab ac ad ae").perform()
        self.figures(14)
        reached = []
        for _ in range(12):
            ActionChains(self.web).send_keys(Keys.TAB).perform()
            active = self.web.switch_to.active_element
            reached.append(active.get_attribute("id") or active.get_attribute("aria-label"))
            if reached[-1] == "text":
                break
        for wanted in ("file", "model", "level", "primer", "Sizes", "save", "text"):
            self.assertIn(wanted, reached)
        for key, place in ((Keys.ARROW_RIGHT, "at byte 0:"), (Keys.END, "at byte 13:"),
                           (Keys.ARROW_LEFT, "at byte 12:"), (Keys.HOME, "at byte 0:")):
            ActionChains(self.web).send_keys(key).perform()
            self.assertIn(place, self.detail())

    def test_hostile_text_is_text(self):
        self.open()
        hostile = ("</script><script>document.title='bad'</script><img src=x onerror=\"document.title="
                   "'bad'\">\u202e\x1b[31m&lt;b&gt; ")
        self.choose("<img src=x onerror=alert(1)>\u202e.txt", hostile.encode() + b"\xff\n")
        self.figures(len(hostile.encode()) + 2)
        self.assertNotEqual(self.web.title, "bad")
        self.assertEqual(self.web.find_elements(By.CSS_SELECTOR, "main img, #text b, main script"), [])
        self.assertIn("\\u202e\\x1b[31m&lt;b&gt; \\xff", self.text("text"))
        self.assertIn("<img src=x onerror=alert(1)>\\u202e.txt", self.text("name"))
        self.check("serve-hostile")

    def test_without_the_token(self):
        server = self.open()
        self.web.delete_all_cookies()
        self.go(server.url.split("?")[0])
        self.assertIn("whole address", self.web.find_element(By.TAG_NAME, "main").text)
        self.assertEqual(self.web.find_elements(By.ID, "input"), [])

    def test_other_sites_get_nothing(self):
        """A page of another origin can neither read nor change anything, with the cookie there."""
        server = self.open()
        other = Server(cwd=self.dir, env={"AIZIP_MODELS": str(self.dir)})
        self.addCleanup(other.stop)
        self.web.get(other.url)
        self.wait("return location.search === ''")
        # about:blank has no policy of its own: what is refused here, the server and the browser refuse
        self.web.get("about:blank")
        answers = self.web.execute_async_script("""
            const done = arguments[1], base = arguments[0];
            const type = {"Content-Type": "application/octet-stream"};
            Promise.all([
              fetch(base + "/api/state", {credentials: "include"}),
              fetch(base + "/api/jobs?kind=compress",
                    {method: "POST", body: "x", headers: type, credentials: "include"}),
              fetch(base + "/api/jobs?kind=compress",
                    {method: "POST", body: "x", mode: "no-cors", credentials: "include"}),
            ].map(p => p.then(r => r.type === "opaque" ? "opaque" : r.status, () => "refused"))).then(done);
        """, f"http://127.0.0.1:{server.port}")
        self.assertEqual(answers[:2], ["refused", "refused"])
        self.assertIn(answers[2], ("opaque", "refused"))
        status, _, _ = server.ask("GET", "/api/jobs/1")
        self.assertEqual(status, 404)

    def test_the_description_of_the_endpoints_is_openapi(self):
        validate(json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8")))

    def test_what_the_server_has_forgotten(self):
        self.open()
        self.paste(SENTENCE * 3)
        self.figures(3 * len(SENTENCE))
        job = self.web.execute_script("return made.id")
        self.server.json("POST", f"/api/jobs/{job}/cancel")
        self.id("save").click()
        result = self.aizip("-d", "-c", stdin=self.saved("text.txt.aiz"))
        self.assertEqual(result.stdout.decode(), SENTENCE * 3)
        self.choose("text.txt.aiz", self.saved("text.txt.aiz"))
        self.wait("return !document.getElementById('restored').hidden")
        self.server.json("POST", f"/api/jobs/{self.web.execute_script('return restored.id')}/cancel")
        self.id("save-file").click()
        self.wait("return document.getElementById('problem').textContent.includes('drop the archive again')")

    def test_large_files_say_what_is_left_out(self):
        self.open()
        self.choose("large.bin", bytes(17 << 20))
        self.wait("return document.getElementById('beside').textContent.includes('16,777,216 bytes')", seconds=60)
        self.assertIn("\u2013", self.text("sizes"))

    def test_the_server_ends(self):
        server = self.open()
        self.assertEqual(server.stop()[0], 0)
        self.paste("x")
        self.wait("return document.getElementById('problem').textContent.includes('does not answer')")
