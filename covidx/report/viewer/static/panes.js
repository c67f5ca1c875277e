"use strict";
/* A pane: one plane of the image in a canvas, with what lies over it. */

covidx.Pane = class {
  constructor(canvas, state, withOverlay) {
    this.canvas = canvas;
    this.state = state;
    this.withOverlay = withOverlay;
    this.picture = document.createElement("canvas");
  }

  /* From pixels of the plane to pixels of the canvas. */
  get view() {
    const { volume, zoom, pan } = this.state;
    const plane = covidx.planes[this.state.plane];
    const [width, height] = plane.size(volume);
    const [mmx, mmy] = plane.mm(volume);
    const box = this.canvas.getBoundingClientRect();
    const fit = Math.min(box.width / (width * mmx), box.height / (height * mmy)) * zoom;
    const left = (box.width - width * mmx * fit) / 2 + pan[0];
    const top = (box.height - height * mmy * fit) / 2 + pan[1];
    return { plane, width, height, sx: mmx * fit, sy: mmy * fit, left, top, box, fit };
  }

  /* The voxel under a place of the canvas, or null beside the image. */
  voxel(x, y) {
    const v = this.view;
    const px = Math.floor((x - v.left) / v.sx), py = Math.floor((y - v.top) / v.sy);
    if (px < 0 || py < 0 || px >= v.width || py >= v.height) return null;
    return v.plane.voxel(this.state.volume, px, py, this.state.index[this.state.plane]);
  }

  draw() {
    const { canvas } = this;
    const view = this.view;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(view.box.width * ratio);
    canvas.height = Math.round(view.box.height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, view.box.width, view.box.height);
    this.greys(view);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.picture, view.left, view.top, view.width * view.sx, view.height * view.sy);
    this.described = this.withOverlay ? this.overlays(pen, view) : [];
    this.marks(pen, view);
  }

  greys({ plane, width, height }) {
    const { volume, level, window: wide } = this.state;
    const index = this.state.index[this.state.plane];
    this.picture.width = width;
    this.picture.height = height;
    const pen = this.picture.getContext("2d");
    const image = pen.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const low = level - wide / 2, scale = 255 / wide;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const [c, r, s] = plane.voxel(volume, x, y, index);
        const grey = Math.max(0, Math.min(255, Math.round((volume.at(c, r, s) - low) * scale)));
        out[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
      }
    }
    pen.putImageData(image, 0, 0);
  }

  lines(pen, view, lines, colour, thick, dash) {
    pen.beginPath();
    for (const line of lines) {
      for (let i = 0; i < line.length; i += 2) {
        const x = view.left + (line[i] + 0.5) * view.sx, y = view.top + (line[i + 1] + 0.5) * view.sy;
        i ? pen.lineTo(x, y) : pen.moveTo(x, y);
      }
    }
    pen.globalAlpha = this.state.opacity;
    for (const [stroke, width] of [["#000", thick + 1.5], [colour, thick]]) {
      pen.setLineDash(dash);
      pen.strokeStyle = stroke;
      pen.lineWidth = width;
      pen.stroke();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /* Draws the layers that are shown; returns what of them lies in this plane. */
  overlays(pen, view) {
    const { overlay, plane } = this.state;
    const index = this.state.index[plane];
    const found = [];
    if (!overlay) return found;
    overlay.heat.forEach((heat, number) => {
      const levels = overlay.lines("heat", number, plane, index);
      if (levels === null) return;
      found.push(heat);
      if (!this.state.heatShown(number)) return;
      const cells = this.state.cells && overlay.lines("cells", number, plane, index);
      if (cells) this.lines(pen, view, cells, "#9aa7b4", 0.6, []);
      const dash = heat.verdict === "cannot tell" ? [6, 4] : [];
      levels.forEach((lines, step) => {
        const colour = heat.colours[step];
        this.lines(pen, view, lines, colour, 1.2 + 0.7 * step, dash);
      });
    });
    overlay.masks.forEach((mask, number) => {
      if (!this.state.maskShown(mask)) return;
      const lines = overlay.lines("mask", number, plane, index);
      this.lines(pen, view, lines, ...covidx.MASK_LINES[mask.style]);
    });
    return found;
  }

  marks(pen, view) {
    const { volume, info, pointer } = this.state;
    const { width, height } = view.box;
    const text = (words, x, y, align, size = 12) => {
      pen.font = `600 ${size}px system-ui, sans-serif`;
      pen.textAlign = align;
      pen.textBaseline = "middle";
      pen.lineWidth = 3;
      pen.strokeStyle = "#000";
      pen.strokeText(words, x, y);
      pen.fillStyle = "#fff";
      pen.fillText(words, x, y);
    };
    if (info.lps) {
      const [left, right, top, bottom] = view.plane.letters;
      text(left, 12, height / 2, "center", 15);
      text(right, width - 12, height / 2, "center", 15);
      text(top, width / 2, 34, "center", 15);
      text(bottom, width / 2, height - 14, "center", 15);
    }
    text(this.state.placeText(), 8, 14, "left");
    text(`W ${Math.round(this.state.window)}  L ${Math.round(this.state.level)}`, width - 8, width < 440 ? 32 : 14, "right");
    text(this.withOverlay ? "with overlays" : "image alone", 8, height - 14, "left");
    if (info.spacing) this.scaleBar(pen, view, text);
    if (!volume.has(this.state.index.axial)) text("loading …", width / 2, height / 2, "center", 15);
    if (pointer) {
      const [x, y] = view.plane.place(volume, pointer);
      const px = view.left + (x + 0.5) * view.sx, py = view.top + (y + 0.5) * view.sy;
      pen.strokeStyle = "#ffffffcc";
      pen.lineWidth = 1;
      pen.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(px + 4 * dx, py + 4 * dy);
        pen.lineTo(px + 12 * dx, py + 12 * dy);
      }
      pen.stroke();
    }
  }

  scaleBar(pen, view, text) {
    const { width, height } = view.box;
    const long = [100, 50, 20, 10, 5].find((mm) => mm * view.fit < width / 4) || 2;
    const x = width - 14, y = height - 16, from = x - long * view.fit;
    for (const [colour, thick] of [["#000", 4], ["#fff", 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(from, y - 4);
      pen.lineTo(from, y);
      pen.lineTo(x, y);
      pen.lineTo(x, y - 4);
      pen.stroke();
    }
    text(`${long} mm`, x, y - 13, "right");
  }
};
