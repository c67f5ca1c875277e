"use strict";
/* The list of cases: filters, blind reading, and what readers answered. */

document.addEventListener("DOMContentLoaded", () => {
  const html = document.documentElement;
  const list = document.querySelector(".list");
  if (!list) return;
  const rows = [...list.querySelectorAll("tr[data-case]")];
  const dots = [...list.querySelectorAll("a.dot")];
  const chosen = { filter: "", label: "", scanner: "", lesion: "" };
  const reads = new covidx.Reads(list.dataset.run);

  const fits = (row) => {
    const { error, near, label, scanner, lesion } = row.dataset;
    if (chosen.filter === "error" && !error) return false;
    if (chosen.filter === "near" && !near) return false;
    if (["missed", "false alarm"].includes(chosen.filter) && error !== chosen.filter) return false;
    if (chosen.label && label !== chosen.label) return false;
    if (chosen.scanner && scanner !== chosen.scanner) return false;
    return !chosen.lesion || Number(lesion || 0) >= Number(chosen.lesion);
  };
  const show = () => {
    const kept = new Set();
    for (const row of rows) {
      row.hidden = !fits(row);
      if (!row.hidden) kept.add(row.dataset.case);
    }
    for (const dot of dots) dot.classList.toggle("faint", !kept.has(dot.dataset.case));
    list.querySelector('[data-part="count"]').textContent = `${kept.size} of ${rows.length} shown`;
    const all = reads.all;
    for (const row of rows) {
      const read = all[row.dataset.unit], cell = row.querySelector('[data-part="read"]');
      if (cell) cell.textContent =
        read && read.read ? read.answer || `rated ${read.read}` : "";
    }
  };
  for (const button of list.querySelectorAll("[data-filter]"))
    button.addEventListener("click", () => {
      chosen.filter = button.dataset.filter;
      for (const other of list.querySelectorAll("[data-filter]"))
        other.setAttribute("aria-pressed", String(other === button));
      show();
    });
  for (const input of list.querySelectorAll("[data-choose]"))
    input.addEventListener("input", () => {
      chosen[input.dataset.choose] = input.value;
      show();
    });
  list.querySelector("[data-export]")?.addEventListener("click", () =>
    covidx.download("reads.csv", reads.csv(covidx.setting("reader") || "reader"))
  );
  list.querySelector("[data-theme-switch]").addEventListener("click", () => {
    html.dataset.theme = html.dataset.theme === "light" ? "dark" : "light";
    covidx.setting("theme", html.dataset.theme);
  });

  /* Blind readers see neither scores nor truth, and no order that gives them away. */
  const blind = list.querySelector("[data-blind]");
  if (!blind) {
    covidx.unblind();
    return show();
  }
  const order = () => {
    const on = html.classList.contains("blind");
    blind.setAttribute("aria-pressed", String(on));
    const body = rows[0] && rows[0].parentNode;
    const sorted = on ? [...rows].sort((a, b) => (a.dataset.case < b.dataset.case ? -1 : 1)) : rows;
    for (const row of sorted) body.append(row);
    if (on) chosen.filter = chosen.label = chosen.lesion = "";
    show();
  };
  blind.addEventListener("click", () => {
    html.classList.toggle("blind");
    covidx.setting("blind", html.classList.contains("blind") ? "yes" : "no");
    order();
  });
  window.addEventListener("pageshow", show); // back from a case
  order();
});
