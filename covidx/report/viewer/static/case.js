"use strict";
/* The case page: state, controls and keys. */

covidx.start = function () {
  const info = JSON.parse(document.getElementById("case-data").textContent);
  const byPart = (name) => document.querySelector(`[data-part="${name}"]`);
  const html = document.documentElement;
  if (!info.result) covidx.unblind();
  if (!info.shape) return covidx.startWithoutImage(info);
  const volume = new covidx.Volume(info);
  const state = {
    info,
    volume,
    plane: "axial",
    index: { axial: html.classList.contains("blind") ? info.shape[0] >> 1 : info.start, coronal: info.shape[1] >> 1, sagittal: info.shape[2] >> 1 },
    level: info.windows[0][1],
    window: info.windows[0][2],
    zoom: 1,
    pan: [0, 0],
    opacity: 1,
    heat: true,
    truth: true,
    cells: false, // the grid of the network's own cells
    anyway: new Set(), // heatmaps that are shown although they failed
    overlay: null,
    pointer: null,
    blind: html.classList.contains("blind"),
  };
  let box = null; // the reader's
  const read = () => (box ? box.reads.all[info.unit] || {} : {});
  state.modelShown = () => !state.blind || Boolean(read().read);
  state.truthKnown = () => !state.blind && info.area !== null;
  state.heatShown = (number) => {
    if (!state.heat || !state.modelShown()) return false;
    const { verdict } = state.overlay.heat[number];
    return verdict === "passed" || verdict === "cannot tell" || state.anyway.has(number);
  };
  state.maskShown = (mask) => (mask.truth ? state.truth && !state.blind : state.heat && state.modelShown());
  state.placeText = () => {
    const index = state.index[state.plane];
    const count = covidx.planes[state.plane].count(volume);
    const noun = state.plane === "axial" ? "slice" : state.plane;
    let text = count === 1 ? "image" : `${noun} ${index + 1} of ${count}`;
    if (state.plane === "axial") {
      if (info.lps && count > 1) text += `  z ${place([(volume.columns - 1) / 2, (volume.rows - 1) / 2, index])[2].toFixed(1)} mm`;
      const instance = info.instances[index];
      if (instance !== undefined && instance !== null) text += `  instance ${instance}`;
    }
    return text;
  };
  const place = ([c, r, s]) =>
    [0, 1, 2].map((i) => info.lps[4 * i] * c + info.lps[4 * i + 1] * r + info.lps[4 * i + 2] * s + info.lps[4 * i + 3]);

  const panes = [
    new covidx.Pane(byPart("plain"), state, false),
    new covidx.Pane(byPart("overlay"), state, true),
  ];
  const strip = new covidx.Strip(byPart("strip"), state, (slice) => go(slice, "axial"));
  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      panes.forEach((pane) => pane.draw());
      if (!byPart("strip").hidden) strip.draw();
      tell();
    });
  };

  /* What stands in words beside the panes: place, legend, the map's verdict. */
  function tell() {
    const described = panes[1].described;
    const slider = byPart("slice");
    slider.max = covidx.planes[state.plane].count(volume) - 1;
    slider.value = state.index[state.plane];
    slider.setAttribute("aria-valuetext", state.placeText());
    byPart("legend").hidden = !state.overlay;
    const shown = byPart("map");
    shown.hidden = !state.modelShown() || !(info.result || info.heat);
    shown.replaceChildren();
    const line = (text, verdict = "") => {
      const p = document.createElement("p");
      const bold = document.createElement("b");
      bold.textContent = verdict;
      bold.className = verdict.includes("passed") ? "passed" : "failed";
      p.append(bold, text);
      shown.append(p);
    };
    if (!state.overlay) line("Loading the maps …");
    else if (!info.heat) line("No heatmap was made of this case.");
    else if (!described.length) line(`No heatmap of this ${state.plane === "axial" ? "slice" : "plane"}; maps: ${info.heat}.`);
    for (const heat of described) {
      const number = state.overlay.heat.indexOf(heat);
      const mark = { passed: "✓", failed: "✕", "no evidence": "–", "cannot tell": "?" }[heat.verdict];
      const exam = heat.verdict === "no evidence" ? "no evidence, nothing to show" : `exam ${heat.verdict}`;
      const cells = heat.cell_mm ? ` It cannot place anything finer than ${heat.cell_mm.join(" x ")} mm.` : "";
      line(` (map of ${heat.name}). ${heat.reason}${cells}`, `${mark} ${exam}`);
      if (heat.verdict === "failed") {
        const button = document.createElement("button");
        const on = state.anyway.has(number);
        button.textContent = on ? "Hide this failed map" : "Hidden since it failed: show anyway";
        button.addEventListener("click", () => {
          on ? state.anyway.delete(number) : state.anyway.add(number);
          draw();
        });
        shown.append(button);
      }
    }
  }

  function go(index, plane = state.plane) {
    state.plane = plane;
    const count = covidx.planes[plane].count(volume);
    state.index[plane] = Math.max(0, Math.min(count - 1, index));
    press();
    draw();
  }
  const move = (by) => go(state.index[state.plane] + by);

  /* Buttons that are switches show what they are set to. */
  function press() {
    const on = (name, value) => {
      const button = document.querySelector(`[data-do="${name}"]`);
      if (button) button.setAttribute("aria-pressed", String(value));
    };
    info.windows.forEach(([, level, wide], i) => on(`window ${i}`, state.level === level && state.window === wide));
    for (const plane of Object.keys(covidx.planes)) on(`plane ${plane}`, state.plane === plane);
    on("heat", state.heat);
    on("truth", state.truth);
    on("cells", state.cells);
  }

  const deciding = info.seen.filter((one) => one.weight > 0).sort((a, b) => b.score - a.score);
  let turn = -1;
  const actions = {
    heat: () => (state.heat = !state.heat),
    truth: () => (state.truth = !state.truth),
    cells: () => (state.cells = !state.cells),
    deciding: () => {
      if (!deciding.length || !state.modelShown()) return;
      turn = (turn + 1) % deciding.length;
      go(deciding[turn].index, "axial");
    },
    lesion: () => {
      if (state.truthKnown()) go(info.area.indexOf(Math.max(...info.area)), "axial");
    },
    reset: () => {
      state.zoom = 1;
      state.pan = [0, 0];
      [, state.level, state.window] = info.windows[0];
    },
    "zoom in": () => (state.zoom = Math.min(12, state.zoom * 1.25)),
    "zoom out": () => (state.zoom = Math.max(1, state.zoom / 1.25)),
    fainter: () => opacity(state.opacity - 0.2),
    stronger: () => opacity(state.opacity + 0.2),
    theme: () => {
      html.dataset.theme = html.dataset.theme === "light" ? "dark" : "light";
      covidx.setting("theme", html.dataset.theme);
    },
    help: () => (byPart("help").open = !byPart("help").open),
  };
  info.windows.forEach(([, level, wide], i) => {
    actions[`window ${i}`] = () => Object.assign(state, { level, window: wide });
  });
  for (const plane of Object.keys(covidx.planes))
    if (document.querySelector(`[data-do="plane ${plane}"]`)) actions[`plane ${plane}`] = () => (state.plane = plane);
  for (const name of ["next", "previous", "next error"])
    actions[name] = () => {
      const link = document.querySelector(`[data-go="${name}"]`);
      if (link && link.href && !link.hidden) location.href = link.href;
    };
  const act = (name) => {
    actions[name]();
    press();
    draw();
  };
  const opacity = (value) => {
    state.opacity = Math.max(0.2, Math.min(1, value));
    byPart("opacity").value = state.opacity;
  };
  for (const button of document.querySelectorAll("[data-do]"))
    button.addEventListener("click", () => act(button.dataset.do));
  byPart("opacity").addEventListener("input", (event) => {
    opacity(Number(event.target.value));
    draw();
  });
  byPart("slice").addEventListener("input", (event) => go(Number(event.target.value)));

  const KEYS = {
    ArrowUp: () => move(1), ArrowDown: () => move(-1), PageUp: () => move(10), PageDown: () => move(-10),
    Home: () => move(-1e6), End: () => move(1e6),
    "1": "window 0", "2": "window 1", "3": "window 2", a: "plane axial", c: "plane coronal", s: "plane sagittal",
    o: "heat", t: "truth", g: "cells", d: "deciding", l: "lesion", n: "next", p: "previous", e: "next error",
    "+": "zoom in", "=": "zoom in", "-": "zoom out", "0": "reset", "[": "fainter", "]": "stronger", m: "theme", "?": "help",
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=range]), textarea, select")) return;
    const what = KEYS[event.key];
    if (!what || (typeof what === "string" && !actions[what])) return;
    event.preventDefault();
    typeof what === "string" ? act(what) : what();
  });

  for (const pane of panes) {
    const { canvas } = pane;
    let from = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) act(event.deltaY < 0 ? "zoom in" : "zoom out");
      else move(event.deltaY < 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, level: state.level, window: state.window, pan: state.pan, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      const at = canvas.getBoundingClientRect();
      state.pointer = pane.voxel(event.clientX - at.left, event.clientY - at.top);
      if (from && event.buttons) {
        const dx = event.clientX - from.x, dy = event.clientY - from.y;
        from.moved = from.moved || Math.hypot(dx, dy) > 3;
        if (event.shiftKey || event.buttons & 6) state.pan = [from.pan[0] + dx, from.pan[1] + dy];
        else if (from.moved) {
          state.window = Math.max(1, from.window + dx * (info.windows[0][2] / 400));
          state.level = from.level + dy * (info.windows[0][2] / 400);
        }
      }
      readout();
      press();
      draw();
    });
    canvas.addEventListener("pointerup", () => {
      if (from && !from.moved && state.pointer) {
        const [c, r, s] = state.pointer; // the other planes go through this place
        Object.assign(state.index, { axial: s, coronal: r, sagittal: c });
      }
      from = null;
    });
    canvas.addEventListener("pointerleave", () => {
      state.pointer = null;
      readout();
      draw();
    });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  function readout() {
    const at = state.pointer;
    let text = info.copy_text;
    if (at) {
      const about = info.factor > 1 || info.step > 1 ? "about " : ""; // of a display copy
      text = `${about}${volume.at(...at)} ${info.unit_text}`;
      text += info.lps
        ? `  at x ${place(at).map((mm) => mm.toFixed(1)).join(", y ").replace(/, y ([^,]*)$/, ", z $1")} mm (LPS)`
        : `  at column ${at[0] * info.factor + 1}, row ${at[1] * info.factor + 1}`;
    }
    byPart("readout").textContent = text;
  }

  if (info.result)
    box = new covidx.ReadersBox(byPart("reader"), state, () => {
      html.classList.toggle("committed", Boolean(read().read));
      draw();
    });
  html.classList.toggle("committed", Boolean(read().read));
  covidx.neighbours(info, state.blind);
  for (const name of ["strip", "slice"]) byPart(name).hidden = info.shape[0] < 2;
  new ResizeObserver(draw).observe(document.querySelector(".panes"));
  // On paper the strip has the colours of paper: drawn at once, since printing does not wait.
  matchMedia("print").addEventListener("change", () => byPart("strip").hidden || strip.draw());
  byPart("viewer").hidden = false;
  readout();
  press();
  draw();
  volume.load(() => state.index.axial, draw).then(() => (html.dataset.loaded = "yes"));
  covidx.loadLayers().then((layers) => {
    state.overlay = new covidx.Overlay(volume, layers);
    html.dataset.layers = "yes";
    draw();
  });
  covidx.state = state;
};

document.addEventListener("DOMContentLoaded", covidx.start);
