// A confusion matrix as a table of buttons. Names are only ever set as textContent.
const matrices = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let matrix = matrices.get(parentElement);
  if (!matrix) {
    matrix = create(parentElement);
    matrices.set(parentElement, matrix);
  }
  matrix.report = (cell) => setStateValue("cell", cell);
  const { chosen, ...rest } = data;
  const drawn = JSON.stringify(rest);
  if (matrix.drawn !== drawn) {
    matrix.drawn = drawn;
    draw(matrix, data);
  }
  choose(matrix, chosen);
  const call = (matrix.calls = (matrix.calls ?? 0) + 1);
  return () => {
    if (matrix.calls !== call) return; // drawn again since: the clearing up of the call before comes late
    matrix.sizes.disconnect();
    matrix.frame.remove();
    matrices.delete(parentElement);
  };
}

function create(parent) {
  const frame = element("div", "frame");
  parent.append(frame);
  const hint = element("div", "hint", "More columns to the right: swipe, or scroll sideways →");
  const matrix = { frame, hint, buttons: [], at: [0, 0], data: null };
  matrix.sizes = new ResizeObserver(() => {
    frame.classList.toggle("cut", frame.scrollWidth > frame.clientWidth + 1);
  });
  matrix.sizes.observe(frame);
  frame.addEventListener("click", (event) => onClick(matrix, event));
  frame.addEventListener("keydown", (event) => onKey(matrix, event));
  frame.addEventListener("pointerover", (event) => mark(matrix, event.target.closest("button")));
  frame.addEventListener("focusin", (event) => mark(matrix, event.target.closest("button")));
  frame.addEventListener("pointerleave", () => mark(matrix, null));
  return matrix;
}

function draw(matrix, data) {
  matrix.data = data;
  const table = element("table", "matrix");
  table.style.setProperty("--columns", data.names.length);
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", `Confusion matrix: rows are ${data.words.rows}, columns are ${data.words.columns}`);
  const head = element("tr");
  const corner = element("td", "corner");
  corner.append(element("span", "down", `${data.words.down} ↓`), element("span", "across", `${data.words.across} →`));
  head.append(corner);
  data.names.forEach((name, column) => head.append(heading(name, "column", column)));
  if (data.margins) head.append(element("th", "side", "recall"));
  table.append(head);
  const errors = data.counts.flatMap((row, given) => row.filter((_, predicted) => predicted !== given));
  const shares = data.counts.flatMap((row, given) =>
    row.filter((_, predicted) => predicted !== given).map((count) => count / Math.max(1, data.support[given])),
  );
  const most = { count: Math.max(1, ...errors), share: Math.max(1e-9, ...shares) };
  matrix.buttons = data.names.map((_, given) => {
    const row = element("tr");
    row.append(heading(data.names[given], "row", given));
    const buttons = data.names.map((_, predicted) => {
      const cell = element("td");
      const button = made(data, given, predicted, most);
      cell.append(button);
      row.append(cell);
      return button;
    });
    if (data.margins) row.append(element("td", "side", percent(data.counts[given][given], data.support[given])));
    table.append(row);
    return buttons;
  });
  if (data.margins) table.append(precisions(data));
  matrix.frame.classList.toggle("dense", data.names.length > 14);
  matrix.frame.replaceChildren(matrix.hint, table);
  matrix.frame.classList.toggle("cut", matrix.frame.scrollWidth > matrix.frame.clientWidth + 1);
  matrix.at = [Math.min(matrix.at[0], data.names.length - 1), Math.min(matrix.at[1], data.names.length - 1)];
  matrix.buttons[matrix.at[0]]?.[matrix.at[1]]?.setAttribute("tabindex", "0");
}

function precisions(data) {
  const foot = element("tr");
  foot.append(element("th", "row side", "precision"));
  data.names.forEach((_, k) => foot.append(element("td", "side", percent(data.counts[k][k], data.predicted[k]))));
  foot.append(element("td"));
  return foot;
}

function made(data, given, predicted, most) {
  const count = data.counts[given][predicted];
  const share = count / Math.max(1, data.support[given]);
  const right = given === predicted;
  const button = element("button", right ? "right" : "wrong", text(data, count, share));
  button.type = "button";
  button.tabIndex = -1;
  button.dataset.given = given;
  button.dataset.predicted = predicted;
  const strength = right ? share : Math.sqrt(data.normalised ? share / most.share : count / most.count);
  button.style.setProperty("--strength", `${Math.round(strength * 100)}%`);
  button.classList.toggle("strong", !right && strength > 0.62);
  button.classList.toggle("empty", count === 0);
  button.title = `${cellWords(data, given, predicted)}: ${count.toLocaleString("en")}`;
  if (data.margins) button.title += ` of ${data.support[given].toLocaleString("en")} (${percent(count, data.support[given])})`;
  button.setAttribute("aria-label", button.title);
  return button;
}

function cellWords(data, given, predicted) {
  if (!data.margins) return `${data.names[given]} ${data.words.down}, ${data.names[predicted]} ${data.words.across}`;
  if (given === predicted) return `${data.names[given]} recognised`;
  return `${data.names[given]} taken for ${data.names[predicted]}`;
}

function text(data, count, share) {
  if (count === 0) return "";
  if (!data.normalised) return count.toLocaleString("en");
  return share < 0.095 ? (100 * share).toFixed(1) : (100 * share).toFixed(0);
}

function percent(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(0)} %` : "–";
}

function heading(name, kind, index) {
  const head = element("th", kind);
  head.scope = kind === "row" ? "row" : "col";
  head.dataset[kind] = index;
  head.title = name;
  head.append(element("span", "", name));
  return head;
}

function element(name, className = "", content = "") {
  const one = document.createElement(name);
  one.className = className;
  one.textContent = content;
  return one;
}

function choose(matrix, cell) {
  matrix.frame.querySelector("[aria-pressed=true]")?.setAttribute("aria-pressed", "false");
  if (!cell) return;
  const [given, predicted] = cell.map((number) => matrix.data.numbers.indexOf(number));
  matrix.buttons[given]?.[predicted]?.setAttribute("aria-pressed", "true");
}

// The names of the row and column that the pointer or the focus is in stand out.
function mark(matrix, button) {
  for (const head of matrix.frame.querySelectorAll("th.on")) head.classList.remove("on");
  if (!button) return;
  const { given, predicted } = button.dataset;
  matrix.frame.querySelector(`th[data-row="${given}"]`)?.classList.add("on");
  matrix.frame.querySelector(`th[data-column="${predicted}"]`)?.classList.add("on");
}

function moveTo(matrix, given, predicted) {
  const last = matrix.data.names.length - 1;
  const [row, column] = matrix.at;
  matrix.buttons[row][column].tabIndex = -1;
  matrix.at = [Math.max(0, Math.min(given, last)), Math.max(0, Math.min(predicted, last))];
  const button = matrix.buttons[matrix.at[0]][matrix.at[1]];
  button.tabIndex = 0;
  button.focus();
}

function onClick(matrix, event) {
  const button = event.target.closest("button");
  if (!button) return;
  const given = Number(button.dataset.given);
  const predicted = Number(button.dataset.predicted);
  moveTo(matrix, given, predicted);
  const { counts, numbers } = matrix.data;
  if (!counts[given][predicted]) return;
  const cell = [numbers[given], numbers[predicted]];
  choose(matrix, cell); // at once; the rest of the page follows
  matrix.report(cell);
}

function onKey(matrix, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const [given, predicted] = matrix.at;
  const last = matrix.data.names.length - 1;
  const to = {
    ArrowUp: [given - 1, predicted],
    ArrowDown: [given + 1, predicted],
    ArrowLeft: [given, predicted - 1],
    ArrowRight: [given, predicted + 1],
    Home: [given, 0],
    End: [given, last],
  }[event.key];
  if (!to) return;
  moveTo(matrix, ...to);
  event.preventDefault();
  event.stopPropagation();
}
