// What is shown as a file: PNG at twice the size, SVG with every point as a mark (or, of many, as a picture).
const VECTOR_POINTS = 30_000;
const EXPORT_RATIO = 2;

function savePng(map) {
  pictureOf(map).toBlob((blob) => save(blob, `${map.spec.file}.png`), "image/png");
}

function pictureOf(map) {
  const { camera, style } = map;
  const foot = legendEntries(map).length ? 44 : 0;
  const picture = document.createElement("canvas");
  picture.width = camera.width * EXPORT_RATIO;
  picture.height = (camera.height + foot) * EXPORT_RATIO;
  const pen = picture.getContext("2d");
  pen.scale(EXPORT_RATIO, EXPORT_RATIO);
  pen.fillStyle = style.ground;
  pen.fillRect(0, 0, camera.width, camera.height + foot);
  pen.drawImage(dots(map), 0, 0, camera.width, camera.height);
  if (map.contours) drawContours(map, pen);
  if (map.tiles.shown.length) drawTiles(map, pen);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  for (const { text, x, y } of shownNames(map)) {
    pen.font = `600 13px ${style.font}`;
    pen.lineWidth = 4;
    pen.strokeStyle = style.ground;
    pen.strokeText(text, x, y);
    pen.fillStyle = style.text;
    pen.fillText(text, x, y);
  }
  pen.textAlign = "left";
  for (const { text, colour, x, y } of legendPlaces(map, pen)) {
    pen.fillStyle = colour;
    pen.fillRect(x, y - 5, 10, 10);
    pen.fillStyle = style.text;
    pen.fillText(text, x + 15, y);
  }
  return picture;
}

// The points drawn once more at the file's resolution; read at once, before the browser clears them.
function dots(map) {
  const { canvas, camera, points } = map;
  const size = [canvas.width, canvas.height];
  canvas.width = camera.width * EXPORT_RATIO;
  canvas.height = camera.height * EXPORT_RATIO;
  drawPoints(points, camera, EXPORT_RATIO, pointStyle(map), 1);
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  copy.getContext("2d").drawImage(canvas, 0, 0);
  [canvas.width, canvas.height] = size;
  redraw(map);
  return copy;
}

function saveSvg(map) {
  save(new Blob([svgOf(map)], { type: "image/svg+xml" }), `${map.spec.file}.svg`);
}

function svgOf(map) {
  const { camera, style } = map;
  const measure = document.createElement("canvas").getContext("2d");
  measure.font = `13px ${style.font}`;
  const marks = legendPlaces(map, measure);
  const height = camera.height + (marks.length ? 44 : 0);
  const names = shownNames(map).map(
    ({ text, x, y }) =>
      `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="middle" dominant-baseline="middle" ` +
      `font-weight="600" stroke="${escaped(style.ground)}" stroke-width="4" paint-order="stroke">${escaped(text)}</text>`,
  );
  const legend = marks.map(
    ({ text, colour, x, y }) =>
      `<rect x="${x}" y="${y - 5}" width="10" height="10" fill="${colour}"/>` +
      `<text x="${x + 15}" y="${y}" dominant-baseline="middle">${escaped(text)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${camera.width} ${height}" width="${camera.width}"`,
    ` height="${height}" font-family="sans-serif" font-size="13" fill="${escaped(style.text)}">`,
    `<title>${escaped(map.spec.title)}</title>`,
    `<rect width="100%" height="100%" fill="${escaped(style.ground)}"/>`,
    map.points.n <= VECTOR_POINTS ? vectorDots(map) : rasterDots(map),
    map.contours ? vectorContours(map) : "",
    ...names,
    ...legend,
    "</svg>",
  ].join("");
}

// One path a colour: each point is a line of no length with round ends.
function vectorDots(map) {
  const { camera, grid, spec } = map;
  const attribute = spec.attributes[spec.colour];
  const paths = new Map();
  for (let i = 0; i < grid.n; i++) {
    const [x, y] = toScreen(camera, grid.xy[2 * i], grid.xy[2 * i + 1]);
    if (!map.visible(i) || x < 0 || y < 0 || x > camera.width || y > camera.height) continue;
    const faint = map.marks && !map.marks[i];
    const key = `${faint ? 1 : 0}|${css(colourOf(spec, attribute, map.values[i], map.dark))}`;
    if (!paths.has(key)) paths.set(key, []);
    paths.get(key).push(`M${x.toFixed(1)} ${y.toFixed(1)}h0`);
  }
  const { size, alpha } = pointStyle(map);
  return [...paths]
    .sort(([a], [b]) => (a < b ? 1 : -1)) // the faint ones first
    .map(([key, moves]) => {
      const [faint, colour] = key.split("|");
      return (
        `<path d="${moves.join("")}" stroke="${colour}" stroke-width="${size.toFixed(1)}" stroke-linecap="round" ` +
        `stroke-opacity="${(alpha * (faint === "1" ? 0.13 : 1)).toFixed(2)}" fill="none"/>`
      );
    })
    .join("");
}

function vectorContours(map) {
  const moves = [...contourLines(map)].map((line) => {
    const [x0, y0, x1, y1] = line.map((place) => place.toFixed(1));
    return `M${x0} ${y0}L${x1} ${y1}`;
  });
  return `<path d="${moves.join("")}" stroke="${escaped(map.style.text)}" stroke-opacity="0.45" fill="none"/>`;
}

function rasterDots(map) {
  const { width, height } = map.camera;
  return `<image width="${width}" height="${height}" href="${dots(map).toDataURL("image/png")}"/>`;
}

function shownNames(map) {
  const { names, spec } = map;
  return spec.labels
    .map((label, k) => ({ text: label.text, x: names.places[k][0], y: names.places[k][1], k }))
    .filter(({ k }) => names.children[k].style.display === "");
}

function legendEntries(map) {
  return [...map.legend.querySelectorAll(".entry[aria-pressed=true]")].map((one) => ({
    text: one.textContent,
    colour: one.querySelector(".dot").style.background,
  }));
}

function legendPlaces(map, pen) {
  pen.font = `13px ${map.style.font}`;
  let x = 16;
  let y = map.camera.height + 14;
  return legendEntries(map).map(({ text, colour }) => {
    const width = pen.measureText(text).width + 34;
    if (x + width > map.camera.width) [x, y] = [16, y + 18];
    const placed = { text, colour, x, y };
    x += width;
    return placed;
  });
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
