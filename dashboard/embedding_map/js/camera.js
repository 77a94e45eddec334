// Which part of the map is seen: its middle (x, y) and k CSS pixels a unit.
const MARGIN = 0.9;
const MAX_ZOOM = 400;

function createCamera() {
  return { x: 0, y: 0, k: 100, least: 100, width: 1, height: 1 };
}

function resize(camera, width, height, box) {
  const wasWhole = camera.width === 1 || Math.abs(camera.k / camera.least - 1) < 1e-6;
  camera.width = width;
  camera.height = height;
  if (box) {
    camera.least = wholeScale(camera, box);
    if (wasWhole) showAll(camera, box);
  }
}

function wholeScale(camera, box) {
  const across = camera.width / Math.max(box.right - box.left, 1e-3);
  const up = camera.height / Math.max(box.top - box.bottom, 1e-3);
  return MARGIN * Math.min(across, up, 1e4);
}

function showAll(camera, box) {
  camera.least = wholeScale(camera, box);
  camera.k = camera.least;
  camera.x = (box.left + box.right) / 2;
  camera.y = (box.bottom + box.top) / 2;
}

function toMap(camera, [left, top]) {
  return [camera.x + (left - camera.width / 2) / camera.k, camera.y - (top - camera.height / 2) / camera.k];
}

function toScreen(camera, x, y) {
  return [camera.width / 2 + (x - camera.x) * camera.k, camera.height / 2 - (y - camera.y) * camera.k];
}

function pan(camera, right, down) {
  camera.x -= right / camera.k;
  camera.y += down / camera.k;
}

// The place of the map under ``at`` stays there.
function zoom(camera, factor, at = [camera.width / 2, camera.height / 2]) {
  const [x, y] = toMap(camera, at);
  camera.k = Math.max(camera.least * 0.5, Math.min(camera.least * MAX_ZOOM, camera.k * factor));
  const [nowX, nowY] = toMap(camera, at);
  camera.x += x - nowX;
  camera.y += y - nowY;
}

function view(camera) {
  const [left, top] = toMap(camera, [0, 0]);
  const [right, bottom] = toMap(camera, [camera.width, camera.height]);
  return { left, right, bottom, top };
}
