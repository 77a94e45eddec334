// The buttons over the map: how a drag is taken, zoom, images or dots, and files to keep.
const ICONS = {
  lasso: "M7 15c-2.5-1-4-2.9-4-5 0-3.3 3.6-6 8-6s8 2.700 8 6-3.600 6-8 6c-1 0-2-.1-2.900-.4M7 15a2 2 0 1 0 .5 3.900C8 20.500 7 21 6 21",
  box: "M4 4h3M10 4h4M17 4h3v3M20 10v4M20 17v3h-3M14 20h-4M7 20H4v-3M4 14v-4M4 7V4",
  pan: "M12 3v18M3 12h18M12 3l-2.500 2.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  in: "M12 5v14M5 12h14",
  out: "M5 12h14",
  whole: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  images: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
};

function drawToolbar(map) {
  const { toolbar } = map;
  const group = (...parts) => {
    const made = element("span", "group");
    made.append(...parts);
    return made;
  };
  const tools = [
    ["lasso", "Lasso: draw around points to select them"],
    ["box", "Box: drag a rectangle to select points"],
    ["pan", "Move: drag the map (also with Shift)"],
  ].map(([name, title]) => iconButton(name, title, () => setTool(map, name)));
  const images = iconButton("images", "Images: show them instead of dots at any zoom", () => {
    map.mode = map.mode === "images" ? "auto" : "images";
    images.setAttribute("aria-pressed", String(map.mode === "images"));
    settle(map);
  });
  images.setAttribute("aria-pressed", "false");
  const step = (factor) => () => {
    zoom(map.camera, factor);
    move(map);
  };
  const whole = () => {
    if (map.grid) showAll(map.camera, map.grid.box);
    move(map);
  };
  const save = (title, does) => {
    const made = element("button", "save", title);
    made.title = `Save what is shown as ${title}`;
    made.addEventListener("click", () => does(map));
    return made;
  };
  toolbar.replaceChildren(
    group(...tools),
    group(
      iconButton("in", "Zoom in", step(1.5)),
      iconButton("out", "Zoom out", step(1 / 1.5)),
      iconButton("whole", "Show all", whole),
    ),
    group(images),
    group(save("PNG", savePng), save("SVG", saveSvg)),
  );
  map.tools = tools;
  setTool(map, map.tool);
}

function iconButton(name, title, does) {
  const button = element("button", "tool");
  button.title = title;
  button.setAttribute("aria-label", title.split(":")[0]);
  button.dataset.tool = name;
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  icon.append(path);
  button.append(icon);
  button.addEventListener("click", does);
  return button;
}

function setTool(map, tool) {
  map.tool = tool;
  map.stage.dataset.tool = tool;
  for (const button of map.tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
}
