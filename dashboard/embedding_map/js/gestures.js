// Mouse, fingers and keys. A drag draws an outline or moves the map; two fingers and the wheel zoom.
const CLICK_PX = 4;
const REACH_PX = 9;
const PAN_PX = 60;

function listen(map) {
  const { stage } = map;
  const on = (name, does, options) => stage.addEventListener(name, (event) => does(map, event), options);
  on("pointerdown", onDown);
  on("pointermove", onMove);
  on("pointerup", onUp);
  on("pointercancel", onCancel);
  on("pointerleave", () => hover(map, -1));
  on("wheel", onWheel, { passive: false });
  on("keydown", onKey);
  on("focusin", () => aim(map, !map.pointers.size));
  on("focusout", () => aim(map, false));
}

// While the map is used by keyboard its edge and its middle are marked.
function aim(map, is) {
  map.aim = is;
  map.stage.classList.toggle("aimed", is);
  redrawOver(map);
}

function place(map, event) {
  const box = map.stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function onDown(map, event) {
  if (event.button > 1 || !map.grid) return;
  const at = place(map, event);
  map.pointers.set(event.pointerId, at);
  map.stage.setPointerCapture(event.pointerId);
  map.stage.focus({ preventScroll: true });
  aim(map, false);
  map.drag = { start: at, moved: false, tool: event.shiftKey || event.button === 1 ? "pan" : map.tool };
  if (map.pointers.size > 1) {
    map.drag.tool = "pinch";
    map.outline = null;
  }
  if (event.button === 1) event.preventDefault();
}

function onMove(map, event) {
  if (!map.grid) return;
  const at = place(map, event);
  const before = map.pointers.get(event.pointerId);
  if (!before) {
    const [x, y] = toMap(map.camera, at);
    hover(map, nearest(map.grid, x, y, REACH_PX / map.camera.k, map.visible), at);
    return;
  }
  const { drag } = map;
  drag.moved ||= Math.hypot(at[0] - drag.start[0], at[1] - drag.start[1]) > CLICK_PX;
  if (drag.tool === "pinch") pinch(map, event.pointerId, at);
  map.pointers.set(event.pointerId, at);
  if (!drag.moved) return;
  hover(map, -1);
  if (drag.tool === "pan") {
    pan(map.camera, at[0] - before[0], at[1] - before[1]);
    move(map);
  } else if (drag.tool === "lasso") (map.outline ??= [drag.start]).push(at);
  else if (drag.tool === "box") map.outline = corners(drag.start, at);
  redrawOver(map);
}

function pinch(map, id, at) {
  const other = [...map.pointers].find(([key]) => key !== id)?.[1];
  if (!other) return;
  const before = map.pointers.get(id);
  const spread = (one) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));
  const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
  zoom(map.camera, spread(at) / spread(before), middle);
  pan(map.camera, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  move(map);
}

function corners([left, top], [right, bottom]) {
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

function onUp(map, event) {
  if (!map.pointers.delete(event.pointerId) || !map.drag) return;
  const { drag, outline } = map;
  if (drag.tool === "pinch") {
    if (!map.pointers.size) map.drag = null;
    return;
  }
  map.drag = map.outline = null;
  if (!drag.moved) return click(map, place(map, event));
  if (outline && outline.length > 2) select(map, outline.map((at) => toMap(map.camera, at)));
  redrawOver(map);
}

function onCancel(map, event) {
  map.pointers.delete(event.pointerId);
  map.drag = map.outline = null;
  redrawOver(map);
}

function click(map, at) {
  const [x, y] = toMap(map.camera, at);
  const i = nearest(map.grid, x, y, REACH_PX / map.camera.k, map.visible);
  hover(map, -1);
  if (i >= 0) map.open(map.position(i));
  else select(map, null);
}

function onWheel(map, event) {
  if (!map.grid) return;
  event.preventDefault();
  hover(map, -1);
  const unit = event.deltaMode === 1 ? 20 : 1;
  zoom(map.camera, Math.exp(-Math.max(-300, Math.min(300, event.deltaY * unit)) * 0.0018), place(map, event));
  move(map);
}

function onKey(map, event) {
  if (event.target !== map.stage || !map.grid) return;
  const { camera } = map;
  const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  if ((event.ctrlKey || event.metaKey) && event.key === "a") {
    select(map, corners([0, 0], [camera.width, camera.height]).map((at) => toMap(camera, at)));
  } else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key in steps) pan(camera, PAN_PX * steps[event.key][0], PAN_PX * steps[event.key][1]);
  else if (event.key === "+" || event.key === "=") zoom(camera, 1.4);
  else if (event.key === "-") zoom(camera, 1 / 1.4);
  else if (event.key === "0" || event.key === "Home") showAll(camera, map.grid.box);
  else if (event.key === "Escape") select(map, null);
  else if (event.key === "Enter") openMiddle(map);
  else return;
  event.preventDefault();
  event.stopPropagation();
  aim(map, true);
  move(map);
}

function openMiddle(map) {
  const i = nearest(map.grid, map.camera.x, map.camera.y, 60 / map.camera.k, map.visible);
  if (i >= 0) map.open(map.position(i));
}
