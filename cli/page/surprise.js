// Draws the page from the data in it, with map.js.
const data = JSON.parse(document.getElementById("data").textContent);
const box = document.getElementById("text");
const map = new SurpriseMap(box, document.getElementById("detail"));
map.draw(data);

// ---- The strip ----
const range = document.getElementById("place");
function jump(byte) {
  if (map.n) map.show(map.unitAt(byte), true);
}
range.addEventListener("input", () => jump(+range.value));
document.querySelector("#strip svg").addEventListener("click", e => {
  const r = e.currentTarget.getBoundingClientRect();
  range.value = Math.floor((e.clientX - r.left) / r.width * data.bytes);
  jump(+range.value);
});

// ---- Tables and colours ----
for (const link of document.querySelectorAll("a[data-byte]"))
  link.addEventListener("click", e => {
    e.preventDefault();
    if (!map.n) return;
    jump(+link.dataset.byte);
    box.focus({preventScroll: true});
  });
for (const choice of document.querySelectorAll("input[name=mode]"))
  choice.addEventListener("change", () => map.colourBy(choice.value));
