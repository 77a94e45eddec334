// Many images at once.

function paintGrid(view) {
  const { ui, items } = view;
  if (!view.tiles) {
    view.tiles = items.map((_, index) => tile(view, index));
    ui.grid.replaceChildren(...view.tiles);
    items.forEach((_, index) => view.dirty.add(index));
  }
  view.tiles.forEach((made, index) => {
    made.classList.toggle("here", index === view.current);
    made.setAttribute("aria-selected", String(view.selected.has(index)));
  });
  for (const index of view.dirty) {
    const state = view.states[index];
    const made = view.tiles[index];
    if (!made) continue;
    made.querySelector(".caption").textContent = describe(view, index);
    made.dataset.state = isOut(state) ? "out" : state.decided;
    made.querySelector(".guess").textContent = contrary(view, items[index], state);
  }
  view.dirty.clear();
}

function tile(view, index) {
  const made = el("div", "tile");
  made.setAttribute("role", "option");
  made.setAttribute("aria-label", view.items[index].id);
  made.append(thumbnail(view, index, 84), el("div", "caption"), el("div", "guess"));
  made.addEventListener("click", (event) => onTile(view, event, index));
  made.addEventListener("dblclick", () => {
    view.current = index;
    toggleGrid(view);
  });
  return made;
}

// What the model says otherwise, in short.
function contrary(view, item, { label }) {
  const { classes } = view.data;
  const guess = item.top[0]?.[0];
  if (guess !== undefined) return guess === label ? "" : `→ ${classes[guess]}`;
  const otherwise = disputed(view, item, label).map((k) => (label[k] ? "−" : "+") + classes[k]);
  return otherwise.length ? `→ ${otherwise.join(" ")}` : "";
}

function selectRange(view, from, to) {
  for (let index = Math.min(from, to); index <= Math.max(from, to); index++) view.selected.add(index);
}

function onTile(view, event, index) {
  if (event.shiftKey) selectRange(view, view.anchor, index);
  else if (event.ctrlKey || event.metaKey) {
    if (!view.selected.delete(index)) view.selected.add(index);
  } else if (view.selected.size === 1 && view.selected.has(index)) view.selected.clear();
  else view.selected = new Set([index]);
  if (!event.shiftKey) view.anchor = index;
  view.current = index;
  paint(view);
}
