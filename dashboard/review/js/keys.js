// What each key does.
const COMMANDS = {
  " ": "confirm",
  Enter: "guess",
  u: "undo",
  s: "skip",
  x: "exclude",
  g: "grid",
  "?": "help",
  ".": "company",
  "+": "zoom",
  "-": "unsure",
  "/": "search",
  "=": "apart",
};
const LETTERS = "abdefhijklmnopqtvwyz"; // without those of commands, and c and r, which Streamlit takes
const CLASS_KEYS = [..."1234567890", ...LETTERS];
const ANSWER_KEYS = { y: "yes", n: "no", "?": "unknown", "-": "unknown" }; // where one class is asked about

// A letter of another alphabet counts as the Latin one of the same place on the keyboard.
function latin(event) {
  const place = /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
  return place && event.key.length === 1 && !/[!-~]/.test(event.key) ? place : event.key;
}

function onKey(view, event) {
  const key = latin(event);
  const ctrl = event.ctrlKey || event.metaKey;
  if (view.mode === "grid" && ctrl && key.toLowerCase() === "a") view.items.forEach((_, index) => view.selected.add(index));
  else if (ctrl || event.altKey) return;
  else if (key === "Escape" && (view.help || view.selected.size)) {
    view.help = false;
    view.selected.clear();
  } else if (moves(view)[key] !== undefined) move(view, moves(view)[key], event.shiftKey);
  else if (!obey(view, event)) return;
  event.preventDefault();
  event.stopPropagation();
  paint(view);
}

// Returns whether the key means anything.
function obey(view, event) {
  const { shiftKey, repeat } = event;
  const key = latin(event);
  const { several, asked, classes } = view.data;
  const lower = key.toLowerCase();
  if (several && asked !== null && (ANSWER_KEYS[lower] || lower === "h")) {
    if (repeat) return true;
    if (lower === "h") run(view, "help");
    else run(view, "answer", { column: asked, said: ANSWER_KEYS[lower] });
    return true;
  }
  const name = COMMANDS[key] ?? COMMANDS[lower];
  if (name) {
    if (!repeat || name === "skip") run(view, name === "undo" && shiftKey ? "redo" : name);
    return true;
  }
  const column = classOf(event, several);
  if (column < 0 || column >= classes.length || (several && asked !== null)) return false;
  if (repeat) return true;
  if (!several) run(view, "label", column);
  else run(view, "answer", shiftKey ? { column, said: "unknown" } : turned(view, column));
  return true;
}

// The number keys count whatever the layout has there; with Shift only where that means something.
function classOf(event, several) {
  const digit = event.shiftKey && !several ? "" : /^Digit(\d)$/.exec(event.code)?.[1];
  return CLASS_KEYS.indexOf(digit || latin(event).toLowerCase());
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

function helpRows({ several, asked, blind }) {
  const rows = [];
  if (asked !== null && several) rows.push(["y, n, ?", "it is there, it is not, nobody can tell"]);
  else if (several) rows.push(["1 … 9, 0, then letters", "the class with that key: yes, or no where it was yes"], ["Shift + that key", "unknown"]);
  else rows.push(["1 … 9, 0, then letters", "give the class with that key"]);
  if (blind) rows.push(...(several ? [["Space", "all others are not there; next image"]] : []));
  else if (asked !== null && several) rows.push(["Space", "the answer is right"], ["Enter", "take the model's answer"]);
  else if (several) rows.push(["Space", "all labels are right; next image"], ["Enter", "fill the unknown as the model says; next image"]);
  else rows.push(["Space", "the label is right"], ["Enter", "take the model's guess"]);
  if (asked === null || !several) rows.push(["/", blind ? "type to find a class" : "type to find a class, or to propose one that is missing"]);
  if (!blind && asked === null) rows.push(["-", "not sure: for somebody else to look at"]);
  rows.push(
    ["← →  ↑ ↓", "move"],
    ["s", "skip"],
    ["x", "leave the image out of training; again takes it back"],
    ["u, Shift+u", "undo, redo"],
    ["=", "settle near-identical images one by one, or together again"],
    [".", "show or hide the most alike images and typical ones of the classes in question"],
    ["+ or a click", "zoom into the image, and out"],
    ["g", "one large image, or a grid to label many at once"],
    ["in the grid", "click, Shift+click or Ctrl+A select; a key labels all that are selected; Esc clears"],
    [several && asked !== null ? "h" : "?", "show or hide these keys"],
  );
  return rows;
}
