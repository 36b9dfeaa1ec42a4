"""serve.py MODEL: the page of aizip serve with sample.txt in it, as serve.png beside this file."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "page"), str(ROOT / "tests" / "cli")]
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from serving import Server  # noqa: E402
from web import browser  # noqa: E402

server = Server("-m", sys.argv[1])
web = browser()
try:
    web.set_window_size(1280, 1130)
    web.get(server.url)
    wait = WebDriverWait(web, 60)
    wait.until(lambda _: web.execute_script("return document.querySelectorAll('#level option').length === 9"))
    web.execute_script("const i = document.getElementById('input'); i.value = arguments[0]; i.rows = 7;"
                       "i.dispatchEvent(new Event('input'))", (HERE / "sample.txt").read_text("utf-8"))
    wait.until(lambda _: web.execute_script("return document.getElementById('sizes').rows.length === 5"))
    web.execute_script("document.querySelector('#text span[data-i=\"30\"]').click(); scrollTo(0, 0)")
    web.save_screenshot(str(HERE / "serve.png"))
finally:
    web.quit()
    server.stop()
