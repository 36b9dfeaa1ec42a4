#!/usr/bin/env python3
"""Pages in a real browser: what surprise --html writes, by mouse, by keyboard, dark and light, on a
phone's width, and under axe. Needs Debian's chromium and chromium-driver, and from PyPI selenium and
axe (run.sh installs them). Screenshots go to build/page/, for a person to look at.
"""

import importlib.util
import pathlib
import re
import sys
import unittest

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import harness  # noqa: E402
from harness import ROOT, Case  # noqa: E402

# axe itself, out of a package whose other parts are not needed.
AXE = pathlib.Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0],
                   "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
SHOTS = ROOT / "build" / "page"
SAMPLE = (ROOT / "docs" / "pictures" / "sample.txt").read_bytes()
WIDE, PHONE = (1100, 900), (360, 740)


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)


class Surprise(Case):
    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        cls.web = browser()
        cls.web.set_script_timeout(60)
        cls.addClassCleanup(cls.web.quit)

    def open(self, *args, content=SAMPLE, size=WIDE, scheme="light"):
        self.file("sample.txt", content)
        self.succeeds("surprise", "-q", "--html", "page.html", *args, "sample.txt")
        self.web.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE})
        self.web.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.width = size[0]
        self.web.get_log("browser")
        self.web.get_log("performance")
        self.web.get((self.dir / "page.html").as_uri())
        self.wait("return document.querySelectorAll('span[data-i]').length > 0")

    def wait(self, script):
        WebDriverWait(self.web, 20).until(lambda web: web.execute_script(script))

    def shot(self, name):
        self.web.save_screenshot(str(SHOTS / f"{name}.png"))

    def check(self, name):
        """No complaint of axe's or of the browser's, nothing fetched, nothing wider than the page."""
        self.shot(name)
        self.web.execute_script(AXE)
        results = self.web.execute_async_script(
            "const done = arguments[1]; axe.run(document, {runOnly: arguments[0]})"
            ".then(done, error => done({violations: [String(error)]}))", RULES)
        self.assertEqual([(v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"])
                          for v in results["violations"]], [])
        self.assertGreater(len(results["passes"]), 10)
        self.assertEqual([e for e in self.web.get_log("browser") if e["level"] == "SEVERE"], [])
        urls = re.findall(r'"url":"((?!file:|data:|about:|chrome)[^"]+)"',
                          " ".join(e["message"] for e in self.web.get_log("performance")
                                   if "requestWillBeSent" in e["message"]))
        self.assertEqual(urls, [])
        self.assertTrue(self.web.execute_script(
            "return document.documentElement.scrollWidth <= arguments[0]", self.width), "wider than the page")

    def detail(self):
        return self.web.find_element(By.ID, "detail").text

    def test_it_looks_right_to_axe(self):
        for args, name in ((("--by", "byte"), "built-in"), (("-m", STORIES), "model"),
                           (("-m", STORIES, "--against", "built-in"), "against"), (("--hex",), "hex")):
            for size, width in ((WIDE, "wide"), (PHONE, "phone")):
                for scheme in ("light", "dark"):
                    self.open(*args, size=size, scheme=scheme)
                    self.check(f"surprise-{name}-{width}-{scheme}")

    def test_pointing(self):
        self.open()
        span = self.web.find_element(By.CSS_SELECTOR, "span[data-i='4']")
        ActionChains(self.web).move_to_element(span).perform()
        self.wait("return document.getElementById('detail').textContent.includes('at byte 4')")
        self.assertRegex(self.detail(), r"l at byte 4: \d+\.\d\d bits, rank \d+")
        self.assertEqual(len(self.web.find_elements(By.CSS_SELECTOR, "#detail li")), 5)
        self.shot("surprise-pointed")

    def test_keys(self):
        self.open("-m", STORIES)
        box = self.web.find_element(By.ID, "text")
        self.web.execute_script("document.getElementById('place').focus()")
        ActionChains(self.web).send_keys(Keys.TAB).perform()
        self.assertEqual(self.web.switch_to.active_element, box)
        for key, place in ((Keys.ARROW_RIGHT, "at byte 0:"), (Keys.END, f"at byte {len(SAMPLE) - 1}:"),
                           (Keys.HOME, "at byte 0:")):
            ActionChains(self.web).send_keys(key).perform()
            self.assertIn(place, self.detail())
        ActionChains(self.web).send_keys(Keys.ARROW_RIGHT).perform()
        self.assertNotIn("at byte 0:", self.detail())
        self.assertIsNotNone(self.web.find_element(By.CSS_SELECTOR, "span.here"))

    def test_the_strip_and_the_tables_jump(self):
        self.open("-1", content=SAMPLE * 300)
        n = len(SAMPLE) * 300
        self.web.execute_script(
            "const p = document.getElementById('place'); p.value = arguments[0];"
            "p.dispatchEvent(new Event('input'))", n // 2)
        self.assertIn(f"at byte {n // 2}:", self.detail())
        self.wait("const r = document.querySelector('span.here').getBoundingClientRect();"
                  "return r.top >= 0 && r.bottom <= innerHeight")
        link = self.web.find_element(By.CSS_SELECTOR, "a[data-byte]")
        byte = link.get_attribute("data-byte")
        self.web.execute_script("arguments[0].click()", link)
        self.assertIn(f"at byte {byte}:", self.detail())
        self.assertEqual(self.web.switch_to.active_element.get_attribute("id"), "text")

    def test_colours_by_choice(self):
        self.open("-m", STORIES, "--against", "built-in")
        classes = {}
        for mode in ("bits", "other", "difference"):
            self.web.find_element(By.CSS_SELECTOR, f"input[value={mode}]").click()
            classes[mode] = self.web.execute_script(
                "return [...document.querySelectorAll('span[data-i]')].map(e => e.className).join()")
        self.assertEqual(len(set(classes.values())), 3)
        self.check("surprise-difference")

    def test_all_of_the_text_is_there(self):
        content = SAMPLE * 40
        self.open("-1", content=content)
        self.web.execute_script(
            "for (const c of document.querySelectorAll('.chunk')) c.scrollIntoView()")
        self.wait("return [...document.querySelectorAll('.chunk')].every(c => { c.scrollIntoView();"
                  " return c.childNodes.length > 0 })")
        text = self.web.execute_script(
            "for (const s of document.querySelectorAll('.sign')) s.remove();"
            "return document.getElementById('text').textContent")
        self.assertEqual(text.encode(), content)

    def test_hostile_text_is_text(self):
        hostile = ("</script><script>document.title='bad'</script><img src=x onerror=\"document."
                   "title='bad'\">\u202e\x1b[31m&lt;b&gt; ").encode() + b"\xff\xfe\n"
        self.open(content=hostile * 3)
        self.web.find_element(By.CSS_SELECTOR, "span[data-i='20']").click()
        self.assertNotEqual(self.web.title, "bad")
        self.assertEqual(self.web.find_elements(By.CSS_SELECTOR, "#text img, #text b"), [])
        text = self.web.find_element(By.ID, "text").text
        self.assertIn("\\u202e\\x1b[31m&lt;b&gt; \\xff\\xfe", text)
        self.check("surprise-hostile")


if __name__ == "__main__":
    harness.main()
