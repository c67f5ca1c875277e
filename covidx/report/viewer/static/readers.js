"use strict";
/* What a reader answered: kept in the browser, given out as the table that evaluation reads. */

covidx.Reads = class {
  constructor(run) {
    this.key = `covidx reads ${run}`;
    this.memory = {};
    try {
      localStorage.setItem("covidx", "1");
      this.kept = true;
    } catch {
      this.kept = false; // refused, as some browsers do for pages on a disk
    }
  }

  get all() {
    try {
      if (this.kept) return JSON.parse(localStorage.getItem(this.key) || "{}");
    } catch {
      return {};
    }
    return this.memory;
  }

  set(unit, read) {
    const all = this.all;
    all[unit] = read;
    this.memory = all;
    try {
      if (this.kept) localStorage.setItem(this.key, JSON.stringify(all));
    } catch {
      this.kept = false; // full
    }
  }

  /* A rating from 1 to 5 of the positive class; a reader who is unsure has 3, which is negative. */
  static rating(answer, called) {
    return { agree: called ? 5 : 1, disagree: called ? 1 : 5, unsure: 3 }[answer];
  }

  csv(reader) {
    const columns = ["unit_id", "reader", "read", "answer", "blind", "comment", "seconds", "read_at"];
    const cell = (value) => {
      let text = value === undefined || value === null ? "" : String(value);
      if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would take it for a formula
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const rows = Object.entries(this.all).filter(([, read]) => read.read);
    const lines = rows.map(([unit, read]) =>
      // Ids as they are: they must match the predictions.
      [`"${unit.replaceAll('"', '""')}"`, ...columns.slice(1).map((name) => cell(name === "reader" ? reader : read[name]))].join(",")
    );
    return [columns.join(","), ...lines].join("\n") + "\n";
  }
};

covidx.setting = (name, value) => {
  try {
    if (value === undefined) return localStorage.getItem(`covidx ${name}`);
    localStorage.setItem(`covidx ${name}`, value);
  } catch {
    return null;
  }
  return value;
};

covidx.download = (name, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

/* The reader's box of a case page. */
covidx.ReadersBox = class {
  constructor(box, state, changed) {
    const { info } = state;
    const find = (name) => box.querySelector(`[data-part="${name}"]`);
    const reads = (this.reads = new covidx.Reads(info.run));
    const before = reads.all[info.unit] || {};
    const name = find("name"), comment = find("comment"), done = find("done");
    let seconds = before.seconds || 0;
    setInterval(() => document.visibilityState === "visible" && seconds++, 1000);
    name.value = covidx.setting("reader") || "";
    name.addEventListener("change", () => covidx.setting("reader", name.value.trim()));
    comment.value = before.comment || "";

    const save = (change) => {
      const read = { ...(reads.all[info.unit] || {}), ...change, comment: comment.value, seconds };
      read.read_at = new Date().toISOString().slice(0, 19) + "Z";
      reads.set(info.unit, read);
      this.show();
      changed();
    };
    const answers = [...box.querySelectorAll("[data-answer]")];
    const ratings = [...box.querySelectorAll("[data-rating]")];
    for (const button of answers)
      button.addEventListener("click", () => {
        const answer = button.dataset.answer;
        const blind = (reads.all[info.unit] || {}).blind === "yes";
        const rating = covidx.Reads.rating(answer, info.result && info.result.called);
        save(blind ? { answer } : { answer, read: rating, blind: "no" });
      });
    for (const button of ratings)
      button.addEventListener("click", () =>
        save({ read: Number(button.dataset.rating), blind: "yes" })
      );
    comment.addEventListener("change", () => reads.all[info.unit] && save({}));
    find("export").addEventListener("click", () =>
      covidx.download("reads.csv", reads.csv(name.value.trim() || "reader"))
    );
    this.show = () => {
      find("memory").hidden = reads.kept;
      const read = reads.all[info.unit] || {};
      const n = Object.values(reads.all).filter((one) => one.read).length;
      find("blind").hidden = !state.blind || Boolean(read.read);
      find("open").hidden = state.blind && !read.read;
      for (const button of answers)
        button.setAttribute("aria-pressed", String(button.dataset.answer === read.answer));
      done.textContent = read.read
        ? `Kept: ${read.answer || `rated ${read.read} of 5, blind`}. ${n} case${n === 1 ? "" : "s"} read.`
        : `Not read yet. ${n} case${n === 1 ? "" : "s"} read.`;
    };
    this.show();
  }
};
