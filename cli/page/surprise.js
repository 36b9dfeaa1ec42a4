"use strict";
// Draws the page from the data in it. Text is only ever set as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const box = document.getElementById("text"), detail = document.getElementById("detail");
const CHUNK = 1024, n = data.bits.length;
let mode = "bits", here = -1;

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
function shade(perByte) {
  let s = 0;
  while (s + 1 < data.shades.length && perByte >= data.shades[s + 1]) s++;
  return s;
}
function look(i) {
  const size = data.sizes[i];
  if (mode === "difference") {
    const d = (data.other[i] - data.bits[i]) / size;
    return Math.abs(d) < 0.5 ? "" : (d > 0 ? "d" : "e") + (Math.abs(d) < 2 ? 1 : 2);
  }
  const s = shade((mode === "other" ? data.other : data.bits)[i] / size);
  return s ? "s" + s : "";
}

// ---- The text, a chunk at a time, when it comes into view ----
const chunks = [];
const starts = new Float64Array(n + 1);
for (let i = 0; i < n; i++) starts[i + 1] = starts[i] + data.sizes[i];
function piece(i) {
  const span = make("span", look(i));
  span.dataset.i = i;
  if (data.hex) {
    const code = data.text[i].charCodeAt(0) & 255;
    span.textContent = code.toString(16).padStart(2, "0");
    return span;
  }
  for (const part of data.text[i].split(/(\r?\n)/)) {
    if (part === "\n" || part === "\r\n") {
      if (span.className) span.append(make("span", "sign", "\u21b5"));
      span.append("\n");
    } else if (part) span.append(visible(part));
  }
  return span;
}
function fill(chunk) {
  if (chunk.full) return;
  chunk.full = true;
  chunk.node.style.minHeight = "";
  for (let i = chunk.from; i < chunk.to; i++) {
    if (data.hex && i % 16 === 0)
      chunk.node.append((i ? "\n" : "") + i.toString(16).padStart(8, "0") + "  ");
    chunk.node.append(piece(i));
    if (data.hex) chunk.node.append(" ");
  }
}
const watcher = new IntersectionObserver(entries => {
  for (const e of entries) if (e.isIntersecting) fill(chunks[e.target.dataset.c]);
}, {rootMargin: "800px"});
// A chunk is a block of its own, so it ends with a line, unless lines are very long.
for (let from = 0, to; from < n; from = to) {
  const node = make("div", "chunk");
  node.dataset.c = chunks.length;
  for (to = Math.min(n, from + CHUNK); !data.hex && to < n && to < from + 4 * CHUNK; to++)
    if (data.text[to - 1].endsWith("\n")) break;
  const lines = Math.ceil((starts[to] - starts[from]) / (data.hex ? 16 : 80));
  node.style.minHeight = lines * 1.45 + "rem";
  chunks.push({node, from, to, full: false});
  box.append(node);
  watcher.observe(node);
}
function chunkOf(i) {
  let low = 0, high = chunks.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (chunks[mid].from <= i) low = mid; else high = mid - 1;
  }
  return chunks[low];
}
function recolour() {
  for (const span of box.querySelectorAll("span[data-i]"))
    span.className = look(+span.dataset.i) + (+span.dataset.i === here ? " here" : "");
}

// ---- One token: what it cost, and what was expected ----
function fixed(x) { return x.toFixed(2); }
function show(i, scroll) {
  if (i < 0 || i >= n) return;
  const chunk = chunkOf(i);
  fill(chunk);
  box.querySelector(".here")?.classList.remove("here");
  here = i;
  const span = chunk.node.querySelector(`span[data-i="${i}"]`);
  span.classList.add("here");
  if (scroll) span.scrollIntoView({block: "center"});
  const div = make("div"), line = make("p");
  line.style.margin = "0";
  line.append(make("code", "", visible(data.text[i])), ` at byte ${starts[i]}: `,
    make("b", "", fixed(data.bits[i]) + " bits"));
  if (data.other) line.append(` (${data.models[1].name}: ${fixed(data.other[i])})`);
  if (data.rank[i]) line.append(`, rank ${data.rank[i]}`);
  div.append(line);
  const guesses = data.guesses[i];
  if (guesses && guesses.length) {
    div.append(make("span", "", "The likeliest here:"));
    const list = make("ol");
    for (let k = 0; k < guesses.length; k += 2) {
      const item = make("li");
      item.append(make("code", "", visible(guesses[k])), ` ${fixed(guesses[k + 1])} bits`);
      list.append(item);
    }
    div.append(list);
  }
  detail.replaceChildren(div);
}
function unitAt(byte) {
  let low = 0, high = n - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (starts[mid] <= byte) low = mid; else high = mid - 1;
  }
  return low;
}
box.addEventListener("mouseover", e => {
  const span = e.target.closest("span[data-i]");
  if (span) show(+span.dataset.i, false);
});
box.addEventListener("click", e => {
  const span = e.target.closest("span[data-i]");
  if (span) show(+span.dataset.i, false);
});
box.addEventListener("keydown", e => {
  const steps = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: data.hex ? 16 : 20, ArrowUp: data.hex ? -16 : -20};
  let to = null;
  if (e.key in steps) to = here < 0 ? 0 : Math.max(0, Math.min(n - 1, here + steps[e.key]));
  else if (e.key === "Home") to = 0;
  else if (e.key === "End") to = n - 1;
  if (to === null || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault();
  show(to, true);
});

// ---- The strip ----
const range = document.getElementById("place");
range.addEventListener("input", () => {
  if (n) show(unitAt(+range.value), true);
});
document.querySelector("#strip svg").addEventListener("click", e => {
  const r = e.currentTarget.getBoundingClientRect();
  range.value = Math.floor((e.clientX - r.left) / r.width * data.bytes);
  if (n) show(unitAt(+range.value), true);
});
for (const link of document.querySelectorAll("a[data-byte]"))
  link.addEventListener("click", e => {
    e.preventDefault();
    if (!n) return;
    show(unitAt(+link.dataset.byte), true);
    box.focus({preventScroll: true});
  });
for (const choice of document.querySelectorAll("input[name=mode]"))
  choice.addEventListener("change", () => { mode = choice.value; recolour(); });
