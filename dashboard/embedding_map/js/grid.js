// Points by cell, so that finding those near the pointer or within an outline looks at few of them.
function createGrid(xy) {
  const n = xy.length / 2;
  const side = Math.max(8, Math.min(1024, Math.round(Math.sqrt(n / 3))));
  const box = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (let i = 0; i < n; i++) {
    const x = xy[2 * i];
    const y = xy[2 * i + 1];
    if (x < box.left) box.left = x;
    if (x > box.right) box.right = x;
    if (y < box.bottom) box.bottom = y;
    if (y > box.top) box.top = y;
  }
  const across = side / Math.max(box.right - box.left, 1e-6);
  const up = side / Math.max(box.top - box.bottom, 1e-6);
  const clamp = (cell) => (cell < 0 ? 0 : cell >= side ? side - 1 : cell | 0);
  const grid = {
    xy,
    n,
    side,
    box,
    column: (x) => clamp((x - box.left) * across),
    row: (y) => clamp((y - box.bottom) * up),
    starts: new Uint32Array(side * side + 1),
    order: new Uint32Array(n),
  };
  const cells = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    const column = clamp((xy[2 * i] - box.left) * across);
    cells[i] = clamp((xy[2 * i + 1] - box.bottom) * up) * side + column;
    grid.starts[cells[i] + 1]++;
  }
  for (let cell = 0; cell < side * side; cell++) grid.starts[cell + 1] += grid.starts[cell];
  const next = grid.starts.slice();
  for (let i = 0; i < n; i++) grid.order[next[cells[i]]++] = i;
  return grid;
}

// Calls visit(i) for every point in the rectangle until it returns false.
function within(grid, left, bottom, right, top, visit) {
  const { xy, order, starts, side, box } = grid;
  if (right < box.left || left > box.right || top < box.bottom || bottom > box.top) return;
  for (let row = grid.row(bottom); row <= grid.row(top); row++) {
    const first = starts[row * side + grid.column(left)];
    const last = starts[row * side + grid.column(right) + 1];
    for (let k = first; k < last; k++) {
      const i = order[k];
      const x = xy[2 * i];
      const y = xy[2 * i + 1];
      if (x >= left && x <= right && y >= bottom && y <= top && visit(i) === false) return;
    }
  }
}

// The visible point nearest to (x, y) within reach, or -1.
function nearest(grid, x, y, reach, visible) {
  let best = -1;
  let least = reach * reach;
  within(grid, x - reach, y - reach, x + reach, y + reach, (i) => {
    const distance = (grid.xy[2 * i] - x) ** 2 + (grid.xy[2 * i + 1] - y) ** 2;
    if (distance <= least && visible(i)) {
      best = i;
      least = distance;
    }
  });
  return best;
}

// Marks (Uint8Array) of the visible points inside the outline, by the even-odd rule; core does the same.
function inside(grid, outline, visible) {
  const marks = new Uint8Array(grid.n);
  const xs = outline.map((corner) => corner[0]);
  const ys = outline.map((corner) => corner[1]);
  within(grid, Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (i) => {
    const x = grid.xy[2 * i];
    const y = grid.xy[2 * i + 1];
    let odd = false;
    for (let p = 0, q = outline.length - 1; p < outline.length; q = p++) {
      const crosses = ys[p] > y !== ys[q] > y;
      if (crosses && x < ((xs[q] - xs[p]) * (y - ys[p])) / (ys[q] - ys[p]) + xs[p]) odd = !odd;
    }
    if (odd && visible(i)) marks[i] = 1;
  });
  return marks;
}
