"use strict";
// The page of aizip serve. Work is done by the server's jobs (docs/openapi.json): given in, asked
// for until they have ended, and cancelled when something newer is wanted. Text from files and
// labels is only ever set as text.
const $ = id => document.getElementById(id);
const map = new SurpriseMap($("text"), $("detail"));
const encoder = new TextEncoder();
const MAGIC = [0x9a, 0x41, 0x49, 0x5a];
const QUICK = 300; // milliseconds before progress is shown: what takes less does not flicker
let server = null;   // what /api/state says
let file = null;     // a File, in place of the text
let turn = new AbortController();  // of what is wanted now
let made = null;     // the last archive: {id, content, settings, name, verified}
let restored = null; // the last file out of an archive: {id, name}
const running = new Set(); // ids

// ---- The server ----

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("aizip serve does not answer: it may have ended.");
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}
function sleep(ms) {
  return new Promise(done => setTimeout(done, ms));
}
function forget(id) {
  running.delete(id);
  fetch(`/api/jobs/${id}/cancel`, {method: "POST"}).catch(() => {});
}

// Runs a job to its end and returns what the server says of it. `told` gets each state. Once given
// in, a job that is wanted no longer is cancelled, so its number must be known: that is waited for.
async function run(settings, content, signal, told) {
  const job = await ask("/api/jobs?" + new URLSearchParams(settings),
    {method: "POST", headers: {"Content-Type": "application/octet-stream"}, body: content});
  running.add(job.id);
  for (let wait = 15; ; wait = Math.min(wait * 1.4, 400)) {
    if (!signal.aborted) await sleep(wait);
    const state = signal.aborted ? null : await ask(`/api/jobs/${job.id}`);
    if (signal.aborted) {
      forget(job.id);
      throw new DOMException("", "AbortError");
    }
    if (state.state === "waiting" || state.state === "running") {
      told?.(state);
      continue;
    }
    running.delete(job.id);
    if (state.state === "failed") {
      const at = state.offset === null ? "" : ` (at byte ${state.offset.toLocaleString("en")})`;
      throw new Error(state.error.replace(/\.$/, "") + at + ".");
    }
    if (state.state === "cancelled") throw new DOMException("", "AbortError");
    return state;
  }
}

// ---- What is seen of work ----

function say(sentence) {
  $("problem").textContent = sentence;
}
// For those who listen: when nothing has been typed for a second.
let announcing = 0;
function announce(sentence) {
  clearTimeout(announcing);
  announcing = setTimeout(() => { $("status").textContent = sentence; }, 1000);
}
let workShown = 0;
function beginWork() {
  clearTimeout(workShown);
  workShown = setTimeout(() => { $("work").hidden = false; }, QUICK);
  $("phase").textContent = "waiting";
  $("progress").removeAttribute("value");
}
function endWork() {
  clearTimeout(workShown);
  $("work").hidden = true;
}
function showWork(state) {
  const part = state.of ? ` ${Math.floor(100 * state.done / state.of)} %` : "";
  $("phase").textContent = (state.state === "waiting" ? "waiting" : state.phase) + part;
  if (state.of) {
    $("progress").max = state.of;
    $("progress").value = state.done;
  } else {
    $("progress").removeAttribute("value");
  }
}
// Does `work`, with progress and cancel; what was under way stops. Says what goes wrong.
async function doWork(work) {
  turn.abort();
  const mine = turn = new AbortController();
  say("");
  beginWork();
  try {
    await work(mine.signal);
  } catch (error) {
    if (error.name !== "AbortError" && mine === turn) say(error.message);
  }
  if (mine === turn) endWork();
}

// ---- Compressing ----

function row(cells, className) {
  const tr = make("tr", className);
  for (const [i, cell] of cells.entries()) {
    const td = make("td", typeof cell === "string" ? "text" : "");
    td.append(typeof cell === "number" ? cell.toLocaleString("en") : cell);
    tr.append(td);
  }
  return tr;
}
// A cell that is no text: to the right.
function number(text) {
  return make("span", "", text);
}
function rate(x) {
  return number(x === null ? "\u2013" : x.toFixed(3));
}
// The table of sizes: ours, and where they are known the others'.
function drawSizes(ours, name, others) {
  const rows = [{name: `aizip (${name})`, bytes: ours.archive_bytes,
    bits_per_byte: ours.bits_per_byte, own: true}, ...(others ? others.compressors : [])];
  const most = Math.max(1, ...rows.map(r => r.bytes ?? 0));
  $("sizes").replaceChildren(...rows.map(r => {
    const tr = row([r.name, r.bytes ?? number("\u2013"), rate(r.bits_per_byte)], r.own ? "ours" : "");
    const bar = make("span", "bar");
    bar.style.width = 100 * (r.bytes ?? 0) / most + "%";
    tr.firstChild.append(bar);
    return tr;
  }));
  const left = others && ours.content_bytes > others.max_bytes;
  $("beside").textContent = "Beside other compressors, at their strongest" +
    (left ? `; not tried on more than ${plural(others.max_bytes, "byte")}` : "");
}
function plural(n, what) {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}
function drawFigures(result) {
  const rateText = result.bits_per_byte === null ? "" : `: ${result.bits_per_byte.toFixed(3)} bits a byte`;
  $("figures").replaceChildren(`${plural(result.content_bytes, "byte")} become `,
    make("b", "", plural(result.archive_bytes, "byte")), rateText +
    (result.primer ? `, after the built-in text for ${result.primer}` : "") +
    (result.verified ? ". Decoded again: the same." : "."));
  announce($("figures").textContent);
}
function drawHeat(data) {
  const drawing = data.drawing;
  const legend = [make("li", "", "bits a byte")];
  for (const [i, from] of drawing.shades.entries()) {
    const to = drawing.shades[i + 1];
    legend.push(make("li", "s" + i, to === undefined ? `${from} and more` : `${from} to ${to}`));
  }
  $("legend").replaceChildren(...legend);
  const ns = "http://www.w3.org/2000/svg", strip = $("strip");
  strip.setAttribute("viewBox", `0 0 ${data.strip.length || 1} 1`);
  strip.replaceChildren(...data.strip.map((bits, x) => {
    const rect = document.createElementNS(ns, "rect");
    let shade = 0;
    while (shade + 1 < drawing.shades.length && bits >= drawing.shades[shade + 1]) shade++;
    for (const [key, value] of [["x", x], ["width", 1.05], ["height", 1], ["class", "s" + shade]])
      rect.setAttribute(key, value);
    return rect;
  }));
  $("cut").textContent = drawing.bytes < data.content_bytes
    ? `The first ${plural(drawing.bytes, "byte")} are drawn; the strip is of all.` : "";
  map.draw(drawing);
  $("heat").hidden = false;
}
function hideResults() {
  for (const id of ["results", "heat", "restored", "labelled"]) $(id).hidden = true;
}
async function compress(content, name, signal) {
  const model = $("model").value;
  const settings = {kind: "compress", level: $("level").value, primer: $("primer").value,
    map: 1, verify: model ? 0 : 1};
  if (model) settings.model = model;
  const title = model || `built-in -${settings.level}`;
  const compared = run({kind: "compare"}, content, signal);
  compared.catch(() => {}); // it is waited for below
  const labelled = classify(content, signal);
  labelled.catch(() => {});
  const state = await run(settings, content, signal, showWork);
  const heat = await ask(`/api/jobs/${state.id}/map`, {signal});
  if (made) forget(made.id);
  made = {id: state.id, content, settings, name: name + ".aiz", verified: state.result.verified};
  drawFigures(state.result);
  drawSizes(state.result, title, null);
  drawHeat(heat);
  $("results").hidden = false;
  $("restored").hidden = true;
  endWork();
  await labelled;
  const others = await compared;
  drawSizes(state.result, title, others.result);
  forget(others.id);
}

// ---- Classifying ----

async function classify(content, signal) {
  const classifier = $("classifier").value;
  if (!classifier || content.size > server.limits.classified_bytes) {
    $("labelled").hidden = true;
    return;
  }
  const state = await run({kind: "classify", classifier}, content, signal);
  forget(state.id);
  drawLabel(state.result);
}
function drawLabel(result) {
  $("label").replaceChildren("This is ", make("b", "", visible(result.label ?? "nothing known")), ".");
  const sorted = [...result.probabilities].sort((a, b) => b.probability - a.probability);
  $("probabilities").replaceChildren(...sorted.slice(0, 20).map(p =>
    row([visible(p.label), number(p.probability.toFixed(3))])));
  const decided = result.decided, near = result.neighbours;
  $("decided").hidden = !decided;
  $("near").hidden = !near;
  if (decided) {
    const a = visible(decided.for), b = visible(decided.against);
    $("decided-title").textContent = `Words for ${a}, against ${b}`;
    $("decided-caption").textContent =
      `What each word says for ${a} (below zero: for ${b}); ${decided.constant_bits.toFixed(2)} before any word`;
    const inOrder = [...decided.words].sort((x, y) => x.byte - y.byte);
    const most = Math.max(0.01, ...inOrder.map(w => Math.abs(w.bits)));
    $("marked").replaceChildren(...inOrder.slice(0, 2000).flatMap(w =>
      [make("span", w.bits > most / 5 ? "for" : w.bits < -most / 5 ? "against" : "", visible(w.word)), " "]));
    const dearest = [...decided.words].sort((x, y) => Math.abs(y.bits) - Math.abs(x.bits));
    $("words").replaceChildren(...dearest.slice(0, 15).map(w =>
      row([number((w.bits > 0 ? "+" : "") + w.bits.toFixed(2)), visible(w.word)])));
  }
  if (near)
    $("neighbours").replaceChildren(...near.map(x =>
      row([number(x.distance.toFixed(3)), visible(x.label), visible(x.text)])));
  $("labelled").hidden = false;
}

// ---- Archives ----

async function decompress(content, name, signal) {
  const state = await run({kind: "decompress"}, content, signal, showWork);
  hideResults();
  if (restored) forget(restored.id);
  restored = {id: state.id, name: name.replace(/\.aiz$/i, "") || "file"};
  if (restored.name === name) restored.name += ".out";
  const r = state.result;
  $("found").textContent = `${plural(r.archive_bytes, "byte")} hold ${plural(r.content_bytes, "byte")}` +
    (r.level === null ? "" : `, compressed with ${visible(r.model)}, level ${r.level}`) +
    ". Every check has passed.";
  announce($("found").textContent);
  $("restored").hidden = false;
}

// ---- Saving ----

function download(id, name) {
  const link = make("a");
  link.href = `/api/jobs/${id}/output`;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
// The server forgets what nobody has asked for.
async function isKept(id) {
  return ask(`/api/jobs/${id}`).then(() => true, () => false);
}
// What was made by a model while somebody typed is decoded again before it is given out.
$("save").addEventListener("click", async () => {
  const it = made;
  if (it.verified && await isKept(it.id)) {
    download(it.id, it.name);
    return;
  }
  doWork(async signal => {
    const state = await run({...it.settings, map: 0, verify: 1}, it.content, signal, showWork);
    forget(it.id);
    Object.assign(it, {id: state.id, verified: true});
    drawFigures(state.result);
    download(it.id, it.name);
  });
});
$("save-file").addEventListener("click", async () => {
  if (await isKept(restored.id)) download(restored.id, restored.name);
  else say("The server has forgotten the file: drop the archive again.");
});

// ---- What is wanted ----

async function isArchive(blob) {
  const begin = new Uint8Array(await blob.slice(0, 4).arrayBuffer());
  return begin.length === 4 && MAGIC.every((byte, i) => byte === begin[i]);
}
function begin() {
  if (!server) return;
  const content = file || new Blob([encoder.encode($("input").value)]);
  if (content.size === 0 && !file) {
    turn.abort();
    endWork();
    say("");
    hideResults();
    return;
  }
  if (content.size > server.limits.bytes) {
    turn.abort();
    endWork();
    say(`${plural(content.size, "byte")} are more than the ${server.limits.bytes.toLocaleString("en")} ` +
      "that this server takes (--max-size).");
    return;
  }
  const name = file ? file.name : "text.txt";
  return doWork(async signal => {
    if (file && (await isArchive(file) || /\.aiz$/i.test(name))) await decompress(content, name, signal);
    else await compress(content, name, signal);
  });
}
// While somebody types, the built-in predictor shows what it has, then takes the newest; a model,
// which is slow, waits for a pause and drops what is old.
let typing = 0, busy = false, newer = false;
async function follow() {
  newer = busy;
  if (busy) return;
  busy = true;
  await begin();
  busy = false;
  if (newer) follow();
}
$("input").addEventListener("input", () => {
  file = null;
  $("named").hidden = true;
  $("file").value = "";
  clearTimeout(typing);
  typing = $("model").value ? setTimeout(begin, 350) : setTimeout(follow, 60);
});
function take(chosen) {
  file = chosen;
  $("name").textContent = visible(chosen.name) + ", " + plural(chosen.size, "byte");
  $("named").hidden = false;
  begin();
}
$("file").addEventListener("change", e => { if (e.target.files[0]) take(e.target.files[0]); });
$("drop-it").addEventListener("click", () => {
  file = null;
  $("file").value = "";
  $("named").hidden = true;
  $("input").focus();
  begin();
});
for (const id of ["model", "level", "primer", "classifier"]) $(id).addEventListener("change", begin);
$("cancel").addEventListener("click", () => {
  turn.abort();
  endWork();
  say("Cancelled.");
});

// ---- Dropping ----

addEventListener("dragover", e => {
  e.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", e => {
  if (!e.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", e => {
  e.preventDefault();
  document.body.classList.remove("dropping");
  const dropped = e.dataTransfer.files[0], text = e.dataTransfer.getData("text/plain");
  if (dropped) take(dropped);
  else if (text) {
    $("input").value = text;
    $("input").dispatchEvent(new Event("input"));
  }
});
addEventListener("pagehide", () => {
  for (const id of running) navigator.sendBeacon(`/api/jobs/${id}/cancel`);
});

// ---- At first ----

function fill(select, values, chosen) {
  for (const [value, text] of values) select.append(new Option(text, value, false, value === chosen));
}
async function start() {
  try {
    server = await ask("/api/state");
  } catch (error) {
    say(error.message);
    return;
  }
  fill($("model"), server.models.map(name => [name, visible(name)]), server.model);
  fill($("level"), [...Array(9).keys()].map(i => [String(i + 1), String(i + 1)]), String(server.level));
  fill($("primer"), server.primers.map(p => [p.name, p.what]), "auto");
  fill($("classifier"), server.classifiers.map(name => [name, visible(name)]), server.classifiers[0]);
  $("no-classifier").hidden = server.classifiers.length > 0;
  $("classifiers").hidden = server.classifiers.length === 0;
  begin(); // what the browser has kept of the text
}
start();
