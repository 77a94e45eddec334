// The map: fetches its arrays, draws when something changed, and tells Python what a person did.
const REST_MS = 160;
const MOVE_MS = 800;
const ANIMATED_POINTS = 400_000;
const maps = new WeakMap();

function embeddingMap({ data, parentElement, setStateValue, setTriggerValue }) {
  let map = maps.get(parentElement);
  if (!map) {
    map = createMap(parentElement);
    maps.set(parentElement, map);
  }
  map.open = (position) => setTriggerValue("clicked", position);
  map.tell = (name, value) => setStateValue(name, value);
  if (map.json !== data.json) {
    map.json = data.json;
    update(map, JSON.parse(data.json)).catch((error) => fail(map, error));
  }
  const call = (map.calls = (map.calls ?? 0) + 1);
  return () => {
    if (map.calls !== call) return; // drawn again since: the clearing up of the call before comes late
    destroy(map);
    maps.delete(parentElement);
  };
}

function createMap(parent) {
  const frame = element("div", "map");
  const stage = element("div", "stage");
  const tip = element("div", "tip");
  const picture = document.createElement("canvas");
  picture.width = picture.height = 96;
  tip.append(picture, element("div", "facts"));
  tip.hidden = true;
  const map = {
    frame, stage, tip,
    toolbar: element("div", "toolbar"),
    legend: element("div", "legend"),
    canvas: document.createElement("canvas"),
    overlay: document.createElement("canvas"),
    names: element("div", "names"),
    summary: element("p", "summary"),
    camera: createCamera(),
    tiles: createTiles(),
    loaded: new Map(),
    pointers: new Map(),
    hidden: new Set(),
    hovered: -1,
    tool: "lasso",
    mode: "auto",
    mix: 1,
    ratio: 1,
  };
  map.visible = (i) => !map.hidden.has(map.values[i]);
  map.position = (i) => (map.positions ? map.positions[i] : i);
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-describedby", "summary");
  map.summary.id = "summary";
  map.legend.setAttribute("role", "group");
  map.toolbar.setAttribute("role", "toolbar");
  map.toolbar.setAttribute("aria-label", "Map");
  stage.append(map.canvas, map.overlay, map.names, tip);
  frame.append(map.toolbar, stage, map.legend, map.summary);
  parent.append(frame);
  map.points = createPoints(map.canvas);
  if (!map.points) return map;
  drawToolbar(map);
  listen(map);
  map.observer = new ResizeObserver(() => fit(map));
  map.observer.observe(stage);
  // The ground's colour is a transition of a moment: its end tells that the theme has changed.
  frame.addEventListener("transitionend", (event) => event.target === frame && themed(map));
  map.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  map.canvas.addEventListener("webglcontextrestored", () => restore(map));
  return map;
}

function destroy(map) {
  cancelAnimationFrame(map.frameRequest);
  clearTimeout(map.rest);
  map.observer?.disconnect();
  map.points?.gl.getExtension("WEBGL_lose_context")?.loseContext();
  map.frame.remove();
}

async function update(map, spec) {
  const before = map.spec;
  map.stage.style.height = `min(${spec.height}px, 105vw)`;
  map.stage.setAttribute("aria-label", spec.title);
  map.summary.textContent = spec.summary;
  if (!map.points) return unsupported(map);
  const turn = (map.turn = (map.turn ?? 0) + 1);
  const [xy, positions, values, marks, contours] = await Promise.all([
    fetched(map, spec.points, Float32Array),
    spec.positions ? fetched(map, spec.positions, Uint32Array) : null,
    fetched(map, spec.attributes[spec.colour].url, Uint16Array),
    spec.marks ? fetched(map, spec.marks, Uint8Array) : null,
    spec.contours ? fetched(map, spec.contours, Float32Array) : null,
  ]);
  if (turn !== map.turn) return; // something newer was asked for meanwhile
  map.spec = spec;
  map.values = values;
  upload(map.points, "values", values);
  if (before?.points !== spec.points) newPoints(map, xy, positions);
  const wasHidden = map.hidden.size > 0;
  if (before?.colour !== spec.colour) map.hidden = new Set();
  map.given = marks;
  map.contours = contours;
  if (before && before.clear !== spec.clear) map.selection = null;
  themed(map);
  setMarks(map);
  if (wasHidden && map.selection && before.colour !== spec.colour) tellSelection(map);
  map.frame.dataset.shown = spec.points;
  keepUsed(map, spec);
  if (before?.points !== spec.points) performance.mark("tidyset-map-shown");
  for (const name of spec.tip) fetchLater(map, spec.attributes[name]);
}

// Arrays are known by their content's address, so one that is here is never fetched again.
async function fetched(map, url, Kind) {
  if (!map.loaded.has(url)) {
    const answer = await fetch(new URL(url, document.baseURI));
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    map.loaded.set(url, new Kind(await answer.arrayBuffer()));
  }
  return map.loaded.get(url);
}

function fetchLater(map, attribute) {
  if (attribute) setTimeout(() => fetched(map, attribute.url, Uint16Array).catch(() => {}), 50);
}

function keepUsed(map, spec) {
  const used = new Set([spec.points, spec.positions, spec.marks, spec.contours]);
  for (const attribute of Object.values(spec.attributes)) used.add(attribute.url);
  for (const url of map.loaded.keys()) if (!used.has(url)) map.loaded.delete(url);
}

// New coordinates of the same points (UMAP after principal components) move there; other points appear.
function newPoints(map, xy, positions) {
  const { points } = map;
  const same = map.grid && map.grid.n === xy.length / 2 && sameArray(map.positions, positions);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const moves = same && !calm && points.n <= ANIMATED_POINTS;
  if (moves) upload(points, "from", map.grid.xy);
  upload(points, "to", xy);
  points.n = xy.length / 2;
  points.step = 1;
  map.positions = positions;
  map.grid = createGrid(xy);
  map.selection = null;
  map.hovered = -1;
  if (!same) upload(points, "marks", new Uint8Array(points.n));
  fit(map);
  showAll(map.camera, map.grid.box);
  if (moves) animate(map);
}

function sameArray(one, other) {
  return one === other || (one && other && one.length === other.length && one.every((value, k) => value === other[k]));
}

function animate(map) {
  const began = performance.now();
  const step = (now) => {
    const share = Math.min(1, Math.max(0, (now - began) / MOVE_MS));
    map.mix = share < 0.5 ? 2 * share * share : 1 - 2 * (1 - share) ** 2;
    redraw(map);
    if (share < 1) requestAnimationFrame(step);
    else delete map.points.buffers.from;
  };
  map.mix = 0;
  requestAnimationFrame(step);
}

function restore(map) {
  map.points = createPoints(map.canvas);
  map.points.n = map.grid?.n ?? 0;
  if (!map.grid) return;
  upload(map.points, "to", map.grid.xy);
  upload(map.points, "values", map.values);
  themed(map);
  setMarks(map);
}

function fit(map) {
  const { stage, camera, canvas, overlay } = map;
  if (!stage.clientWidth) return;
  map.ratio = Math.min(2, window.devicePixelRatio || 1);
  resize(camera, stage.clientWidth, stage.clientHeight, map.grid?.box);
  for (const one of [canvas, overlay]) {
    one.width = Math.round(camera.width * map.ratio);
    one.height = Math.round(camera.height * map.ratio);
  }
  map.stale = true;
  if (map.spec) draw(map);
  settle(map);
}

function themed(map) {
  const style = getComputedStyle(map.frame);
  map.style = {
    text: style.color,
    ground: style.backgroundColor,
    accent: style.getPropertyValue("--st-primary-color").trim() || style.color,
    font: style.fontFamily,
  };
  map.dark = isDark(map.frame);
  if (!map.spec) return;
  drawLegend(map);
  paint(map);
}

function paint(map) {
  setPalette(map.points, paletteOf(map.spec, map.spec.attributes[map.spec.colour], map.hidden, map.dark));
  settle(map);
}

// An outline selects among the points that the page leaves lit.
function setMarks(map) {
  const { given } = map;
  const lit = given ? (i) => given[i] && map.visible(i) : map.visible;
  map.marks = map.selection ? inside(map.grid, map.selection, lit) : given;
  upload(map.points, "marks", map.marks ?? new Uint8Array(map.points.n));
  settle(map);
}

function select(map, outline) {
  if (!outline && !map.selection) return;
  map.selection = outline;
  setMarks(map);
  tellSelection(map);
}

// Python gets the outline and what is hidden, never a list of points.
function tellSelection(map) {
  const { selection, hidden, spec } = map;
  map.tell("selection", selection && { outline: selection, hidden: [...hidden], colour: spec.colour, points: spec.points });
}

function remark(map) {
  if (!map.selection) return;
  setMarks(map);
  clearTimeout(map.remarked);
  map.remarked = setTimeout(() => tellSelection(map), 300);
}

function pointStyle(map) {
  const { camera, points } = map;
  const log = Math.log10(Math.max(10, points.n));
  const zoomed = camera.k / camera.least;
  const size = Math.max(1.6, Math.min(7, 8.3 - 1.15 * log)) * Math.max(1, zoomed) ** 0.35;
  const alpha = Math.min(0.95, (1.25 - 0.115 * log) * Math.max(1, zoomed) ** 0.15);
  return { size: Math.min(14, size), alpha, mix: map.mix, dim: Boolean(map.marks) };
}

function move(map) {
  map.moving = true;
  redraw(map);
  settle(map);
}

// At rest: all points, and images where there is room for them. Nobody rests between two slow frames.
function settle(map) {
  redraw(map);
  clearTimeout(map.rest);
  map.rest = setTimeout(() => atRest(map), Math.max(REST_MS, 2 * (map.frameMs ?? 0)));
}

function atRest(map) {
  if (map.moving && map.pointers.size) {
    map.rest = setTimeout(() => atRest(map), REST_MS); // a finger or a button holds the map
    return;
  }
  map.moving = false;
  map.frameMs = 0;
  if (!map.grid || !map.spec) return;
  chooseTiles(map);
  redraw(map);
}

function redraw(map) {
  map.stale = true;
  redrawOver(map);
}

// Only what lies over the points: while an outline grows or the mouse hovers, the points stay as they are.
function redrawOver(map) {
  map.frameRequest ||= requestAnimationFrame((now) => {
    map.frameRequest = 0;
    if (map.moving && map.lastFrame) {
      map.frameMs = Math.min(500, now - map.lastFrame);
      adaptStep(map.points, map.frameMs);
    }
    map.lastFrame = map.moving ? now : 0;
    draw(map);
  });
}

function draw(map) {
  if (!map.spec || !map.grid || !map.points) return;
  if (map.stale) drawPoints(map.points, map.camera, map.ratio, pointStyle(map), map.moving ? map.points.step : 1);
  map.stale = false;
  drawOverlay(map);
}

function unsupported(map) {
  const text =
    "This browser has no WebGL 2, which the map needs. A simpler chart of up to 10,000 points stands below.";
  map.stage.replaceChildren(element("p", "message", text));
  map.stage.style.height = "auto";
  map.tell("unsupported", true);
}

function fail(map, error) {
  map.stage.querySelector(".message")?.remove();
  map.stage.append(element("p", "message", `The map could not be fetched (${error.message}). Reload the page.`));
  map.json = null;
}
