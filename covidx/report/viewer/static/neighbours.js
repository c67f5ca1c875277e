"use strict";
/* What a case page has besides the image: the way to other cases. */

/* A page that was written without images has the reader's box and the way to other cases. */
covidx.startWithoutImage = function (info) {
  const html = document.documentElement;
  if (!info.result) {
    covidx.unblind();
    return covidx.neighbours(info, false);
  }
  const state = { info, blind: html.classList.contains("blind") };
  const show = () => html.classList.toggle("committed", Boolean((box.reads.all[info.unit] || {}).read));
  const box = new covidx.ReadersBox(document.querySelector('[data-part="reader"]'), state, () => show());
  show();
  covidx.neighbours(info, state.blind);
};

/* Next, previous and next error, by the list that lies beside the cases' folders. */
covidx.neighbours = async function (info, blind) {
  let cases;
  try {
    cases = await covidx.script("cases", "../cases.js");
  } catch {
    return; // this folder was handed on alone
  }
  // Worst error first tells a blind reader what is wrong: then the order is that of the folders.
  if (blind) cases = [...cases].sort((a, b) => (a.folder < b.folder ? -1 : 1));
  const here = cases.findIndex((one) => one.folder === info.folder);
  if (here < 0) return;
  const errors = blind ? [] : [...cases.slice(here + 1), ...cases.slice(0, here)].filter((one) => one.error);
  const go = (name, target) => {
    const link = document.querySelector(`[data-go="${name}"]`);
    link.hidden = !target;
    if (target) link.href = `../${encodeURIComponent(target.folder)}/index.html`;
  };
  go("next", cases[here + 1]);
  go("previous", cases[here - 1]);
  go("next error", errors[0]);
  document.querySelector('[data-part="rank"]').textContent = `${here + 1} of ${cases.length}`;
};
