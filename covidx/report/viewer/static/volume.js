"use strict";
/* Voxels: parts arrive as scripts (a page on a disk may not fetch), are inflated, and fill one array. */

covidx.inflate = async function (text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

/* A script of this folder; what it hands over by covidx.receive(name, value) is the result. */
covidx.waiting = {};
covidx.receive = (name, value) => covidx.waiting[name] && covidx.waiting[name](value);
covidx.script = (name, address) =>
  new Promise((done, failed) => {
    const element = document.createElement("script");
    covidx.waiting[name] = (value) => {
      delete covidx.waiting[name];
      element.remove();
      done(value);
    };
    element.onerror = () => failed(new Error(`${address} cannot be read`));
    element.src = address;
    document.head.append(element);
  });

covidx.Volume = class {
  constructor(info) {
    [this.slices, this.rows, this.columns] = info.shape;
    this.step = info.step;
    this.perPart = info.slices_a_part;
    this.spacing = info.spacing || [1, 1, 1]; // slices, rows, columns
    this.values = new Int16Array(this.slices * this.rows * this.columns);
    this.loaded = new Array(Math.ceil(this.slices / this.perPart)).fill(false);
  }

  has(slice) {
    return this.loaded[Math.floor(slice / this.perPart)];
  }

  get complete() {
    return this.loaded.every(Boolean);
  }

  /* Every part, the nearest to the slice that is looked at first; `arrived` is called after each. */
  async load(current, arrived) {
    while (!this.complete) {
      const here = current() / this.perPart - 0.5;
      let next = -1;
      this.loaded.forEach((there, part) => {
        if (!there && (next < 0 || Math.abs(part - here) < Math.abs(next - here))) next = part;
      });
      const name = `voxels-${String(next).padStart(3, "0")}`;
      this.take(next, await covidx.inflate(await covidx.script(name, `${name}.js`)));
      arrived();
    }
  }

  /* Undo of voxels.encode: bytes low and high, folded difference, mean of left and upper. */
  take(part, bytes) {
    const { rows, columns } = this;
    const half = bytes.length / 2;
    const out = this.values;
    let at = part * this.perPart * rows * columns;
    for (let i = 0; i < half; i++, at++) {
      const folded = bytes[i] | (bytes[half + i] << 8);
      const column = i % columns;
      const row = Math.floor(i / columns) % rows;
      const left = column ? out[at - 1] : 0;
      const upper = row ? out[at - columns] : 0;
      out[at] = ((folded >> 1) ^ -(folded & 1)) + ((left + upper) >> 1);
    }
    this.loaded[part] = true;
  }

  at(column, row, slice) {
    return this.values[(slice * this.rows + row) * this.columns + column] * this.step;
  }
};

/* The three planes: size in pixels, mm a pixel, letters at left, right, top, bottom, and voxels. */
covidx.planes = {
  axial: {
    letters: ["R", "L", "A", "P"],
    count: (v) => v.slices,
    size: (v) => [v.columns, v.rows],
    mm: (v) => [v.spacing[2], v.spacing[1]],
    voxel: (v, x, y, k) => [x, y, k],
    place: (v, [c, r, s]) => [c, r, s],
  },
  coronal: {
    letters: ["R", "L", "S", "I"],
    count: (v) => v.rows,
    size: (v) => [v.columns, v.slices],
    mm: (v) => [v.spacing[2], v.spacing[0]],
    voxel: (v, x, y, k) => [x, k, v.slices - 1 - y],
    place: (v, [c, r, s]) => [c, v.slices - 1 - s, r],
  },
  sagittal: {
    letters: ["A", "P", "S", "I"],
    count: (v) => v.columns,
    size: (v) => [v.rows, v.slices],
    mm: (v) => [v.spacing[1], v.spacing[0]],
    voxel: (v, x, y, k) => [k, x, v.slices - 1 - y],
    place: (v, [c, r, s]) => [r, v.slices - 1 - s, c],
  },
};
