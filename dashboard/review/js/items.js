// What the browser has of the queue, and what became of each item.
//
// A label is the index of a class, or -1; where an image has several labels (data.several), one answer for
// each class: 1, 0, or -1 for unknown. data.asked is the one class that is asked about, or null.

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
  view.items = data.items.map((row) => itemOf(data, row));
  view.indexOf = new Map(view.items.map((item, index) => [item.id, index]));
  view.states = view.items.map(({ label, decided, excluded, proposed }) => ({ label, decided, excluded: excluded && !proposed, proposed }));
  for (const edit of box.orphans.flatMap((orphan) => orphan.edits)) overlay(view, edit);
  for (const edit of box.pending) overlay(view, edit, edit.seq);
  view.current = Math.min(data.start, Math.max(0, view.items.length - 1));
  view.ended = false;
  view.selected.clear();
  view.apart = new Set();
  view.undo = [];
  view.redo = [];
  view.refusals.clear();
  view.tiles = null;
  view.company = new Map();
  closePalette(view);
  fitWords(view);
  buildClasses(view);
  paint(view);
  if (!document.activeElement || document.activeElement === document.body) focus(view);
}

function itemOf(data, [position, id, given, label, decided, excluded, top, proposed, batch, caption, filled]) {
  const item = { position, id, given, label, decided, excluded, proposed, batch, caption, filled, top, odds: null };
  if (data.several) {
    item.top = [];
    item.odds = top.length ? top.map(([, probability]) => probability) : null; // of a yes, by class
  }
  return item;
}

// What the server did not know yet when it made the list.
function overlay(view, edit, by) {
  const index = view.indexOf.get(edit.item);
  if (index !== undefined && edit.kind !== "undo") view.states[index] = { ...after(view, index, edit), by };
}

function after(view, index, edit) {
  const state = view.states[index];
  const { kind, label } = edit;
  if (kind === "exclude") return { ...state, excluded: true };
  if (kind === "include") return { ...state, excluded: false, proposed: "", decided: state.decided === "propose" ? "" : state.decided };
  if (kind === "unsure") return { ...state, decided: "unsure", proposed: "" };
  if (kind === "propose") return { ...state, decided: "propose", proposed: label };
  const { given } = view.items[index];
  if (kind === "confirm") return { ...state, label: view.data.several ? state.label : given, decided: "confirm", proposed: "" };
  const column = view.data.classes.indexOf(view.data.several ? edit.class_name : label);
  if (!view.data.several) return { ...state, label: column, decided: "label", proposed: "" };
  const answers = state.label.with(column, SAID.indexOf(label) - 1);
  const same = view.data.asked !== null && answers[column] === given[column] && !view.data.blind;
  return { ...state, label: answers, decided: same ? "confirm" : "label", proposed: "" };
}

function isOut(state) {
  return state.excluded || Boolean(state.proposed);
}

// The items that one key settles: near-identical ones stand side by side. One that is decided on stays as it
// is, unless it is the one that is shown.
function batchOf(view, index) {
  const { batch } = view.items[index];
  if (view.apart.has(batch)) return [index];
  return batchRange(view, index).filter((one) => one === index || !(view.states[one].decided || isOut(view.states[one])));
}

function batchRange(view, index) {
  const { items } = view;
  const { batch } = items[index];
  let first = index;
  let last = index;
  while (items[first - 1]?.batch === batch) first -= 1;
  while (items[last + 1]?.batch === batch) last += 1;
  return Array.from({ length: last - first + 1 }, (_, k) => first + k);
}
