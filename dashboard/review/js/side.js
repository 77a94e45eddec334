// The classes with their keys, and what label and model say.
const MARKS = ["?", "✗", "✓"]; // at 1 + the answer

function buildClasses(view) {
  const { ui, data } = view;
  const choices = data.several && data.asked !== null ? answerChoices(view) : classChoices(view);
  ui.rows = choices.map(({ name, key, said, act }) => {
    const row = button(view, "class", key ? `${name}, key ${key}` : name, act);
    const made = { row, said, mark: el("span", "mark"), share: el("span", "share"), tag: el("span", "tag"), fill: el("i", "fill") };
    const title = el("span", "title", name);
    title.title = name;
    row.append(made.fill, el("kbd", "", key), made.mark, title, made.tag, made.share);
    return made;
  });
  ui.classes.replaceChildren(...ui.rows.map(({ row }) => row));
  ui.classes.classList.toggle("several", data.several);
}

function classChoices(view) {
  const { classes, several } = view.data;
  return classes.map((name, column) => ({
    name,
    key: CLASS_KEYS[column] ?? "",
    act: () => (several ? run(view, "answer", turned(view, column)) : run(view, "label", column)),
  }));
}

function answerChoices(view) {
  const column = view.data.asked;
  const choice = (name, key, said) => ({ name, key, said, act: () => run(view, "answer", { column, said }) });
  return [choice("Yes", "y", "yes"), choice("No", "n", "no"), choice("Nobody can tell", "?", "unknown")];
}

function paintSide(view) {
  const { ui, data } = view;
  const item = view.items[view.current];
  const state = view.states[view.current];
  const many = view.mode === "grid" && view.selected.size > 1;
  if (!data.several) paintClasses(view, item, state, many);
  else if (data.asked === null) paintAnswers(view, item, state, many);
  else paintAsked(view, item, state, many);
  ui.verdict.replaceChildren(...verdict(view, item, state, many));
}

function paintClasses(view, item, state, many) {
  const { ui, data } = view;
  const probability = new Map(many ? [] : item.top);
  ui.rows.forEach(({ row, share, tag, fill }, index) => {
    showOdds(share, fill, probability.get(index));
    const isLabel = !many && index === state.label;
    const changed = isLabel && state.label !== item.given && !data.blind;
    const wasGiven = !many && !isLabel && index === item.given && state.label !== item.given;
    tag.textContent = changed ? "new label" : isLabel ? "label" : wasGiven ? "given" : "";
    row.classList.toggle("is-label", isLabel);
    row.classList.toggle("is-guess", !many && item.top[0]?.[0] === index);
    row.setAttribute("aria-pressed", String(isLabel));
  });
}

function paintAnswers(view, item, state, many) {
  const differs = new Set(many ? [] : disputed(view, item, state.label));
  view.ui.rows.forEach(({ row, mark, share, tag, fill }, index) => {
    const answer = state.label[index];
    showOdds(share, fill, many ? undefined : item.odds?.[index]);
    mark.textContent = many ? "" : MARKS[answer + 1];
    const changed = answer !== item.given[index] && !view.data.blind;
    const filled = isFilled(item, state, index);
    tag.textContent = many ? "" : filled ? "filled" : changed ? `was ${SAID[item.given[index] + 1]}` : differs.has(index) ? "model differs" : "";
    row.classList.toggle("filled", !many && filled);
    row.dataset.answer = many ? "" : SAID[answer + 1];
    row.classList.toggle("differs", differs.has(index));
    row.setAttribute("aria-pressed", many || answer < 0 ? "mixed" : String(answer === 1));
  });
}

function paintAsked(view, item, state, many) {
  const { asked } = view.data;
  const odds = many ? undefined : item.odds?.[asked];
  const by = { yes: odds, no: odds === undefined ? undefined : 1 - odds };
  view.ui.rows.forEach(({ row, said, share, tag, fill }) => {
    showOdds(share, fill, by[said]);
    const isLabel = !many && said === SAID[state.label[asked] + 1];
    const filled = isLabel && isFilled(item, state, asked);
    tag.textContent = filled ? "filled" : isLabel ? (state.decided ? "your answer" : "label") : "";
    row.classList.toggle("is-label", isLabel);
    row.setAttribute("aria-pressed", String(isLabel));
  });
}

// Whether a model answered this class, and nobody has decided on it since.
function isFilled(item, state, column) {
  return item.filled.includes(column) && !state.decided && state.label[column] === item.label[column];
}

function showOdds(share, fill, odds) {
  share.textContent = odds === undefined ? "" : percent(odds);
  fill.style.width = odds === undefined ? "0" : `${100 * odds}%`;
}

// Classes whose known answer is not the model's.
function disputed(view, item, answers) {
  if (!item.odds) return [];
  const asked = view.data.asked === null ? [...view.data.classes.keys()] : [view.data.asked];
  return asked.filter((k) => answers[k] >= 0 && item.odds[k] >= 0.5 !== (answers[k] === 1));
}

function verdict(view, item, state, many) {
  const { data } = view;
  if (many) return [pair("Selected", `${view.selected.size} images`, "a key labels them all")];
  if (data.several) return verdictOnAnswers(view, item, state);
  const note = noteOn(view, state);
  if (data.blind) return [pair("You say", data.classes[state.label] ?? "", note || "without seeing what others said")];
  const parts = [pair("Label", data.classes[state.label] ?? "none yet", note)];
  const [guess, confidence] = item.top[0] ?? [];
  if (guess === undefined) parts.push(noGuess(data));
  else parts.push(pair("Model", data.classes[guess], percent(confidence), guess === state.label ? "" : "differs"));
  return parts;
}

function verdictOnAnswers(view, item, state) {
  const { data } = view;
  const note = noteOn(view, state);
  const differs = disputed(view, item, state.label).length;
  if (data.asked !== null) {
    const parts = [pair("Is there", `${data.classes[data.asked]}?`, note)];
    const odds = item.odds?.[data.asked];
    parts.push(odds === undefined ? noGuess(data) : pair("Model", odds >= 0.5 ? "yes" : "no", percent(Math.max(odds, 1 - odds)), differs ? "differs" : ""));
    return parts;
  }
  if (view.data.judge && !state.decided) {
    const names = item.filled.map((k) => data.classes[k]).join(", ");
    return [pair("Filled", names, `by ${view.data.judge}`), pair("Right?", "Space", "or the key of a class to change it")];
  }
  const n = [0, 0, 0];
  for (const answer of state.label) n[answer + 1] += 1;
  const counts = `${n[2]} yes, ${n[1]} no${n[0] ? `, ${n[0]} open` : ""}`;
  if (data.blind) return [pair("You say", counts, note || "without seeing what others said")];
  const against = differs ? pair("Model", `differs on ${differs}`, "marked below", "differs") : pair("Model", "agrees", "with all that is known");
  return [pair("Labels", counts, note), item.odds ? against : noGuess(data)];
}

function noGuess(data) {
  return pair("Model", "no guess", data.run ? "it was not asked" : "train one to see it");
}

function noteOn(view, state) {
  if (state.proposed) return `new class: ${state.proposed}`;
  if (state.excluded) return "left out";
  if (view.data.blind) return "";
  return { confirm: "confirmed", label: "changed by hand", unsure: "nobody is sure yet" }[state.decided] ?? "";
}

function pair(title, value, note, className = "") {
  const made = el("div", `pair ${className}`);
  made.append(el("span", "quiet", title), el("strong", "", value), el("span", "quiet", note));
  return made;
}

function percent(share) {
  return share > 0.9995 ? "99.9+ %" : `${(100 * share).toFixed(1)} %`;
}
