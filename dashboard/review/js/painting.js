// Everything but the classes and the company is painted here.
const STRIP = 9;
const PREFETCH = 10;
const SETTLE_MS = 2_500; // longer than a person takes for one image, so that the page is not run for each
const BUSY = new Set(["running", "rerunRequested"]); // how Streamlit's frame calls it
const IDLE_MS = 15_000;

function onOutbox(view) {
  const { box } = view;
  // The last one first: before the first of several edits of an image is where it was before them all.
  for (const one of box.refused.splice(0).reverse()) turnBack(view, one);
  clearTimeout(view.settling);
  if (!waiting(box) && box.saved !== view.reported) settle(view);
  paint(view);
}

// An edit that was refused: the image is shown as it was before, or as the server says that it is now.
function turnBack(view, { seq, item, problem, now, isOwn }) {
  const { box } = view;
  view.refusals.set(item, problem);
  const index = view.indexOf.get(item);
  if (index === undefined) return;
  const own = isOwn ? box.undoStates.get(seq) : null;
  const { label, decided, excluded, proposed } = view.items[index];
  const before = own?.before ?? { label, decided, excluded: excluded && !proposed, proposed };
  const restored = now === undefined ? before : { ...before, label: now, decided: "" };
  if (view.states[index].by === (isOwn ? seq : undefined)) view.states[index] = restored;
  view.dirty.add(index);
  if (!isOwn) return;
  // Edits that were made on top of it and may be refused, too, lead back to what is so.
  for (const later of box.undoStates.values()) if (later.item === item && later.before.by === seq) later.before = restored;
  box.undoStates.delete(seq);
  view.undo = without(view.undo, seq);
  view.redo = without(view.redo, seq);
}

// What was never made cannot be taken back.
function without(groups, seq) {
  return groups.map((group) => group.filter((one) => one.seq !== seq)).filter((group) => group.length);
}

// A report runs the page anew, which would end a run that a press has begun, and with it the press: it waits.
function settle(view) {
  view.settling = setTimeout(() => {
    const state = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState;
    if (BUSY.has(state) || performance.now() - view.pressedAt < SETTLE_MS) return settle(view);
    view.reported = view.box.saved;
    view.report(view.box.saved);
  }, SETTLE_MS);
}

// Many changes in one frame are painted once, before the next picture that the screen shows.
function paint(view) {
  if (view.painting) return;
  view.painting = requestAnimationFrame(() => {
    view.painting = 0;
    paintNow(view);
  });
}

function paintNow(view) {
  const { ui, data, items } = view;
  const grid = view.mode === "grid";
  view.root.classList.toggle("in-grid", grid);
  view.root.classList.toggle("helping", view.help);
  view.root.style.setProperty("--page-items", items.length);
  ui.place.textContent = items.length ? `${data.offset + view.current + 1} of ${data.total.toLocaleString("en")}` : "0 of 0";
  const decided = view.states.filter((state) => state.decided || isOut(state)).length;
  ui.progressFill.style.width = `${items.length ? (100 * decided) / items.length : 0}%`;
  ui.progress.title = `${decided} of ${items.length} here are reviewed`;
  ui.gridText.textContent = grid ? "One image" : "Grid";
  paintSaving(view);
  paintPaging(view);
  if (!items.length) return;
  paintSide(view);
  if (grid) paintGrid(view);
  else paintLarge(view);
}

function paintSaving(view) {
  const { ui, box } = view;
  const pending = waiting(box);
  ui.saved.textContent = `saved ${box.saved} · pending ${pending}`;
  ui.saved.classList.toggle("busy", pending > 0);
  const pace = perMinute(view.decisions);
  ui.pace.textContent = pace ? `${pace} a minute` : "";
  const edits = pending === 1 ? "1 edit waits" : `${pending} edits wait`;
  let text = "";
  if (box.fault && pending && (box.attempts > 1 || !box.fault.away)) {
    text = `${box.fault.problem} ${edits} in this browser. ${box.fault.mend ?? ""}`;
  } else if (view.refusals.size) {
    const [first] = view.refusals.values();
    text = view.refusals.size === 1 ? `An edit was not accepted: ${first}` : `Edits of ${view.refusals.size} images were not accepted, the first: ${first}`;
  }
  ui.banner.textContent = text;
  ui.banner.classList.toggle("shown", Boolean(text));
}

function perMinute(decisions) {
  if (decisions.length < 3) return 0;
  let busy = 0;
  let n = 0;
  for (let i = 1; i < decisions.length; i++) {
    busy += Math.min(decisions[i].at - decisions[i - 1].at, IDLE_MS);
    n += decisions[i].n;
  }
  return busy > 0 ? Math.round((60_000 * n) / busy) : 0;
}

function paintPaging(view) {
  const { ui, data, items } = view;
  const left = data.total - data.offset - items.length;
  ui.more.textContent = `Load the next ${Math.min(left, data.page).toLocaleString("en")}`;
  ui.more.hidden = left <= 0;
  ui.back.textContent = `Back to the ${data.page} before`;
  ui.back.hidden = data.offset === 0;
  const atEnd = view.current >= items.length - 5;
  ui.more.classList.toggle("strong", atEnd);
}

function paintLarge(view) {
  const { ui, items } = view;
  const item = items[view.current];
  const state = view.states[view.current];
  const address = picture(view, item.position);
  if (ui.image.dataset.address !== address) {
    ui.image.dataset.address = address;
    ui.frame.classList.remove("broken");
    ui.image.src = address;
    view.zoomed = false;
    prefetch(view);
  }
  ui.frame.classList.toggle("zoomed", view.zoomed);
  const more = view.data.offset + items.length < view.data.total;
  ui.end.textContent = !view.ended ? "" : more ? "Fetching the next ones …" : "That was the last one. ← goes back.";
  paintCompany(view, item, state);
  ui.image.alt = `${describe(view, view.current)}, ${item.id}`;
  ui.name.textContent = item.id;
  ui.caption.textContent = item.caption;
  ui.stamp.textContent = stampOf(view, state);
  ui.frame.dataset.stamp = isOut(state) ? "out" : state.decided;
  paintBatch(view);
  const first = Math.max(0, Math.min(view.current - (STRIP >> 1), items.length - STRIP));
  const cells = [];
  for (let index = first; index < Math.min(first + STRIP, items.length); index++) cells.push(stripCell(view, index));
  ui.strip.replaceChildren(...cells);
}

function stampOf(view, state) {
  if (state.proposed) return `new class: ${state.proposed}`;
  if (state.excluded) return "left out";
  if (view.data.blind) return state.decided ? "noted" : "";
  return { confirm: "confirmed", label: "relabelled", unsure: "not sure" }[state.decided] ?? "";
}

// What one key settles, where that is more than the one image.
function paintBatch(view) {
  const { batch } = view.ui;
  const all = batchRange(view, view.current);
  const apart = view.apart.has(view.items[view.current].batch);
  batch.box.hidden = all.length < 2;
  if (batch.box.hidden) return;
  const n = batchOf(view, view.current).length;
  batch.text.textContent = n > 1 ? `${n} nearly the same: one key settles them all` : `One of ${all.length} nearly the same: the key counts for this one`;
  batch.apart.textContent = apart ? "All at once" : "One by one";
  batch.tiles.replaceChildren(...all.slice(0, STRIP).map((index) => stripCell(view, index)));
}

function stripCell(view, index) {
  const cell = button(view, "cell", `Go to image ${view.data.offset + index + 1}`, () => {
    view.current = index;
    view.ended = false;
    paint(view);
  });
  cell.append(thumbnail(view, index, 44));
  const state = view.states[index];
  if (state.decided || isOut(state)) cell.append(el("i", `dot ${isOut(state) ? "out" : state.decided}`));
  cell.classList.toggle("here", index === view.current);
  return cell;
}

function thumbnail(view, index, side) {
  return thumbnailAt(view, view.items[index].position, side);
}

function thumbnailAt(view, position, side) {
  const { data } = view;
  const place = position % data.per_sheet;
  const made = el("div", data.crisp ? "thumb crisp" : "thumb");
  const sheet = new URL(`${data.sheets}${Math.floor(position / data.per_sheet)}.webp`, document.baseURI).href;
  made.style.width = made.style.height = `${side}px`;
  made.style.backgroundImage = `url("${sheet}")`;
  made.style.backgroundSize = `${data.columns * side}px auto`;
  made.style.backgroundPosition = `-${(place % data.columns) * side}px -${Math.floor(place / data.columns) * side}px`;
  return made;
}

function picture(view, position) {
  return new URL(`${view.data.images}${position}.png`, document.baseURI).href;
}
function toggleZoom(view, event) {
  view.zoomed = !view.zoomed;
  if (event) aim(view, event);
  paint(view);
}

// The point under the pointer stays where it is while the image grows.
function aim(view, event) {
  const box = view.ui.frame.getBoundingClientRect();
  const share = (at, from, size) => `${Math.max(0, Math.min(100, (100 * (at - from)) / size))}%`;
  view.ui.image.style.transformOrigin = `${share(event.clientX, box.left, box.width)} ${share(event.clientY, box.top, box.height)}`;
}

function prefetch(view) {
  view.ahead = view.items.slice(view.current + 1, view.current + 1 + PREFETCH).map(({ position }) => {
    const image = new Image();
    image.src = picture(view, position);
    return image; // kept, so that the browser does not drop it
  });
}
