"use strict";
/* What lies over the image: masks on its grid, heatmaps on grids of their own, as contour lines. */

/* Colour, width and dashes of masks' outlines; viewer.css has the same for the legend. */
covidx.MASK_LINES = {
  "true-lesion": ["#ff8cff", 1.8, [6, 4]],
  "true-organ": ["#ff8cff", 1, [6, 4]],
  "model-lesion": ["#ffa94d", 1.8, [2, 3]],
  "model-organ": ["#9ecbff", 1, []],
};

/* Lines where a field crosses a level: [x0, y0, x1, y1, ...] in pixels. NaN ends a line. */
covidx.contour = function (field, width, height, level) {
  const lines = [];
  const cross = (a, b) => (level - a) / (b - a);
  for (let y = 0; y < height - 1; y++) {
    for (let x = 0; x < width - 1; x++) {
      const i = y * width + x;
      const a = field[i], b = field[i + 1], c = field[i + width + 1], d = field[i + width];
      const code = (a >= level) | ((b >= level) << 1) | ((c >= level) << 2) | ((d >= level) << 3);
      if (code === 0 || code === 15 || !(a + b + c + d < Infinity)) continue;
      const top = () => [x + cross(a, b), y];
      const right = () => [x + 1, y + cross(b, c)];
      const bottom = () => [x + cross(d, c), y + 1];
      const left = () => [x, y + cross(a, d)];
      const add = (p, q) => lines.push(...p(), ...q());
      if (code === 1 || code === 14) add(left, top);
      else if (code === 2 || code === 13) add(top, right);
      else if (code === 3 || code === 12) add(left, right);
      else if (code === 4 || code === 11) add(right, bottom);
      else if (code === 6 || code === 9) add(top, bottom);
      else if (code === 7 || code === 8) add(left, bottom);
      else if (code === 5) { add(left, top); add(right, bottom); }
      else { add(top, right); add(left, bottom); }
    }
  }
  return lines;
};

/* Pieces of lines put end to end, so that they can be dashed: a list of [x, y, x, y, ...]. */
covidx.chained = function (pieces) {
  const key = (x, y) => `${x.toFixed(3)} ${y.toFixed(3)}`;
  const ends = new Map();
  const note = (at, piece) => ends.set(at, [...(ends.get(at) || []), piece]);
  for (let i = 0; i < pieces.length; i += 4) {
    note(key(pieces[i], pieces[i + 1]), i);
    note(key(pieces[i + 2], pieces[i + 3]), i);
  }
  const used = new Set();
  /* From a place on, through pieces that were not used, as far as they go. */
  const follow = (x, y) => {
    const line = [];
    for (;;) {
      const next = (ends.get(key(x, y)) || []).find((piece) => !used.has(piece));
      if (next === undefined) return line;
      used.add(next);
      const first = key(pieces[next], pieces[next + 1]) === key(x, y);
      [x, y] = first ? [pieces[next + 2], pieces[next + 3]] : [pieces[next], pieces[next + 1]];
      line.push(x, y);
    }
  };
  const lines = [];
  for (let i = 0; i < pieces.length; i += 4) {
    if (used.has(i)) continue;
    const back = follow(pieces[i], pieces[i + 1]);
    const line = [];
    for (let k = back.length - 2; k >= 0; k -= 2) line.push(back[k], back[k + 1]);
    lines.push([...line, pieces[i], pieces[i + 1], ...follow(pieces[i], pieces[i + 1])]);
  }
  return lines;
};

/* A mask in a plane, with a margin of one pixel so that outlines close at the edge. */
covidx.maskLines = function (mask, volume, plane, index) {
  const [width, height] = plane.size(volume);
  const field = new Float32Array((width + 2) * (height + 2));
  let any = false;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [c, r, s] = plane.voxel(volume, x, y, index);
      if (mask.bytes[(s * volume.rows + r) * volume.columns + c]) {
        field[(y + 1) * (width + 2) + x + 1] = 1;
        any = true;
      }
    }
  }
  if (!any) return [];
  return covidx.contour(field, width + 2, height + 2, 0.5).map((value) => value - 1);
};

/* A heatmap in a plane: its field at each pixel, NaN where the model had no input; null if nowhere. */
covidx.heatField = function (heat, volume, plane, index) {
  const [width, height] = plane.size(volume);
  const [slices, rows, columns] = heat.shape;
  const m = heat.matrix;
  const field = new Float32Array(width * height).fill(NaN);
  let any = false;
  const scale = (heat.high - heat.low) / 254;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [c, r, s] = plane.voxel(volume, x, y, index);
      const z = Math.round(m[8] * c + m[9] * r + m[10] * s + m[11]);
      if (z < 0 || z >= slices) continue;
      if (!heat.bytes) {
        any = true; // it lies here, and has no evidence to show
        continue;
      }
      const u = m[0] * c + m[1] * r + m[2] * s + m[3];
      const v = m[4] * c + m[5] * r + m[6] * s + m[7];
      if (u < -0.5 || v < -0.5 || u > columns - 0.5 || v > rows - 0.5) continue;
      const u0 = Math.max(0, Math.min(columns - 2, Math.floor(u)));
      const v0 = Math.max(0, Math.min(rows - 2, Math.floor(v)));
      const p = Math.max(0, Math.min(1, u - u0)), q = Math.max(0, Math.min(1, v - v0));
      const i = (z * rows + v0) * columns + u0;
      const b = heat.bytes;
      if (!(b[i] && b[i + 1] && b[i + columns] && b[i + columns + 1])) continue;
      const upper = b[i] * (1 - p) + b[i + 1] * p;
      const lower = b[i + columns] * (1 - p) + b[i + columns + 1] * p;
      field[y * width + x] = heat.low + (upper * (1 - q) + lower * q - 1) * scale;
      any = true;
    }
  }
  return any ? field : null;
};

/* Where the network's own cells meet: lines in a plane, within the map; null if it lies nowhere here. */
covidx.cellLines = function (heat, volume, plane, index) {
  const [width, height] = plane.size(volume);
  const [slices, rows, columns] = heat.shape;
  const m = heat.matrix;
  const across = new Float32Array(width * height).fill(NaN), down = across.slice();
  let any = false;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [c, r, s] = plane.voxel(volume, x, y, index);
      const u = m[0] * c + m[1] * r + m[2] * s + m[3] + 0.5;
      const v = m[4] * c + m[5] * r + m[6] * s + m[7] + 0.5;
      const z = Math.round(m[8] * c + m[9] * r + m[10] * s + m[11]);
      if (z < 0 || z >= slices || u < 0 || v < 0 || u > columns || v > rows) continue;
      across[y * width + x] = u;
      down[y * width + x] = v;
      any = true;
    }
  }
  if (!any) return null;
  const lines = [];
  for (const [field, size, end] of [[down, heat.cell[0], rows], [across, heat.cell[1], columns]])
    for (let at = size; at < end - 0.5; at += size)
      lines.push(...covidx.chained(covidx.contour(field, width, height, at)));
  return lines;
};

/* Lines of every shown layer in a plane, remembered for the next drawing. */
covidx.Overlay = class {
  constructor(volume, layers) {
    this.volume = volume;
    this.masks = layers.masks;
    this.heat = layers.heat;
    this.cache = new Map();
  }

  lines(kind, number, planeName, index) {
    const key = `${kind} ${number} ${planeName} ${index}`;
    if (!this.cache.has(key)) {
      if (this.cache.size > 400) this.cache.clear();
      this.cache.set(key, this.make(kind, number, covidx.planes[planeName], index));
    }
    return this.cache.get(key);
  }

  make(kind, number, plane, index) {
    if (kind === "mask")
      return covidx.chained(covidx.maskLines(this.masks[number], this.volume, plane, index));
    const heat = this.heat[number];
    if (kind === "cells") return heat.cell && covidx.cellLines(heat, this.volume, plane, index);
    const field = covidx.heatField(heat, this.volume, plane, index);
    if (!field) return null; // no map of this plane
    const [width, height] = plane.size(this.volume);
    return heat.levels.map((level) => covidx.chained(covidx.contour(field, width, height, level)));
  }
};

covidx.loadLayers = async function () {
  const layers = await covidx.script("layers", "layers.js");
  for (const layer of [...layers.masks, ...layers.heat])
    if (layer.cells) layer.bytes = await covidx.inflate(layer.cells);
  return layers;
};
