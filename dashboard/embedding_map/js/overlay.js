// What lies over the points: images, the outline that is being drawn, names of places, and the hover card.
function drawOverlay(map) {
  const { overlay, camera, ratio, style } = map;
  const pen = overlay.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, camera.width, camera.height);
  // Chromium without a graphics card may go on showing what was there before a frame that only clears.
  overlay.style.visibility = hasOverlay(map) ? "visible" : "hidden";
  if (map.contours) drawContours(map, pen);
  if (map.tiles.shown.length) drawTiles(map, pen);
  if (map.selection) outlined(pen, map.selection.map(([x, y]) => toScreen(camera, x, y)), style, [5, 4]);
  if (map.outline) outlined(pen, map.outline, style, []);
  if (map.hovered >= 0) ring(map, pen, map.hovered);
  if (map.aim) cross(pen, camera, style);
  placeNames(map);
}

function hasOverlay({ contours, tiles, selection, outline, hovered, aim }) {
  return Boolean(contours || tiles.shown.length || selection || outline || hovered >= 0 || aim);
}

// Lines around the dense parts: ends of segments, x0 y0 x1 y1.
function drawContours(map, pen) {
  pen.beginPath();
  for (const [x0, y0, x1, y1] of contourLines(map)) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.strokeStyle = map.style.text;
  pen.globalAlpha = 0.45;
  pen.lineWidth = 1;
  pen.stroke();
  pen.globalAlpha = 1;
}

function* contourLines({ contours, camera }) {
  for (let k = 0; k + 3 < (contours?.length ?? 0); k += 4) {
    yield [...toScreen(camera, contours[k], contours[k + 1]), ...toScreen(camera, contours[k + 2], contours[k + 3])];
  }
}

function outlined(pen, corners, style, dash) {
  pen.beginPath();
  corners.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fillStyle = style.accent;
  pen.globalAlpha = dash.length ? 0.04 : 0.12;
  pen.fill();
  pen.globalAlpha = 1;
  pen.strokeStyle = style.accent;
  pen.lineWidth = 1.5;
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
}

function ring(map, pen, i) {
  const [x, y] = toScreen(map.camera, map.grid.xy[2 * i], map.grid.xy[2 * i + 1]);
  pen.beginPath();
  pen.arc(x, y, map.tiles.shown.length ? 3 : 7, 0, 7);
  pen.strokeStyle = map.style.text;
  pen.lineWidth = 2;
  pen.stroke();
}

// Where Enter opens an image: shown while the map is used by keyboard.
function cross(pen, camera, style) {
  const x = camera.width / 2;
  const y = camera.height / 2;
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.moveTo(x + 5 * dx, y + 5 * dy);
    pen.lineTo(x + 14 * dx, y + 14 * dy);
  }
  pen.strokeStyle = style.text;
  pen.lineWidth = 2;
  pen.stroke();
}

// Names stand at their places; of two that would overlap, the one of more points stays.
function placeNames(map) {
  const { camera, names, spec } = map;
  if (names.drawn !== spec.labels) {
    names.drawn = spec.labels;
    names.replaceChildren(...spec.labels.map((label) => element("span", "name", label.text)));
    names.widths = spec.labels.map((label, k) => names.children[k].offsetWidth);
  }
  const taken = [];
  names.places = [];
  spec.labels.forEach((label, k) => {
    const [at, y] = toScreen(camera, label.x, label.y);
    const half = names.widths[k] / 2 + 4;
    const outside = at < 0 || y < 0 || at > camera.width || y > camera.height;
    const x = Math.max(half, Math.min(camera.width - half, at)); // no name is cut off at an edge
    const box = [x - half, y - 13, x + half, y + 13];
    const covered = taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3]);
    const isHidden = outside || covered || map.tiles.shown.length > 0 || map.hidden.has(label.value);
    names.places.push([x, y]);
    names.children[k].style.display = isHidden ? "none" : "";
    names.children[k].style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
    if (!isHidden) taken.push(box);
  });
}

function hover(map, i, at) {
  const { tip } = map;
  if (i < 0) {
    tip.hidden = true;
  } else {
    tip.hidden = false;
    if (i !== map.hovered) fillTip(map, i);
    const right = at[0] + tip.offsetWidth + 24 > map.camera.width;
    const low = at[1] + tip.offsetHeight + 24 > map.camera.height;
    const x = right ? at[0] - tip.offsetWidth - 14 : at[0] + 14;
    const y = low ? at[1] - tip.offsetHeight - 14 : at[1] + 14;
    tip.style.transform = `translate(${Math.max(0, x)}px, ${Math.max(0, y)}px)`;
  }
  if (i !== map.hovered) {
    map.hovered = i;
    redrawOver(map);
  }
}

function fillTip(map, i) {
  const { tip, spec } = map;
  const position = map.position(i);
  const lines = spec.tip.map((name) => tipLine(map, name, i)).filter(Boolean);
  tip.querySelector(".facts").replaceChildren(...lines);
  const picture = tip.querySelector("canvas");
  picture.hidden = !spec.thumbnails;
  if (!spec.thumbnails) return;
  const pen = picture.getContext("2d");
  pen.clearRect(0, 0, picture.width, picture.height);
  loadSheet(map, Math.floor(position / spec.thumbnails.per_sheet))
    .then((image) => {
      if (map.hovered !== i) return;
      pen.imageSmoothingEnabled = !spec.thumbnails.crisp;
      pen.drawImage(cut(spec.thumbnails, image, position), 0, 0, picture.width, picture.height);
    })
    .catch(() => (picture.hidden = true));
}

// null while the values are on their way: they are fetched after the first picture.
function tipLine(map, name, i) {
  const attribute = map.spec.attributes[name];
  const values = attribute && map.loaded.get(attribute.url);
  if (!values) return null;
  const line = element("div");
  line.append(element("b", "", `${attribute.title} `), words(attribute, values[i]));
  return line;
}

function words(attribute, value) {
  if (value === NONE) return attribute.none ?? "unknown";
  if (attribute.kind === "classes") return attribute.names[value];
  const [low, high] = attribute.range;
  const number = low + ((high - low) * value) / SCORE_STEPS;
  return attribute.percent ? `${(100 * number).toFixed(0)} %` : number.toFixed(2);
}
