// Type to find a class among many, or to name one that is missing.
const MOST_FOUND = 8;
const LONGEST_NAME = 100;

function buildPalette(view) {
  const palette = el("div", "palette");
  const input = el("input");
  const list = el("div", "found");
  Object.assign(input, { type: "text", maxLength: LONGEST_NAME, placeholder: "Type a class, or a new one", autocomplete: "off" });
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-label", "Class");
  input.setAttribute("aria-expanded", "true");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Classes found");
  input.addEventListener("input", () => paintPalette(view, 0));
  palette.addEventListener("keydown", (event) => onPaletteKey(view, event));
  palette.addEventListener("click", (event) => event.stopPropagation());
  palette.hidden = true;
  palette.append(input, list);
  Object.assign(view.ui, { palette, input, found: list });
  return palette;
}

function openPalette(view) {
  const { palette, input } = view.ui;
  if (view.data.asked !== null) return say(view, "This list asks about one class: answer with y, n or ?.");
  palette.hidden = false;
  input.value = "";
  paintPalette(view, 0);
  input.focus({ preventScroll: true });
}

function closePalette(view) {
  if (view.ui.palette.hidden) return;
  view.ui.palette.hidden = true;
  focus(view);
}

// Those whose name begins with what was typed come first; the last choice is a class of that name.
function choices(view) {
  const { classes, blind } = view.data;
  const typed = view.ui.input.value.trim().replace(/\s+/g, " ");
  const wanted = typed.toLowerCase();
  const found = [...classes.keys()].filter((k) => classes[k].toLowerCase().includes(wanted));
  const rank = (k) => (classes[k].toLowerCase().startsWith(wanted) ? 0 : 1);
  found.sort((one, other) => rank(one) - rank(other) || one - other);
  const offered = found.slice(0, MOST_FOUND).map((column) => ({ column, text: classes[column] }));
  const known = classes.some((name) => name.toLowerCase() === wanted);
  if (typed && !known && !blind) offered.push({ proposed: typed, text: `New class: ${typed}` });
  return offered;
}

function paintPalette(view, at) {
  const { input, found } = view.ui;
  const offered = choices(view);
  view.picked = Math.max(0, Math.min(at, offered.length - 1));
  const rows = offered.map((choice, index) => {
    const row = el("div", choice.proposed ? "choice proposal" : "choice", choice.text);
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(index === view.picked));
    row.addEventListener("click", () => pick(view, choice));
    return row;
  });
  if (!rows.length) rows.push(el("div", "quiet none", "No class has this in its name."));
  found.replaceChildren(...rows);
  input.setAttribute("aria-description", offered[view.picked]?.text ?? "");
}

function onPaletteKey(view, event) {
  event.stopPropagation(); // what is typed here is no command
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) paintPalette(view, view.picked + step);
  else if (event.key === "Escape") closePalette(view);
  else if (event.key === "Enter") {
    const choice = choices(view)[view.picked];
    if (choice) pick(view, choice);
  } else return;
  event.preventDefault();
}

function pick(view, { column, proposed }) {
  closePalette(view);
  if (proposed) run(view, "propose", proposed);
  else if (view.data.several) run(view, "answer", turned(view, column));
  else run(view, "label", column);
}
