// A grid of thumbnails cut from sheets. Text from the data is only ever set as textContent.
const galleries = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let gallery = galleries.get(parentElement);
  if (!gallery) {
    gallery = create(parentElement);
    galleries.set(parentElement, gallery);
  }
  gallery.open = (position) => setTriggerValue("clicked", position);
  gallery.report = () => setStateValue("selected", [...gallery.selected]);
  const drawn = JSON.stringify(data);
  if (gallery.drawn !== drawn) {
    gallery.drawn = drawn;
    draw(gallery, data);
  }
  const call = (gallery.calls = (gallery.calls ?? 0) + 1);
  return () => {
    if (gallery.calls !== call) return; // drawn again since: the clearing up of the call before comes late
    clearTimeout(gallery.timer);
    gallery.grid.remove();
    galleries.delete(parentElement);
  };
}

function create(parent) {
  const grid = document.createElement("div");
  grid.className = "grid";
  parent.append(grid);
  const gallery = { grid, items: [], current: 0, anchor: 0, selected: new Set(), data: null };
  grid.addEventListener("keydown", (event) => onKey(gallery, event));
  grid.addEventListener("click", (event) => onClick(gallery, event));
  return gallery;
}

function draw(gallery, data) {
  const { grid } = gallery;
  const hadFocus = grid.contains(grid.getRootNode().activeElement);
  gallery.data = data;
  const before = gallery.selected.size;
  gallery.selected = new Set(data.positions.filter((position) => gallery.selected.has(position)));
  gallery.current = Math.max(0, Math.min(gallery.current, data.positions.length - 1));
  grid.classList.toggle("crisp", data.crisp);
  grid.style.setProperty("--tile", `${data.tile}px`);
  grid.setAttribute("role", data.selectable ? "listbox" : "group");
  grid.setAttribute("aria-label", data.label);
  if (data.selectable) grid.setAttribute("aria-multiselectable", "true");
  else grid.removeAttribute("aria-multiselectable");
  gallery.items = data.positions.map((_, index) => tile(data, index));
  const headings = new Map(data.headings);
  grid.replaceChildren(
    ...gallery.items.flatMap((item, index) =>
      headings.has(index) ? [element("div", "heading", headings.get(index)), item] : [item],
    ),
  );
  gallery.items.forEach((_, index) => mark(gallery, index));
  watchSheets(gallery);
  if (hadFocus) gallery.items[gallery.current]?.focus({ preventScroll: true });
  if (before !== gallery.selected.size) gallery.report();
}

function tile(data, index) {
  const position = data.positions[index];
  const place = position % data.per_sheet;
  const left = (place % data.columns) * data.tile;
  const top = Math.floor(place / data.columns) * data.tile;
  const item = element("div", "item");
  item.dataset.index = index;
  item.dataset.position = position;
  item.setAttribute("role", data.selectable ? "option" : "button");
  const caption = data.captions?.[index] ?? "";
  const badge = data.badges?.[index] ?? "";
  item.setAttribute("aria-label", [caption, badge, data.names[index]].filter(Boolean).join(", "));
  item.title = caption ? `${caption} · ${data.names[index]}` : data.names[index];
  const picture = element("div", "picture");
  picture.style.backgroundImage = `url("${sheet(data, position)}")`;
  picture.style.backgroundPosition = `-${left}px -${top}px`;
  picture.style.backgroundSize = `${data.columns * data.tile}px auto`;
  item.append(picture);
  if (data.captions) item.append(element("div", "caption", caption));
  if (badge) item.append(element("div", "badge", badge));
  if (data.selectable) item.append(element("div", "tick", "✓"));
  return item;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function sheet(data, position) {
  return new URL(`${data.sheets}${Math.floor(position / data.per_sheet)}.webp`, document.baseURI).href;
}

function watchSheets(gallery) {
  const { data } = gallery;
  const addresses = new Set(data.positions.map((position) => sheet(data, position)));
  for (const address of addresses) {
    const probe = new Image();
    probe.onerror = () => {
      data.positions.forEach((position, index) => {
        if (gallery.data === data && sheet(data, position) === address) {
          gallery.items[index].querySelector(".picture").classList.add("missing");
        }
      });
    };
    probe.src = address;
  }
}

// Only one tile is in the tab order; the arrows move it.
function mark(gallery, index) {
  const item = gallery.items[index];
  if (!item) return;
  item.tabIndex = index === gallery.current ? 0 : -1;
  if (gallery.data.selectable) {
    item.setAttribute("aria-selected", String(gallery.selected.has(gallery.data.positions[index])));
  }
}

function moveTo(gallery, index) {
  const before = gallery.current;
  gallery.current = Math.max(0, Math.min(index, gallery.items.length - 1));
  mark(gallery, before);
  mark(gallery, gallery.current);
  gallery.items[gallery.current]?.focus();
}

function select(gallery, from, to, on) {
  for (let index = Math.min(from, to); index <= Math.max(from, to); index++) {
    const position = gallery.data.positions[index];
    if (on) gallery.selected.add(position);
    else gallery.selected.delete(position);
    mark(gallery, index);
  }
  clearTimeout(gallery.timer);
  gallery.timer = setTimeout(gallery.report, 150); // one rerun for a quick series
}

function toggle(gallery, index, extend) {
  const on = extend || !gallery.selected.has(gallery.data.positions[index]);
  select(gallery, extend ? gallery.anchor : index, index, on);
  gallery.anchor = index;
}

function onClick(gallery, event) {
  const item = event.target.closest(".item");
  if (!item) return;
  const index = Number(item.dataset.index);
  moveTo(gallery, index);
  const choosing = event.target.closest(".tick") || event.shiftKey || event.ctrlKey || event.metaKey;
  if (gallery.data.selectable && choosing) toggle(gallery, index, event.shiftKey);
  else gallery.open(gallery.data.positions[index]);
}

function onKey(gallery, event) {
  const { current, items, data } = gallery;
  const columns = getComputedStyle(gallery.grid).gridTemplateColumns.split(" ").length;
  const steps = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    Home: -items.length,
    End: items.length,
  };
  const all = (event.ctrlKey || event.metaKey) && (event.key === "a" || event.code === "KeyA");
  if (data.selectable && all) select(gallery, 0, items.length - 1, true);
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key in steps) {
    moveTo(gallery, current + steps[event.key]);
    if (data.selectable && event.shiftKey) select(gallery, current, gallery.current, true);
  } else if (event.key === "Enter") gallery.open(data.positions[current]);
  else if (event.key === " " && data.selectable) toggle(gallery, current, event.shiftKey);
  else if (event.key === " ") gallery.open(data.positions[current]);
  else if (event.key === "Escape" && gallery.selected.size) select(gallery, 0, items.length - 1, false);
  else return;
  event.preventDefault();
  event.stopPropagation();
}
