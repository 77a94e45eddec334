// Images instead of dots: one for each cell of a lattice that stays put while the map moves, cut from sheets.
const TILE = 40;
const FEW_POINTS = 600; // with fewer in view, the images show by themselves
const MAX_TILES = 700;
const KEPT_TILES = 3000;
const SHEETS_AT_ONCE = 3;

function createTiles() {
  return { shown: [], side: 0, pictures: new Map(), sheets: new Map(), wanted: new Map(), loading: 0 };
}

// Chooses what to show; call it when the map has come to rest.
function chooseTiles(map) {
  const { tiles, camera, spec, grid } = map;
  tiles.shown = [];
  if (!spec.thumbnails || map.mode === "dots") return;
  const area = view(camera);
  const side = 2 ** Math.floor(Math.log2((1.7 * TILE) / camera.k));
  const cells = new Map();
  let n = 0;
  within(grid, area.left, area.bottom, area.right, area.top, (i) => {
    if (!map.visible(i)) return true;
    n++;
    const cell = `${Math.floor(grid.xy[2 * i] / side)},${Math.floor(grid.xy[2 * i + 1] / side)}`;
    const before = cells.get(cell);
    if (before === undefined || (map.marks && map.marks[i] > map.marks[before])) cells.set(cell, i);
    return map.mode === "images" || n <= FEW_POINTS;
  });
  if (map.mode === "auto" && n > FEW_POINTS) return;
  tiles.side = side;
  tiles.shown = [...cells.values()].slice(0, MAX_TILES);
  tiles.wanted.clear();
  for (const i of tiles.shown) want(map, map.position(i));
  loadSheets(map);
}

function want(map, position) {
  const { tiles, spec } = map;
  if (tiles.pictures.has(position)) return;
  const sheet = Math.floor(position / spec.thumbnails.per_sheet);
  if (!tiles.wanted.has(sheet)) tiles.wanted.set(sheet, new Set());
  tiles.wanted.get(sheet).add(position);
}

function loadSheets(map) {
  const { tiles } = map;
  while (tiles.loading < SHEETS_AT_ONCE && tiles.wanted.size) {
    const [sheet, positions] = tiles.wanted.entries().next().value;
    tiles.wanted.delete(sheet);
    tiles.loading++;
    loadSheet(map, sheet)
      .then((image) => {
        for (const position of positions) keepPicture(map, position, cut(map.spec.thumbnails, image, position));
        redrawOver(map);
      })
      .catch(() => {}) // a sheet that does not come leaves its points dots
      .finally(() => {
        tiles.loading--;
        loadSheets(map);
      });
  }
}

// The last few sheets stay decoded; the browser keeps the files of all.
function loadSheet(map, sheet) {
  const { sheets } = map.tiles;
  if (!sheets.has(sheet)) {
    const image = new Image();
    image.src = sheetAddress(map.spec.thumbnails, sheet);
    sheets.set(sheet, image.decode().then(() => image));
    if (sheets.size > 8) sheets.delete(sheets.keys().next().value);
  }
  return sheets.get(sheet);
}

function sheetAddress(thumbnails, sheet) {
  const { sheets } = thumbnails; // a page of its own brings them along, by number
  const address = typeof sheets === "string" ? `${sheets}${sheet}.webp` : sheets[sheet];
  return new URL(address, document.baseURI).href;
}

function cut(thumbnails, image, position) {
  const side = image.naturalWidth / thumbnails.columns;
  const place = position % thumbnails.per_sheet;
  const picture = document.createElement("canvas");
  picture.width = picture.height = side;
  const left = (place % thumbnails.columns) * side;
  const top = Math.floor(place / thumbnails.columns) * side;
  picture.getContext("2d").drawImage(image, left, top, side, side, 0, 0, side, side);
  return picture;
}

function keepPicture(map, position, picture) {
  const { pictures } = map.tiles;
  pictures.set(position, picture);
  if (pictures.size > KEPT_TILES) pictures.delete(pictures.keys().next().value);
}

function drawTiles(map, pen) {
  const { tiles, camera, grid, spec } = map;
  const side = Math.min(2.2 * TILE, tiles.side * camera.k * 0.86);
  if (side < 8) return;
  pen.imageSmoothingEnabled = !spec.thumbnails.crisp;
  const attribute = spec.attributes[spec.colour];
  for (const i of tiles.shown) {
    const picture = tiles.pictures.get(map.position(i));
    if (!picture || !map.visible(i)) continue;
    const [x, y] = toScreen(camera, grid.xy[2 * i], grid.xy[2 * i + 1]);
    if (x < -side || y < -side || x > camera.width + side || y > camera.height + side) continue;
    pen.globalAlpha = map.marks && !map.marks[i] ? 0.25 : 1;
    pen.fillStyle = css(colourOf(spec, attribute, map.values[i], map.dark));
    pen.fillRect(x - side / 2 - 2, y - side / 2 - 2, side + 4, side + 4);
    pen.drawImage(picture, x - side / 2, y - side / 2, side, side);
  }
  pen.globalAlpha = 1;
}
