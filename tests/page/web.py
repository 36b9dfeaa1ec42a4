"""What the tests of pages share: Debian's chromium by its driver, and axe. From PyPI come selenium and
axe (run.sh installs them). Screenshots go to build/page/, for a person to look at.
"""

import base64
import importlib.util
import pathlib
import re
import sys

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from harness import ROOT, Case  # noqa: E402

# axe itself, out of a package whose other parts are not needed.
AXE = pathlib.Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0],
                   "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOTS = ROOT / "build" / "page"
WIDE, PHONE = (1200, 900), (360, 740)


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)


class PageCase(Case):
    """A test in a browser, self.web, which the tests of a class share."""
    own = r"file:|data:|about:|chrome"  # what may be fetched

    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        cls.web = browser()
        cls.web.set_script_timeout(60)
        cls.addClassCleanup(cls.web.quit)

    def go(self, url, size=WIDE, scheme="light"):
        self.look(size, scheme)
        self.web.get_log("browser")
        self.web.get_log("performance")
        self.web.get(url)

    def look(self, size, scheme):
        self.web.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE})
        self.web.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.width = size[0]

    def wait(self, script, *args, seconds=20):
        WebDriverWait(self.web, seconds, 0.05).until(lambda web: web.execute_script(script, *args))

    def shot(self, name):
        picture = self.web.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def check(self, name):
        """No complaint of axe's or of the browser's, nothing fetched from elsewhere, nothing wider
        than the page."""
        self.shot(name)
        self.web.execute_script(AXE)
        results = self.web.execute_async_script(
            "const done = arguments[1]; axe.run(document, {runOnly: arguments[0]})"
            ".then(done, error => done({violations: [String(error)]}))", RULES)
        self.assertEqual([(v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"])
                          for v in results["violations"]], [])
        self.assertGreater(len(results["passes"]), 10)
        self.quiet()
        self.assertTrue(self.web.execute_script(
            "return document.documentElement.scrollWidth <= arguments[0]", self.width), "wider than the page")

    def quiet(self):
        self.assertEqual([e for e in self.web.get_log("browser") if e["level"] == "SEVERE"], [])
        urls = re.findall(r'"url":"((?!%s)[^"]+)"' % self.own,
                          " ".join(e["message"] for e in self.web.get_log("performance")
                                   if "requestWillBeSent" in e["message"]))
        self.assertEqual(urls, [])

    def detail(self):
        return self.web.find_element("id", "detail").text
