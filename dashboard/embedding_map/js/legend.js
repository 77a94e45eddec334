// What the colours mean. A class is a button: a click hides or shows it, a double click or Alt shows only it.
const MAX_ENTRIES = 60;

function drawLegend(map) {
  const { spec, legend } = map;
  const attribute = spec.attributes[spec.colour];
  legend.replaceChildren();
  legend.setAttribute("aria-label", `Colours: ${attribute.title}`);
  if (attribute.kind === "score") return drawScale(map, attribute);
  const counts = countValues(map.values, attribute.names.length);
  const present = [...attribute.names.keys()].filter((k) => counts[k]);
  const shown = present.length <= MAX_ENTRIES ? present : largest(present, counts, MAX_ENTRIES);
  for (const k of shown) legend.append(entry(map, k, attribute.names[k], counts[k]));
  if (counts[NONE]) legend.append(entry(map, NONE, attribute.none ?? "unknown", counts[NONE]));
  if (shown.length < present.length) {
    legend.append(element("span", "more", `and ${present.length - shown.length} smaller ones`));
  }
  if (map.hidden.size) {
    const all = element("button", "all", "Show all");
    all.addEventListener("click", () => setHidden(map, new Set()));
    legend.append(all);
  }
}

function largest(numbers, counts, n) {
  return [...numbers].sort((a, b) => counts[b] - counts[a]).slice(0, n).sort((a, b) => a - b);
}

function countValues(values) {
  const counts = new Uint32Array(65536);
  for (let i = 0; i < values.length; i++) counts[values[i]]++;
  return counts;
}

function entry(map, k, name, count) {
  const made = element("button", "entry");
  const attribute = map.spec.attributes[map.spec.colour];
  const dot = element("span", "dot");
  dot.style.background = css(colourOf(map.spec, attribute, k, map.dark));
  made.append(dot, element("span", "", name));
  made.title = `${name}: ${count.toLocaleString("en")}. Click: hide or show. Double or Alt-click: only this.`;
  made.setAttribute("aria-pressed", String(!map.hidden.has(k)));
  made.dataset.value = k;
  made.addEventListener("click", (event) => {
    const again = map.clicked?.k === k && event.timeStamp - map.clicked.at < 400;
    map.clicked = { k, at: event.timeStamp };
    if (event.altKey || again) only(map, k);
    else toggle(map, k);
  });
  return made;
}

function toggle(map, k) {
  const hidden = new Set(map.hidden);
  if (!hidden.delete(k)) hidden.add(k);
  setHidden(map, hidden);
}

function only(map, k) {
  const counts = countValues(map.values);
  setHidden(map, new Set([...counts.keys()].filter((value) => counts[value] && value !== k)));
}

function setHidden(map, hidden) {
  const focused = map.legend.getRootNode().activeElement?.dataset?.value;
  map.hidden = hidden;
  paint(map);
  drawLegend(map);
  if (focused !== undefined) map.legend.querySelector(`[data-value="${focused}"]`)?.focus();
  remark(map);
}

function drawScale(map, attribute) {
  const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => css(scoreColour(share, map.dark)));
  const bar = element("span", "scale");
  bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  map.legend.append(
    element("span", "", attribute.title),
    element("span", "end", attribute.low),
    bar,
    element("span", "end", attribute.high),
  );
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
