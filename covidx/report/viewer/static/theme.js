"use strict";
const covidx = (window.covidx = {});

/* Before anything is painted: dark unless light was chosen, and what blind readers must not see. */
{
  const kept = (name) => {
    try {
      return localStorage.getItem(`covidx ${name}`);
    } catch {
      return null;
    }
  };
  document.documentElement.dataset.theme = kept("theme") === "light" ? "light" : "dark";
  if (kept("blind") === "yes") document.documentElement.classList.add("blind");
}

/* A page without a decision has nothing for blind readers to rate before they may see it. */
covidx.unblind = () => document.documentElement.classList.remove("blind");
