"""What surprise --html writes: by mouse, by keyboard, dark and light, on a phone's width, and under
axe."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from web import PHONE, ROOT, WIDE, PageCase

STORIES = ROOT / "tests" / "models" / "stories260k.gguf"
SAMPLE = (ROOT / "docs" / "pictures" / "sample.txt").read_bytes()


class Surprise(PageCase):
    def open(self, *args, content=SAMPLE, size=WIDE, scheme="light"):
        self.file("sample.txt", content)
        self.succeeds("surprise", "-q", "--html", "page.html", *args, "sample.txt")
        self.go((self.dir / "page.html").as_uri(), size, scheme)
        self.wait("return document.querySelectorAll('span[data-i]').length > 0")

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
