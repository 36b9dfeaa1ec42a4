"use strict";
// A text on shades of what it costs. Text is only ever set as text, never as markup.

// Controls, marks that turn the direction of writing, and bytes that are no text, as \xNN.
const HARMFUL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\u061c\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
function visible(text) {
  return text.replace(HARMFUL, c => {
    const code = c.charCodeAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) return "\\x" + (code - 0xdc00).toString(16);
    return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u" + code.toString(16);
  });
}
function make(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

// Draws into `box`, and into `detail` what is pointed at or reached by the arrow keys.
class SurpriseMap {
  static CHUNK = 1024;

  constructor(box, detail) {
    this.box = box;
    this.detail = detail;
    this.n = 0;
    this.watcher = new IntersectionObserver(entries => {
      for (const e of entries) if (e.isIntersecting) this.fill(this.chunks[e.target.dataset.c]);
    }, {rootMargin: "800px"});
    for (const event of ["mouseover", "click"])
      box.addEventListener(event, e => {
        const span = e.target.closest("span[data-i]");
        if (span) this.show(+span.dataset.i, false);
      });
    box.addEventListener("keydown", e => this.key(e));
  }

  // Units are cut into chunks; each is filled when it comes into view.
  draw(data) {
    this.watcher.disconnect();
    this.data = data;
    const n = this.n = data.bits.length;
    this.mode = "bits";
    this.here = -1;
    this.starts = new Float64Array(n + 1);
    for (let i = 0; i < n; i++) this.starts[i + 1] = this.starts[i] + data.sizes[i];
    this.chunks = [];
    this.box.replaceChildren();
    // A chunk is a block of its own, so it ends with a line, unless lines are very long.
    for (let from = 0, to; from < n; from = to) {
      const node = make("div", "chunk");
      node.dataset.c = this.chunks.length;
      to = Math.min(n, from + SurpriseMap.CHUNK);
      for (; !data.hex && to < n && to < from + 4 * SurpriseMap.CHUNK; to++)
        if (data.text[to - 1].endsWith("\n")) break;
      const lines = Math.ceil((this.starts[to] - this.starts[from]) / (data.hex ? 16 : 80));
      node.style.minHeight = lines * 1.45 + "rem";
      this.chunks.push({node, from, to, full: false});
      this.box.append(node);
      this.watcher.observe(node);
    }
  }

  look(i) {
    const data = this.data, size = data.sizes[i];
    if (this.mode === "difference") {
      const d = (data.other[i] - data.bits[i]) / size;
      return Math.abs(d) < 0.5 ? "" : (d > 0 ? "d" : "e") + (Math.abs(d) < 2 ? 1 : 2);
    }
    const perByte = (this.mode === "other" ? data.other : data.bits)[i] / size;
    let s = 0;
    while (s + 1 < data.shades.length && perByte >= data.shades[s + 1]) s++;
    return s ? "s" + s : "";
  }

  piece(i) {
    const span = make("span", this.look(i)), text = this.data.text[i];
    span.dataset.i = i;
    if (this.data.hex) {
      span.textContent = (text.charCodeAt(0) & 255).toString(16).padStart(2, "0");
      return span;
    }
    for (const part of text.split(/(\r?\n)/)) {
      if (part === "\n" || part === "\r\n") {
        if (span.className) span.append(make("span", "sign", "\u21b5"));
        span.append("\n");
      } else if (part) span.append(visible(part));
    }
    return span;
  }

  fill(chunk) {
    if (!chunk || chunk.full) return;
    chunk.full = true;
    chunk.node.style.minHeight = "";
    for (let i = chunk.from; i < chunk.to; i++) {
      if (this.data.hex && i % 16 === 0)
        chunk.node.append((i ? "\n" : "") + i.toString(16).padStart(8, "0") + "  ");
      chunk.node.append(this.piece(i));
      if (this.data.hex) chunk.node.append(" ");
    }
  }

  // The last k below n for which at(k) <= value.
  static find(n, at, value) {
    let low = 0, high = n - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if (at(mid) <= value) low = mid; else high = mid - 1;
    }
    return low;
  }

  unitAt(byte) {
    return SurpriseMap.find(this.n, i => this.starts[i], byte);
  }

  // mode: "bits", "other" (the other model's) or "difference".
  colourBy(mode) {
    this.mode = mode;
    for (const span of this.box.querySelectorAll("span[data-i]"))
      span.className = this.look(+span.dataset.i) + (+span.dataset.i === this.here ? " here" : "");
  }

  // One unit: what it cost, and what was expected.
  show(i, scroll) {
    if (i < 0 || i >= this.n) return;
    const data = this.data;
    const chunk = this.chunks[SurpriseMap.find(this.chunks.length, c => this.chunks[c].from, i)];
    this.fill(chunk);
    this.box.querySelector(".here")?.classList.remove("here");
    this.here = i;
    const span = chunk.node.querySelector(`span[data-i="${i}"]`);
    span.classList.add("here");
    if (scroll) span.scrollIntoView({block: "center"});
    const div = make("div"), line = make("p");
    line.style.margin = "0";
    line.append(make("code", "", visible(data.text[i])), ` at byte ${this.starts[i]}: `,
      make("b", "", data.bits[i].toFixed(2) + " bits"));
    if (data.other) line.append(` (${data.models[1].name}: ${data.other[i].toFixed(2)})`);
    if (data.rank[i]) line.append(`, rank ${data.rank[i]}`);
    div.append(line);
    const guesses = data.guesses[i];
    if (guesses && guesses.length) {
      div.append(make("span", "", "The likeliest here:"));
      const list = make("ol");
      for (let k = 0; k < guesses.length; k += 2) {
        const item = make("li");
        item.append(make("code", "", visible(guesses[k])), ` ${guesses[k + 1].toFixed(2)} bits`);
        list.append(item);
      }
      div.append(list);
    }
    this.detail.replaceChildren(div);
  }

  key(e) {
    const row = this.data?.hex ? 16 : 20;
    const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row};
    let to = null;
    if (e.key in steps)
      to = this.here < 0 ? 0 : Math.max(0, Math.min(this.n - 1, this.here + steps[e.key]));
    else if (e.key === "Home") to = 0;
    else if (e.key === "End") to = this.n - 1;
    if (to === null || !this.n || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    this.show(to, true);
  }
}
