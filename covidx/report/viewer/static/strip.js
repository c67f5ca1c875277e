"use strict";
/* Along z: the score of each slice that the model saw above the lesion area, unseen slices hatched. */

covidx.Strip = class {
  constructor(canvas, state, go) {
    this.canvas = canvas;
    this.state = state;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const { left, right } = this.margins(box.width);
      const share = (event.clientX - box.left - left) / (box.width - left - right);
      go(Math.floor(share * state.info.shape[0]));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      at(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons & 1 && at(event));
  }

  margins() {
    return { left: 92, right: 12 };
  }

  draw() {
    const { info, modelShown, truthKnown } = this.state;
    const scores = modelShown() && info.seen.length > 0;
    const area = truthKnown() ? info.area : null;
    const top = { y: 8, high: scores ? 46 : 0 };
    const low = { y: top.y + top.high + 8, high: area ? 30 : 0 };
    const bottom = low.y + low.high + 8;
    this.canvas.style.height = `${bottom + 14}px`;
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = box.width * ratio;
    this.canvas.height = box.height * ratio;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const { left, right } = this.margins();
    const n = info.shape[0];
    const step = (box.width - left - right) / n;
    const x = (slice) => left + slice * step;
    const label = (words, y) => {
      pen.fillStyle = colour("--quiet");
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(words, left - 8, y);
    };
    if (scores) {
      this.hatch(pen, left, top.y, n * step, top.high, colour("--hatch"));
      for (const one of info.seen) {
        pen.fillStyle = colour("--page");
        pen.fillRect(x(one.first), top.y, (one.last + 1 - one.first) * step, top.high);
      }
      for (const one of info.seen) {
        const high = Math.max(1, one.score * top.high);
        pen.fillStyle = colour(one.weight > 0 ? "--deciding" : "--score");
        pen.fillRect(x(one.first) + 0.5, top.y + top.high - high, Math.max(1, (one.last + 1 - one.first) * step - 1), high);
        if (one.weight > 0) {
          pen.beginPath();
          const middle = x(one.index + 0.5), y = top.y - 1;
          pen.moveTo(middle - 4, y - 6);
          pen.lineTo(middle + 4, y - 6);
          pen.lineTo(middle, y);
          pen.fill();
        }
      }
      pen.strokeStyle = colour("--line");
      pen.strokeRect(left, top.y, n * step, top.high);
      label("score 1", top.y + 5);
      label("of slice 0", top.y + top.high - 4);
    }
    if (area) {
      const most = Math.max(...area);
      pen.fillStyle = colour("--lesion");
      area.forEach((value, slice) => {
        const high = most ? (value / most) * low.high : 0;
        pen.fillRect(x(slice), low.y + low.high - high, Math.max(step - 0.3, 0.7), high);
      });
      pen.strokeStyle = colour("--line");
      pen.strokeRect(left, low.y, n * step, low.high);
      label("lesion area", low.y + 8);
      label(most ? `max ${most.toFixed(0)} ${info.area_unit}` : "none", low.y + 22);
    }
    label("slice", bottom + 4);
    pen.textAlign = "center";
    const every = [1, 2, 5, 10, 20, 50, 100, 200].find((k) => (n / k) * 34 < n * step) || 500;
    for (let k = 1; k <= n; k++)
      if (k === 1 || (k % every === 0 && (k - 1) * step > 24)) pen.fillText(String(k), x(k - 0.5), bottom + 4);
    const here = x(this.state.index.axial + 0.5);
    pen.strokeStyle = colour("--here");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(here, 4);
    pen.lineTo(here, bottom - 2);
    pen.stroke();
  }

  hatch(pen, x, y, width, height, colour) {
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = x - height; at < x + width; at += 6) {
      pen.moveTo(at, y + height);
      pen.lineTo(at + height, y);
    }
    pen.stroke();
    pen.restore();
  }
};
