// One-key labelling. Text from the data is only ever set as textContent.
//
// A decision is painted at once, put into an outbox that survives a reload (localStorage), posted, and
// counted as saved only when the server says that it is committed. An edit is named by (session, seq), so
// sending it again is harmless.

const COMMANDS = { " ": "confirm", Enter: "guess", u: "undo", s: "skip", x: "exclude", g: "grid", "?": "help", ".": "company", "+": "zoom" };
const LETTERS = "abdefhijklmnopqtvwyz"; // without those of commands, and c and r, which Streamlit takes
const CLASS_KEYS = [..."1234567890", ...LETTERS];
const STRIP = 9;
const PREFETCH = 10;
const BATCH = 200;
const KEEPALIVE_BYTES = 60_000; // what a browser still sends while the page is being left
const SETTLE_MS = 2_500; // longer than a person takes for one image, so that the page is not run for each
const NEVER = [400]; // answers that stay the same however often an edit is sent
const IDLE_MS = 15_000;
const RECLAIM_MS = 300;
const DECIDING = ["label", "confirm", "guess", "exclude", "skip"];
const COMPANY_MS = 180; // a person who is faster than this does not look at them
const COMPANY_SIDE = 52;
const NARROW = 760;

const views = new WeakMap();
const outboxes = new Map();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) {
    view = createView(parentElement);
    views.set(parentElement, view);
  }
  view.report = (saved) => setStateValue("saved", saved);
  view.open = (offset) => setTriggerValue("offset", offset);
  update(view, data);
  const call = (view.calls = (view.calls ?? 0) + 1);
  return () => {
    if (view.calls !== call) return; // drawn again since: the clearing up of the call before comes late
    clearTimeout(view.settling);
    clearTimeout(view.asking);
    clearInterval(view.watch);
    document.removeEventListener("pointerdown", view.elsewhere, true);
    view.box?.watchers.delete(view.onBox);
    view.root.remove();
    views.delete(parentElement);
  };
}

// ---------------------------------------------------------------- outbox

function openOutbox(data) {
  const name = `${data.store}:${data.dataset}:${data.fingerprint}`;
  let box = outboxes.get(name);
  if (!box) {
    box = {
      prefix: `tidyset-outbox:${name}:`,
      session: randomName(),
      seq: 0,
      pending: [],
      unkept: [],
      orphans: [],
      saved: 0,
      refused: [],
      fault: null,
      busy: false,
      hard: 0, // so many edits are sent one by one, because one of them is at fault
      attempts: 0,
      watchers: new Set(),
      undoStates: new Map(),
    };
    outboxes.set(name, box);
    box.orphans = readOrphans(box);
  }
  box.data = data;
  pump(box);
  return box;
}

function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What earlier visits could not deliver: the page was reloaded, or the server was away. Each edit has a key
// of its own, so that two tabs never overwrite one another's.
function readOrphans(box) {
  const found = new Map();
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (!key.startsWith(box.prefix)) continue;
      const [session, seq] = key.slice(box.prefix.length).split(":");
      const { who, edit } = JSON.parse(localStorage.getItem(key));
      if (!found.has(session)) found.set(session, { session, who, edits: [] });
      found.get(session).edits.push({ ...edit, seq: Number(seq) });
    }
  } catch {
    // Storage is blocked or garbled: edits then live as long as the page.
  }
  for (const { edits } of found.values()) edits.sort((one, other) => one.seq - other.seq);
  return [...found.values()];
}

function keep(box, edits) {
  try {
    for (const edit of edits) {
      const key = `${box.prefix}${box.session}:${edit.seq}`;
      localStorage.setItem(key, JSON.stringify({ who: box.data.who, edit }));
    }
  } catch {
    // As above.
  }
}

function forget(box, session, seqs) {
  try {
    for (const seq of seqs) localStorage.removeItem(`${box.prefix}${session}:${seq}`);
  } catch {
    // As above.
  }
}

function put(box, edit, before) {
  box.seq += 1;
  box.pending.push({ seq: box.seq, ...edit });
  box.unkept.push(box.pending.at(-1));
  box.undoStates.set(box.seq, { item: edit.item, before });
  return box.seq;
}

// Called once after a group of puts.
function send(box) {
  keep(box, box.unkept.splice(0));
  changed(box);
  pump(box);
}

function waiting(box) {
  return box.pending.length + box.orphans.reduce((sum, orphan) => sum + orphan.edits.length, 0);
}

async function pump(box) {
  if (box.busy) return;
  const orphan = box.orphans[0];
  const source = orphan ?? { session: box.session, who: box.data.who, edits: box.pending };
  if (!source.edits.length) return;
  clearTimeout(box.retry);
  box.busy = true;
  const edits = source.edits.slice(0, box.hard ? 1 : BATCH);
  try {
    const answer = await post(box, source, edits).catch((fault) => singledOut(box, edits, fault));
    const done = new Set([...answer.saved.map(([seq]) => seq), ...answer.refused.map(({ seq }) => seq)]);
    const rest = source.edits.filter(({ seq }) => !done.has(seq));
    if (orphan) orphan.edits = rest;
    else box.pending = rest;
    if (orphan && !rest.length) box.orphans.shift();
    forget(box, source.session, done);
    box.saved += answer.saved.length;
    box.refused.push(...(orphan ? answer.refused.map(({ problem }) => ({ problem })) : answer.refused));
    if (!orphan) for (const [seq] of answer.saved) box.undoStates.delete(seq);
    const heard = done.size > 0 || box.hard === edits.length;
    box.fault = heard ? null : { problem: "The server did not answer for these edits.", mend: "Reload the page." };
    box.attempts = 0;
    if (box.hard && done.size) box.hard -= done.size;
  } catch (fault) {
    box.fault = fault;
    box.attempts += 1;
  }
  box.busy = false;
  changed(box);
  if (!box.fault) pump(box);
  else box.retry = setTimeout(() => pump(box), Math.min(8_000, 400 * 2 ** box.attempts));
}

// A batch that can never be accepted must not hold up what comes after it: its edits are sent one by one, and
// the one that is at fault counts as refused.
function singledOut(box, edits, fault) {
  if (!NEVER.includes(fault.status)) throw fault;
  if (edits.length === 1) return { saved: [], refused: [{ seq: edits[0].seq, problem: fault.problem }] };
  box.hard = edits.length;
  return { saved: [], refused: [] };
}

// The server's answer; throws {problem, mend, away} when nothing of it is certain to be saved.
async function post(box, source, edits) {
  const { data } = box;
  const { dataset, fingerprint } = data;
  const body = JSON.stringify({ dataset, fingerprint, session: source.session, who: source.who, edits });
  let response;
  try {
    response = await fetch(new URL(data.post, document.baseURI), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Tidyset-Token": data.token },
      body,
      keepalive: body.length < KEEPALIVE_BYTES,
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw { problem: "The server cannot be reached.", mend: "They are sent as soon as it is back.", away: true };
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer?.saved && answer?.refused) return answer;
  if (answer?.problem) throw { ...answer, status: response.status };
  throw { problem: `The server answered ${response.status}.`, mend: "They are sent again in a moment.", away: true };
}

function changed(box) {
  for (const watcher of box.watchers) watcher();
}

window.addEventListener("online", () => {
  for (const box of outboxes.values()) pump(box);
});

// ---------------------------------------------------------------- view

function createView(parent) {
  const view = {
    items: [],
    states: [],
    current: 0,
    mode: "large",
    selected: new Set(),
    anchor: 0,
    undo: [],
    redo: [],
    decisions: [],
    help: false,
    zoomed: false,
    ended: false,
    company: new Map(),
    companyShown: window.innerWidth > NARROW,
    tiles: null,
    dirty: new Set(),
  };
  view.root = build(view);
  parent.append(view.root);
  view.root.addEventListener("keydown", (event) => onKey(view, event));
  view.root.addEventListener("focusin", () => {
    view.wanted = true;
    view.root.classList.add("focused");
  });
  view.root.addEventListener("focusout", (event) => {
    view.root.classList.remove("focused");
    if (event.relatedTarget && !event.relatedTarget.closest?.("[role=dialog]")) view.wanted = false;
  });
  view.elsewhere = (event) => {
    if (!event.composedPath().includes(view.root)) view.wanted = false;
  };
  document.addEventListener("pointerdown", view.elsewhere, true);
  view.watch = setInterval(() => reclaim(view), RECLAIM_MS);
  view.onBox = () => onOutbox(view);
  return view;
}

function el(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function button(view, className, label, act) {
  const made = el("button", className);
  made.type = "button";
  made.tabIndex = -1;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    act(event);
    focus(view);
  });
  return made;
}

// Streamlit drops the focus when it reconnects to its server; a person who was labelling would type into the
// void. Whoever clicked or tabbed away is left alone.
function reclaim(view) {
  const nobody = !document.activeElement || document.activeElement === document.body;
  if (view.wanted && nobody && document.hasFocus() && !document.querySelector("[role=dialog]")) focus(view);
}

function focus(view) {
  view.root.focus({ preventScroll: true });
}

function command(view, key, text, act) {
  const made = button(view, "command", `${text}, key ${key}`, act);
  made.append(el("kbd", "", key), el("span", "", text));
  return made;
}

function build(view) {
  const root = el("section", "review");
  root.tabIndex = 0;
  root.setAttribute("role", "application");
  root.setAttribute("aria-label", "Label images with the keyboard; press question mark for the keys");
  root.addEventListener("click", () => focus(view));
  const ui = (view.ui = {});

  const bar = el("div", "bar");
  ui.place = el("span", "place");
  ui.progress = el("div", "progress");
  ui.progressFill = el("i");
  ui.progress.append(ui.progressFill);
  ui.pace = el("span", "quiet");
  ui.saved = el("span", "saved");
  ui.gridButton = button(view, "command", "", () => toggleGrid(view));
  ui.gridText = el("span");
  ui.gridButton.append(el("kbd", "", "g"), ui.gridText);
  bar.append(ui.place, ui.progress, ui.pace, ui.saved, ui.gridButton, command(view, "?", "Keys", () => toggleHelp(view)));

  ui.banner = el("div", "banner");
  ui.banner.setAttribute("role", "alert");
  ui.hint = el("div", "hint", "Click here, or press Tab until this frame lights up, to label with the keyboard.");

  const body = el("div", "body");
  const stage = el("div", "stage");
  ui.frame = el("div", "frame");
  ui.image = el("img");
  ui.image.decoding = "async";
  ui.image.addEventListener("load", () => {
    const small = Math.max(ui.image.naturalWidth, ui.image.naturalHeight) <= 128;
    ui.image.classList.toggle("crisp", small);
  });
  ui.image.addEventListener("error", () => ui.frame.classList.add("broken"));
  ui.frame.addEventListener("click", (event) => toggleZoom(view, event));
  ui.frame.addEventListener("pointermove", (event) => aim(view, event));
  ui.stamp = el("div", "stamp");
  ui.end = el("div", "end");
  ui.frame.append(ui.image, ui.stamp, ui.end);
  ui.strip = el("div", "strip");
  ui.name = el("div", "name quiet");
  ui.company = el("div", "company");
  stage.append(ui.frame, ui.name, ui.strip, ui.company);
  ui.grid = el("div", "grid");
  ui.grid.setAttribute("role", "listbox");
  ui.grid.setAttribute("aria-multiselectable", "true");
  ui.grid.setAttribute("aria-label", "Images");

  const side = el("div", "side");
  ui.verdict = el("div", "verdict");
  ui.classes = el("div", "classes");
  const commands = el("div", "commands");
  ui.notBlind = [
    command(view, "Space", "Label is right", () => run(view, "confirm")),
    command(view, "Enter", "Take the guess", () => run(view, "guess")),
  ];
  commands.append(
    ...ui.notBlind,
    command(view, "x", "Leave out", () => run(view, "exclude")),
    command(view, "s", "Skip", () => run(view, "skip")),
    command(view, "u", "Undo", () => run(view, "undo")),
    command(view, ".", "Compare", () => run(view, "company")),
    command(view, "+", "Zoom", () => run(view, "zoom")),
  );
  side.append(ui.verdict, ui.classes, commands);
  body.append(stage, ui.grid, side);

  ui.more = button(view, "more", "", () => view.open(view.data.offset + view.items.length));
  ui.back = button(view, "more", "", () => view.open(Math.max(0, view.data.offset - view.data.page)));
  const paging = el("div", "paging");
  paging.append(ui.back, ui.more);
  ui.help = buildHelp();
  ui.live = el("div", "unseen");
  ui.live.setAttribute("aria-live", "polite");
  root.append(bar, ui.banner, body, paging, ui.hint, ui.help, ui.live);
  return root;
}

function buildHelp() {
  const help = el("div", "help");
  const rows = [
    ["1 … 9, 0, then letters", "give the class with that key"],
    ["Space", "the label is right"],
    ["Enter", "take the model's guess"],
    ["← →  ↑ ↓", "move"],
    ["s", "skip"],
    ["x", "leave the image out of training; again takes it back"],
    ["u, Shift+u", "undo, redo"],
    [".", "show or hide the most alike images and typical ones of the classes in question"],
    ["+ or a click", "zoom into the image, and out"],
    ["g", "one large image, or a grid to label many at once"],
    ["in the grid", "click, Shift+click or Ctrl+A select; a key labels all that are selected; Esc clears"],
    ["?", "show or hide these keys"],
  ];
  const list = el("dl");
  for (const [keys, meaning] of rows) list.append(el("dt", "", keys), el("dd", "", meaning));
  help.append(el("h3", "", "Keys"), list);
  return help;
}

// ---------------------------------------------------------------- data

function update(view, data) {
  const fresh = view.data?.queue !== data.queue || view.data?.offset !== data.offset;
  view.data = data;
  const box = openOutbox(data);
  if (view.box !== box) {
    view.box?.watchers.delete(view.onBox);
    view.box = box;
    box.watchers.add(view.onBox);
    view.reported = box.saved;
  }
  if (!fresh) return paint(view);
  view.items = data.items.map(([position, id, given, label, decided, excluded, top]) => ({ position, id, given, label, decided, excluded, top }));
  view.indexOf = new Map(view.items.map((item, index) => [item.id, index]));
  view.states = view.items.map(({ label, decided, excluded }) => ({ label, decided, excluded }));
  for (const edit of [...box.orphans.flatMap((orphan) => orphan.edits), ...box.pending]) overlay(view, edit);
  view.current = Math.min(data.start, Math.max(0, view.items.length - 1));
  view.ended = false;
  view.selected.clear();
  view.undo = [];
  view.redo = [];
  view.tiles = null;
  view.company = new Map();
  buildClasses(view);
  paint(view);
  if (!document.activeElement || document.activeElement === document.body) focus(view);
}

// What the server did not know yet when it made the list.
function overlay(view, edit) {
  const index = view.indexOf.get(edit.item);
  if (index !== undefined && edit.kind !== "undo") view.states[index] = after(view, index, edit.kind, edit.label);
}

function after(view, index, kind, label) {
  const state = view.states[index];
  if (kind === "exclude" || kind === "include") return { ...state, excluded: kind === "exclude" };
  if (kind === "confirm") return { ...state, label: view.items[index].given, decided: "confirm" };
  return { ...state, label: view.data.classes.indexOf(label), decided: "label" };
}

// ---------------------------------------------------------------- deciding

function decide(view, indices, kind, classIndex = null) {
  const { box, data } = view;
  const group = [];
  for (const index of indices) {
    const item = view.items[index];
    let own = kind === "guess" ? item.top[0]?.[0] : classIndex;
    let wanted = kind === "guess" ? "label" : kind;
    if (data.blind && (kind === "guess" || kind === "confirm")) continue;
    if (wanted === "confirm") {
      own = view.states[index].label; // which may be a corrected one
      wanted = "label";
    }
    if (wanted === "label") {
      if (!(own >= 0)) {
        say(view, kind === "guess" ? "There is no guess to take." : "This image has no label yet: give it one.");
        continue;
      }
      if (own === item.given) wanted = "confirm";
    }
    const edit = { item: item.id, kind: wanted, evidence: evidence(view, item) };
    if (wanted === "label") {
      edit.label = data.classes[own];
      if (data.blind) edit.kind = "look"; // what was seen, without knowing what others said
    }
    const before = view.states[index];
    const seq = put(box, edit, before);
    view.states[index] = after(view, index, wanted, edit.label);
    view.dirty.add(index);
    group.push({ index, seq, before, after: view.states[index] });
  }
  if (!group.length) return false;
  view.undo.push(group);
  view.redo = [];
  view.decisions.push({ at: performance.now(), n: group.length });
  view.decisions = view.decisions.slice(-30);
  send(box);
  return true;
}

function evidence(view, item) {
  const shown = { queue: view.data.kind };
  if (view.data.run) shown.run = view.data.run;
  if (item.top.length) {
    shown.guess = view.data.classes[item.top[0][0]];
    shown.confidence = item.top[0][1];
  }
  return shown;
}

function takeBack(view, from, to) {
  const group = from.pop();
  if (!group) return say(view, from === view.undo ? "Nothing to undo on this page." : "Nothing to redo.");
  const back = group.map(({ index, seq, before, after: now }) => {
    const edit = { item: view.items[index].id, kind: "undo", undoes_seq: seq };
    const undoing = put(view.box, edit, view.states[index]);
    view.states[index] = before;
    view.dirty.add(index);
    return { index, seq: undoing, before: now, after: before };
  });
  to.push(back);
  view.ended = false;
  view.current = back[0].index;
  send(view.box);
  say(view, from === view.undo ? "Undone." : "Redone.");
}

function targets(view) {
  if (view.mode === "grid" && view.selected.size) return [...view.selected].sort((a, b) => a - b);
  return view.items.length ? [view.current] : [];
}

function run(view, name, classIndex = null) {
  const chosen = targets(view);
  if (!chosen.length) return;
  if (view.ended && DECIDING.includes(name)) return; // a key too many must not change the last image again
  const many = chosen.length > 1;
  const done = {
    label: () => decide(view, chosen, "label", classIndex),
    confirm: () => decide(view, chosen, "confirm"),
    guess: () => decide(view, chosen, "guess"),
    exclude: () => decide(view, chosen, view.states[chosen[0]].excluded ? "include" : "exclude"),
    skip: () => true,
    undo: () => takeBack(view, view.undo, view.redo),
    redo: () => takeBack(view, view.redo, view.undo),
    grid: () => toggleGrid(view),
    company: () => (view.companyShown = !view.companyShown),
    zoom: () => toggleZoom(view),
    help: () => toggleHelp(view),
  }[name]();
  if (DECIDING.includes(name) && done) {
    if (many) view.selected.clear();
    else next(view);
    if (name !== "skip") say(view, `${describe(view, chosen[0])}${many ? `, ${chosen.length} images` : ""}`);
  }
  paint(view);
}

function describe(view, index) {
  const { label, excluded } = view.states[index];
  return excluded ? "Left out" : (view.data.classes[label] ?? "No label");
}

// After a decision. At the end the next part is fetched by itself, where there is one.
function next(view) {
  const { data, items } = view;
  if (view.mode === "large" && view.current === items.length - 1) {
    view.ended = true;
    const offset = data.offset + items.length;
    if (offset < data.total) view.open(offset);
  } else advance(view, 1);
}

function advance(view, step) {
  view.ended = false;
  view.current = Math.max(0, Math.min(view.current + step, view.items.length - 1));
}

function say(view, text) {
  view.ui.live.textContent = text;
}

// ---------------------------------------------------------------- keys

function onKey(view, event) {
  const { key } = event;
  const ctrl = event.ctrlKey || event.metaKey;
  if (view.mode === "grid" && ctrl && key.toLowerCase() === "a") view.items.forEach((_, index) => view.selected.add(index));
  else if (ctrl || event.altKey) return;
  else if (key === "Escape" && (view.help || view.selected.size)) {
    view.help = false;
    view.selected.clear();
  } else if (moves(view)[key] !== undefined) move(view, moves(view)[key], event.shiftKey);
  else if (COMMANDS[key.toLowerCase()] ?? COMMANDS[key]) {
    if (event.repeat && key !== "s") return event.preventDefault();
    const name = COMMANDS[key] ?? COMMANDS[key.toLowerCase()];
    run(view, name === "undo" && event.shiftKey ? "redo" : name);
  } else {
    const digit = event.shiftKey ? "" : /^Digit(\d)$/.exec(event.code)?.[1]; // whatever the layout has there
    const index = CLASS_KEYS.indexOf(digit || key.toLowerCase());
    if (index < 0 || index >= view.data.classes.length) return;
    if (!event.repeat) run(view, "label", index);
  }
  event.preventDefault();
  event.stopPropagation();
  paint(view);
}

function moves(view) {
  const columns = view.mode === "grid" ? getComputedStyle(view.ui.grid).gridTemplateColumns.split(" ").length : 1;
  const n = view.items.length;
  return { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -n, End: n };
}

function move(view, step, extend) {
  const before = view.current;
  advance(view, step);
  view.dirty.add(before).add(view.current);
  if (view.mode === "grid" && extend) selectRange(view, before, view.current);
  if (view.mode === "grid") view.tiles?.[view.current]?.scrollIntoView({ block: "nearest" });
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

function toggleGrid(view) {
  view.mode = view.mode === "grid" ? "large" : "grid";
  view.selected.clear();
  paint(view);
  if (view.mode === "grid") requestAnimationFrame(() => view.tiles?.[view.current]?.scrollIntoView({ block: "nearest" }));
}

function toggleHelp(view) {
  view.help = !view.help;
  paint(view);
}

// ---------------------------------------------------------------- saving

function onOutbox(view) {
  const { box } = view;
  for (const { seq, problem } of box.refused.splice(0)) {
    const undo = box.undoStates.get(seq);
    const index = undo && view.indexOf.get(undo.item);
    if (index !== undefined) {
      view.states[index] = undo.before;
      view.dirty.add(index);
    }
    box.undoStates.delete(seq);
    view.refusal = problem;
  }
  clearTimeout(view.settling);
  if (!waiting(box) && box.saved !== view.reported) {
    view.settling = setTimeout(() => {
      view.reported = box.saved;
      view.report(box.saved);
    }, SETTLE_MS);
  }
  paint(view);
}

// ---------------------------------------------------------------- painting

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
  for (const made of ui.notBlind) made.hidden = data.blind;
  view.root.style.setProperty("--page-items", items.length);
  ui.place.textContent = items.length ? `${data.offset + view.current + 1} of ${data.total.toLocaleString("en")}` : "0 of 0";
  const decided = view.states.filter(({ decided, excluded }) => decided || excluded).length;
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
  } else if (view.refusal) text = `An edit was not accepted: ${view.refusal}`;
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
  ui.image.alt = `${view.data.classes[state.label] ?? "No label"}, ${item.id}`;
  ui.name.textContent = item.id;
  const stamp = state.excluded ? "left out" : state.decided === "confirm" ? "confirmed" : !state.decided ? "" : view.data.blind ? "noted" : "relabelled";
  ui.stamp.textContent = stamp;
  ui.frame.dataset.stamp = stamp;
  const first = Math.max(0, Math.min(view.current - (STRIP >> 1), items.length - STRIP));
  const cells = [];
  for (let index = first; index < Math.min(first + STRIP, items.length); index++) cells.push(stripCell(view, index));
  ui.strip.replaceChildren(...cells);
}

function stripCell(view, index) {
  const cell = button(view, "cell", `Go to image ${view.data.offset + index + 1}`, () => {
    view.current = index;
    view.ended = false;
    paint(view);
  });
  cell.append(thumbnail(view, index, 44));
  const { decided, excluded } = view.states[index];
  if (decided || excluded) cell.append(el("i", `dot ${excluded ? "out" : decided}`));
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

// ---------------------------------------------------------------- company: what to hold the image against

function paintCompany(view, item, state) {
  const { ui, data } = view;
  ui.company.hidden = !view.companyShown;
  if (!view.companyShown) return;
  const known = view.company.get(item.position);
  const guess = item.top[0]?.[0];
  const signature = JSON.stringify([item.position, state.label, guess, Boolean(known)]);
  if (view.companySignature !== signature) {
    view.companySignature = signature;
    const rows = known ? companyRows(view, known, [...new Set([state.label, guess, item.given])]) : [];
    ui.company.replaceChildren(...rows);
  }
  if (known || view.askedFor === item.position) return;
  view.askedFor = item.position;
  clearTimeout(view.asking);
  view.asking = setTimeout(() => ask(view, item.position, data), COMPANY_MS);
}

async function ask(view, position, data) {
  const query = data.run ? `?run=${encodeURIComponent(data.run)}` : "";
  try {
    const response = await fetch(new URL(`${data.company}${position}.json${query}`, document.baseURI));
    if (!response.ok) throw new Error(String(response.status));
    view.company.set(position, await response.json());
  } catch {
    view.company.set(position, { near: [], typical: {} }); // a help, not a need: labelling goes on without
  }
  paint(view);
}

function companyRows(view, known, classes) {
  const { data } = view;
  const rows = [];
  if (known.near.length) {
    rows.push(companyRow(view, "Most alike in training", known.near.map(([position, label]) => [position, data.classes[label] ?? ""])));
  }
  for (const index of classes) {
    const typical = known.typical[index];
    if (typical?.length) rows.push(companyRow(view, `Typical ${data.classes[index]}`, typical.map((position) => [position, ""])));
  }
  return rows;
}

function companyRow(view, title, members) {
  const row = el("div", "company-row");
  const tiles = el("div", "company-tiles");
  for (const [position, caption] of members) {
    const one = el("figure");
    one.append(thumbnailAt(view, position, COMPANY_SIDE));
    if (caption) {
      const text = el("figcaption", "", caption);
      text.title = caption;
      one.append(text);
    }
    tiles.append(one);
  }
  row.append(el("span", "quiet", title), tiles);
  return row;
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

function buildClasses(view) {
  const { ui, data } = view;
  ui.rows = data.classes.map((name, index) => {
    const key = CLASS_KEYS[index] ?? "";
    const row = button(view, "class", key ? `${name}, key ${key}` : name, () => run(view, "label", index));
    const share = el("span", "share");
    const tag = el("span", "tag");
    const fill = el("i", "fill");
    const title = el("span", "title", name);
    title.title = name;
    row.append(fill, el("kbd", "", key), title, tag, share);
    return { row, share, tag, fill };
  });
  ui.classes.replaceChildren(...ui.rows.map(({ row }) => row));
}

function paintSide(view) {
  const { ui, data } = view;
  const item = view.items[view.current];
  const state = view.states[view.current];
  const many = view.mode === "grid" && view.selected.size > 1;
  const probability = new Map(many ? [] : item.top);
  ui.rows.forEach(({ row, share, tag, fill }, index) => {
    const p = probability.get(index);
    share.textContent = p === undefined ? "" : percent(p);
    fill.style.width = p === undefined ? "0" : `${100 * p}%`;
    const isLabel = !many && index === state.label;
    const changed = isLabel && state.label !== item.given && !data.blind;
    const wasGiven = !many && !isLabel && index === item.given && state.label !== item.given;
    tag.textContent = changed ? "new label" : isLabel ? "label" : wasGiven ? "given" : "";
    row.classList.toggle("is-label", isLabel);
    row.classList.toggle("is-guess", !many && item.top[0]?.[0] === index);
    row.setAttribute("aria-pressed", String(isLabel));
  });
  ui.verdict.replaceChildren(...verdict(view, item, state, many, data));
}

function verdict(view, item, state, many, data) {
  if (many) return [pair("Selected", `${view.selected.size} images`, "a key labels them all")];
  if (data.blind) return [pair("You say", data.classes[state.label] ?? "", state.excluded ? "left out" : "without seeing what others said")];
  const reviewed = { confirm: "confirmed", label: "changed by hand" }[state.decided] ?? "";
  const parts = [pair("Label", data.classes[state.label] ?? "none yet", state.excluded ? "left out" : reviewed)];
  const [guess, confidence] = item.top[0] ?? [];
  if (guess === undefined) parts.push(pair("Model", "no guess", data.run ? "it was not asked" : "train one to see it"));
  else parts.push(pair("Model", data.classes[guess], percent(confidence), guess === state.label ? "" : "differs"));
  return parts;
}

function pair(title, value, note, className = "") {
  const made = el("div", `pair ${className}`);
  made.append(el("span", "quiet", title), el("strong", "", value), el("span", "quiet", note));
  return made;
}

function percent(share) {
  return share > 0.9995 ? "99.9+ %" : `${(100 * share).toFixed(1)} %`;
}

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
    const { label, decided, excluded } = view.states[index];
    const made = view.tiles[index];
    if (!made) continue;
    made.querySelector(".caption").textContent = describe(view, index);
    made.dataset.state = excluded ? "out" : decided;
    const guess = items[index].top[0]?.[0];
    made.querySelector(".guess").textContent = guess === undefined || guess === label ? "" : `→ ${view.data.classes[guess]}`;
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
