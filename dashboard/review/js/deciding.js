// From a command to edits, and back.
const DECIDING = ["label", "answer", "confirm", "guess", "exclude", "unsure", "propose", "skip"];
const SAID = ["unknown", "no", "yes"]; // at 1 + the answer

function run(view, name, value = null) {
  const chosen = targets(view);
  if (!chosen.length) return;
  if (view.ended && DECIDING.includes(name)) return; // a key too many must not change the last image again
  const other = {
    skip: () => true,
    undo: () => takeBack(view, view.undo, view.redo),
    redo: () => takeBack(view, view.redo, view.undo),
    grid: () => toggleGrid(view),
    company: () => (view.companyShown = !view.companyShown),
    zoom: () => toggleZoom(view),
    help: () => toggleHelp(view),
    search: () => openPalette(view),
    apart: () => tellApart(view),
  }[name];
  const kind = name === "exclude" && isOut(view.states[chosen[0]]) ? "include" : name;
  const done = other ? other() : decide(view, chosen, kind, value);
  if (DECIDING.includes(name) && done) {
    const stays = name === "answer" && view.data.asked === null; // more labels may follow on this image
    const selection = view.mode === "grid" && chosen.length > 1;
    if (name !== "skip") say(view, `${describe(view, chosen[0])}${chosen.length > 1 ? `, ${chosen.length} images` : ""}`);
    if (selection && !stays) view.selected.clear();
    else if (!stays) next(view, chosen);
  }
  paint(view);
}

function targets(view) {
  if (view.mode === "grid" && view.selected.size) return [...view.selected].sort((a, b) => a - b);
  if (!view.items.length) return [];
  return view.mode === "large" ? batchOf(view, view.current) : [view.current];
}

function decide(view, indices, kind, value) {
  const group = [];
  for (const index of indices) {
    const edits = view.data.several ? editsOfAnswers(view, index, kind, value) : editsOfLabel(view, index, kind, value);
    for (const edit of edits) group.push(record(view, index, edit, indices.length));
  }
  // Whoever says that a blind look is complete goes on, though all answers may have been sent already.
  if (!group.length) return Boolean(view.data.blind && view.data.several && kind === "confirm");
  view.undo.push(group);
  view.redo = [];
  view.decisions.push({ at: performance.now(), n: indices.length });
  view.decisions = view.decisions.slice(-30);
  send(view.box);
  return true;
}

function record(view, index, edit, n) {
  const item = view.items[index];
  const sent = { item: item.id, ...edit, evidence: evidence(view, item, edit, n) };
  const before = view.states[index];
  view.refusals.delete(item.id);
  const seq = put(view.box, sent, before);
  view.states[index] = { ...after(view, index, sent), by: seq };
  view.dirty.add(index);
  return { index, seq, before, after: view.states[index] };
}

// Edits that name no label; null for any other kind.
function editsOfNoLabel(view, kind, value) {
  if (view.data.blind && ["unsure", "propose", "guess"].includes(kind)) {
    say(view, "Say what you see, or skip with s.");
    return [];
  }
  if (["exclude", "include", "unsure"].includes(kind)) return [{ kind }];
  return kind === "propose" ? [{ kind, label: value }] : null;
}

function editsOfLabel(view, index, kind, value) {
  const { blind, classes } = view.data;
  const { given, top } = view.items[index];
  const plain = editsOfNoLabel(view, kind, value);
  if (plain) return plain;
  if (blind && kind !== "label") return [];
  const own = { guess: top[0]?.[0], confirm: view.states[index].label, label: value }[kind]; // confirmed may be a corrected one
  if (!(own >= 0)) {
    say(view, kind === "guess" ? "There is no guess to take." : "This image has no label yet: give it one.");
    return [];
  }
  if (blind) return [{ kind: "look", label: classes[own] }]; // what was seen, without knowing what others said
  const edit = own === given ? { kind: "confirm" } : { kind: "label", label: classes[own] };
  return [kind === "confirm" ? { ...edit, shown: own } : edit]; // who names a class says so, whatever it is by now
}

function editsOfAnswers(view, index, kind, value) {
  const { blind, classes, asked } = view.data;
  const { odds } = view.items[index];
  const { label } = view.states[index];
  const answer = (k, said) => ({ kind: blind ? "look" : "label", class_name: classes[k], label: said });
  const agreed = (k, said) => ({ ...answer(k, said), shown: label[k] });
  if (kind === "answer") return [answer(value.column, value.said)];
  if (kind === "unsure" && asked !== null) return [answer(asked, "unknown")];
  const plain = editsOfNoLabel(view, kind, value);
  if (plain) return plain;
  const open = asked === null ? [...classes.keys()].filter((k) => label[k] < 0) : [asked];
  if (kind === "guess" && !odds) {
    say(view, "There is no guess to take.");
    return [];
  }
  const confirmed = (shown) => (asked === null && !blind ? [{ kind: "confirm", shown }] : []);
  if (kind === "guess") {
    const filled = label.map((said, k) => (open.includes(k) ? Number(odds[k] >= 0.5) : said));
    return [...open.map((k) => agreed(k, SAID[filled[k] + 1])), ...confirmed(filled)];
  }
  if (blind) return open.map((k) => answer(k, "no"));
  if (asked === null) return confirmed(label);
  if (label[asked] >= 0) return [agreed(asked, SAID[label[asked] + 1])];
  say(view, "There is no answer yet: press y or n.");
  return [];
}

// What a class's key says: yes, and no where it is yes already.
function turned(view, column) {
  const all = targets(view).every((index) => view.states[index].label[column] === 1);
  return { column, said: all ? "no" : "yes" };
}

function evidence(view, item, edit, n) {
  const { data } = view;
  const shown = { queue: data.kind };
  if (data.run) shown.run = data.run;
  if (item.top.length) {
    shown.guess = data.classes[item.top[0][0]];
    shown.confidence = item.top[0][1];
  }
  const odds = item.odds?.[data.classes.indexOf(edit.class_name)];
  if (odds !== undefined) {
    shown.guess = odds >= 0.5 ? "yes" : "no";
    shown.confidence = Math.max(odds, 1 - odds);
  }
  if (view.mode === "large" && n > 1) shown.together = n;
  return shown;
}

function takeBack(view, from, to) {
  const group = from.pop();
  if (!group) return say(view, from === view.undo ? "Nothing to undo on this page." : "Nothing to redo.");
  const back = group.toReversed().map(({ index, seq, before, after: now }) => {
    const edit = { item: view.items[index].id, kind: "undo", undoes_seq: seq };
    const undoing = put(view.box, edit, view.states[index]);
    view.states[index] = { ...before, by: undoing };
    view.dirty.add(index);
    return { index, seq: undoing, before: now, after: view.states[index] };
  });
  to.push(back);
  view.ended = false;
  view.current = Math.min(...group.map(({ index }) => index));
  send(view.box);
  say(view, from === view.undo ? "Undone." : "Redone.");
}

function describe(view, index) {
  const { classes, several, asked } = view.data;
  const state = view.states[index];
  if (state.proposed) return `New class: ${state.proposed}`;
  if (state.excluded) return "Left out";
  if (state.decided === "unsure") return "Not sure";
  if (!several) return classes[state.label] ?? "No label";
  if (asked !== null) return `${classes[asked]}: ${SAID[state.label[asked] + 1]}`;
  const yes = classes.filter((_, k) => state.label[k] === 1);
  return yes.join(", ") || (state.label.includes(-1) ? "No label yet" : "None of them");
}

// After a decision. At the end the next part is fetched by itself, where there is one.
function next(view, chosen) {
  const { data, items } = view;
  const last = view.mode === "large" ? Math.max(...chosen, view.current) : view.current;
  if (view.mode === "large" && last === items.length - 1) {
    view.current = last;
    view.ended = true;
    const offset = data.offset + items.length;
    if (offset < data.total) view.open(offset);
  } else advance(view, last + 1 - view.current);
}

function advance(view, step) {
  view.ended = false;
  view.current = Math.max(0, Math.min(view.current + step, view.items.length - 1));
}

function tellApart(view) {
  const { batch } = view.items[view.current];
  if (!view.apart.delete(batch)) view.apart.add(batch);
}

function say(view, text) {
  view.ui.live.textContent = text;
}
