// Colours of values: classes from the palette of the project, scores from viridis, cut for each theme.
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const UNKNOWN = [128, 136, 146];
const SCORE_STEPS = 1000; // a score's value is 0 to this

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function mixed(one, other, share) {
  return one.map((part, k) => Math.round(part + (other[k] - part) * share));
}

// Beyond the palette it comes again, lighter, then darker.
function classColour(attribute, palette, k) {
  if (attribute.colours) return rgb(attribute.colours[k]);
  const colour = rgb(palette[k % palette.length]);
  const turn = Math.floor(k / palette.length) % 3;
  return turn === 0 ? colour : mixed(colour, turn === 1 ? [255, 255, 255] : [0, 0, 0], 0.4);
}

// share 0..1; on a light ground the yellow end is left out, on a dark one the violet end.
function scoreColour(share, dark) {
  const [low, high] = dark ? [0.22, 1] : [0, 0.86];
  const place = (low + (high - low) * share) * (VIRIDIS.length - 1);
  const step = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return mixed(rgb(VIRIDIS[step]), rgb(VIRIDIS[step + 1]), place - step);
}

function colourOf(spec, attribute, value, dark) {
  if (value === NONE) return UNKNOWN;
  if (attribute.kind === "score") return scoreColour(value / SCORE_STEPS, dark);
  return classColour(attribute, spec.palette, value);
}

// The texture of all values' colours; hidden values get no opacity.
function paletteOf(spec, attribute, hidden, dark) {
  const colours = new Uint8Array(PALETTE_SIDE * PALETTE_SIDE * 4);
  const last = attribute.kind === "score" ? SCORE_STEPS + 1 : attribute.names.length;
  for (const value of [...Array(last).keys(), NONE]) {
    colours.set([...colourOf(spec, attribute, value, dark), hidden.has(value) ? 0 : 255], 4 * value);
  }
  return colours;
}

function isDark(element) {
  const [red, green, blue] = (getComputedStyle(element).backgroundColor.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

function css(colour) {
  return `rgb(${colour.join(" ")})`;
}
