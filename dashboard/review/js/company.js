// What to hold the image against: the most alike images, and typical ones of the classes in question.
const COMPANY_MS = 180; // a person who is faster than this does not look at them
const COMPANY_SIDE = 52;

function paintCompany(view, item, state) {
  const { ui, data } = view;
  ui.company.hidden = !view.companyShown;
  if (!view.companyShown) return;
  const known = view.company.get(item.position);
  const classes = inQuestion(view, item, state);
  const signature = JSON.stringify([item.position, classes, Boolean(known)]);
  if (view.companySignature !== signature) {
    view.companySignature = signature;
    const rows = known ? companyRows(view, known, classes) : [];
    ui.company.replaceChildren(...rows);
  }
  if (known || view.askedFor === item.position) return;
  view.askedFor = item.position;
  clearTimeout(view.asking);
  view.asking = setTimeout(() => ask(view, item.position, data), COMPANY_MS);
}

function inQuestion(view, item, state) {
  const { several, asked } = view.data;
  if (!several) return [...new Set([state.label, item.top[0]?.[0], item.given])];
  if (asked !== null) return [asked];
  const open = [...state.label.keys()].filter((k) => state.label[k] < 0);
  return [...new Set([...disputed(view, item, state.label), ...open])].slice(0, 2);
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
