// The points on the graphics card: one buffer of coordinates, one of values, one of marks. WebGL2.
// A value indexes the palette, a texture of 256 x 256 colours; a colour without opacity hides its points.
const NONE = 65535;
const PALETTE_SIDE = 256;
const SLOW_FRAME_MS = 45;
const MAX_STEP = 16; // a stride of 255 bytes is the most that WebGL takes

const VERTEX = `#version 300 es
in vec2 a_to;
in vec2 a_from;
in uint a_value;
in float a_marked;
uniform vec4 u_view;
uniform float u_mix, u_size, u_alpha;
uniform int u_only;
uniform sampler2D u_palette;
out vec4 v_colour;
void main() {
  vec4 colour = texelFetch(u_palette, ivec2(int(a_value & 255u), int(a_value >> 8u)), 0);
  bool marked = a_marked > 0.5;
  bool hidden = colour.a == 0.0 || (u_only == 1 && marked) || (u_only == 2 && !marked);
  vec2 place = (mix(a_from, a_to, u_mix) - u_view.xy) * u_view.zw;
  gl_Position = hidden ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(place, 0.0, 1.0);
  gl_PointSize = u_size;
  v_colour = vec4(colour.rgb, colour.a * u_alpha);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 v_colour;
uniform float u_size;
out vec4 o_colour;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * u_size;
  float alpha = v_colour.a * (u_size < 2.5 ? 1.0 : clamp(edge + 0.5, 0.0, 1.0));
  if (alpha < 0.01) discard;
  o_colour = vec4(v_colour.rgb * alpha, alpha);
}`;

// null where the browser has no WebGL2.
function createPoints(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.clearColor(0, 0, 0, 0);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  const at = (name) => gl.getUniformLocation(program, name);
  const points = {
    gl,
    n: 0,
    step: 1,
    buffers: {},
    places: { to: gl.getAttribLocation(program, "a_to"), from: gl.getAttribLocation(program, "a_from") },
    value: gl.getAttribLocation(program, "a_value"),
    marked: gl.getAttribLocation(program, "a_marked"),
    uniforms: { view: at("u_view"), mix: at("u_mix"), size: at("u_size"), alpha: at("u_alpha"), only: at("u_only") },
  };
  for (const place of [points.places.to, points.places.from, points.value, points.marked]) {
    gl.enableVertexAttribArray(place);
  }
  return points;
}

function upload(points, name, array) {
  const { gl } = points;
  points.buffers[name] ??= gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, points.buffers[name]);
  gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
}

// colours: Uint8Array of PALETTE_SIDE * PALETTE_SIDE * 4.
function setPalette(points, colours) {
  const { gl } = points;
  gl.texImage2D(
    gl.TEXTURE_2D, 0, gl.RGBA, PALETTE_SIDE, PALETTE_SIDE, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours,
  );
}

// Every step-th point is bound: a slow machine draws a sample while the map moves, and all at rest.
function bind(points, step) {
  const { gl, buffers } = points;
  const from = buffers.from ?? buffers.to;
  for (const [place, buffer] of [
    [points.places.to, buffers.to],
    [points.places.from, from],
  ]) {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 8 * step, 0);
  }
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.values);
  gl.vertexAttribIPointer(points.value, 1, gl.UNSIGNED_SHORT, 2 * step, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffers.marks);
  gl.vertexAttribPointer(points.marked, 1, gl.UNSIGNED_BYTE, false, step, 0);
}

// style: {size and alpha of a point, mix 0..1 from old to new places, dim: whether marks single some out};
// every step-th point is drawn.
function drawPoints(points, camera, ratio, style, step) {
  const { gl, uniforms } = points;
  gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
  gl.clear(gl.COLOR_BUFFER_BIT);
  if (!points.n) return;
  bind(points, step);
  const count = Math.ceil(points.n / step);
  gl.uniform4f(uniforms.view, camera.x, camera.y, (2 * camera.k) / camera.width, (2 * camera.k) / camera.height);
  gl.uniform1f(uniforms.mix, style.mix);
  gl.uniform1f(uniforms.size, style.size * ratio);
  const passes = style.dim
    ? [
        [1, style.alpha * 0.13],
        [2, Math.min(1, style.alpha * 1.25)],
      ]
    : [[0, style.alpha]];
  for (const [only, alpha] of passes) {
    gl.uniform1i(uniforms.only, only);
    gl.uniform1f(uniforms.alpha, alpha);
    gl.drawArrays(gl.POINTS, 0, count);
  }
}

// What a slow machine has learned it keeps: the next move begins with the sample that was fast enough.
function adaptStep(points, frameMs) {
  if (frameMs > SLOW_FRAME_MS && points.n / points.step > 50_000) {
    points.step = Math.min(MAX_STEP, points.step * (frameMs > 3 * SLOW_FRAME_MS ? 4 : 2));
  }
}
