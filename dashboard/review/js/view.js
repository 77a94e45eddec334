// The elements, made once for each place on the page.
const RECLAIM_MS = 300;
const NARROW = 760;

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
    apart: new Set(),
    company: new Map(),
    companyShown: window.innerWidth > NARROW,
    tiles: null,
    dirty: new Set(),
    refusals: new Map(), // by image, why an edit of it was not accepted; until somebody decides on it again
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
  view.pressedAt = -Infinity;
  view.pressed = () => (view.pressedAt = performance.now());
  document.addEventListener("click", view.pressed, true);
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
    if (view.ui.palette.hidden) focus(view);
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
  ui.caption = el("div", "caption-of-image");
  stage.append(ui.frame, ui.caption, ui.name, buildBatch(view), ui.strip, ui.company);
  ui.grid = el("div", "grid");
  ui.grid.setAttribute("role", "listbox");
  ui.grid.setAttribute("aria-multiselectable", "true");
  ui.grid.setAttribute("aria-label", "Images");

  const side = el("div", "side");
  ui.verdict = el("div", "verdict");
  ui.classes = el("div", "classes");
  const commands = el("div", "commands");
  ui.commands = {
    confirm: command(view, "Space", "Label is right", () => run(view, "confirm")),
    guess: command(view, "Enter", "Take the guess", () => run(view, "guess")),
    unsure: command(view, "-", "Not sure", () => run(view, "unsure")),
    exclude: command(view, "x", "Leave out", () => run(view, "exclude")),
    skip: command(view, "s", "Skip", () => run(view, "skip")),
    undo: command(view, "u", "Undo", () => run(view, "undo")),
    search: command(view, "/", "Find or add a class", () => run(view, "search")),
    company: command(view, ".", "Compare", () => run(view, "company")),
    zoom: command(view, "+", "Zoom", () => run(view, "zoom")),
  };
  commands.append(...Object.values(ui.commands));
  side.append(ui.verdict, ui.classes, commands);
  body.append(stage, ui.grid, side);

  ui.more = button(view, "more", "", () => view.open(view.data.offset + view.items.length));
  ui.back = button(view, "more", "", () => view.open(Math.max(0, view.data.offset - view.data.page)));
  const paging = el("div", "paging");
  paging.append(ui.back, ui.more);
  ui.help = el("div", "help");
  ui.live = el("div", "unseen");
  ui.live.setAttribute("aria-live", "polite");
  root.append(bar, ui.banner, body, paging, ui.hint, ui.help, buildPalette(view), ui.live);
  return root;
}

function buildBatch(view) {
  const batch = { box: el("div", "batch"), text: el("span"), tiles: el("div", "strip") };
  batch.apart = button(view, "apart", "Settle near-identical images one by one or all at once, key =", () => run(view, "apart"));
  const line = el("div", "batch-line");
  line.append(batch.text, batch.apart);
  batch.box.append(line, batch.tiles);
  view.ui.batch = batch;
  return batch.box;
}

// Commands and help say what the keys mean for this kind of labels.
function fitWords(view) {
  const { ui, data } = view;
  const { several, blind } = data;
  const asked = several && data.asked !== null;
  const rest = several && blind;
  word(ui.commands.confirm, rest ? "All others are not there" : asked ? "Answer is right" : several ? "All are right" : "Label is right");
  word(ui.commands.guess, several && !asked ? "Fill in the guesses" : "Take the guess");
  word(ui.commands.search, blind ? "Find a class" : "Find or add a class");
  ui.commands.confirm.hidden = blind && !several;
  ui.commands.guess.hidden = blind;
  ui.commands.unsure.hidden = blind || asked;
  ui.commands.search.hidden = asked;
  const list = el("dl");
  for (const [keys, meaning] of helpRows(data)) list.append(el("dt", "", keys), el("dd", "", meaning));
  ui.help.replaceChildren(el("h3", "", "Keys"), list);
}

function word(made, text) {
  const [key, words] = made.children;
  words.textContent = text;
  made.setAttribute("aria-label", `${text}, key ${key.textContent}`);
}
