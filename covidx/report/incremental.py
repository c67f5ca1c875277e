"""Figures of all arms side by side, on the patients that every arm has."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from covidx.evaluate import Estimate, Incremental, Rows
from covidx.report.canvas import DPI, GREY
from covidx.report.evaluation_figures import ARM_LINES, decision_curve_figure

LIMITS = (0.1, 0.2, 0.3, 0.5)
"""Threshold probabilities whose net benefit the page shows with intervals."""


def arms_curve_figure(incremental: Incremental, rows: Rows) -> Figure:
    """Decision curves of the arms of `incremental`; `rows` have positive class and level."""
    return decision_curve_figure(
        incremental.net_benefit, rows.positive, _population(incremental, rows)
    )


def arms_figure(incremental: Incremental, rows: Rows) -> Figure:
    """AUROC of every arm of `incremental`, over all `rows` and by stratum, with its interval."""
    lines = _lines(incremental, rows.positive)
    step = 0.7 / len(incremental.arms)
    height = 1.6 + (0.1 + 0.12 * len(incremental.arms)) * len(lines)
    figure = Figure(figsize=(7.2, height), layout="constrained", dpi=DPI)
    figure.suptitle(f"AUROC of each arm\n{_population(incremental, rows)}", fontsize=10)
    axes = figure.add_subplot()
    axes.axvline(0.5, color=GREY, linewidth=1, linestyle=":")
    lowest = 0.4
    for k, (arm, (colour, mark)) in enumerate(zip(incremental.arms, cycle(ARM_LINES))):
        for place, (_, estimates) in enumerate(lines):
            one, y = estimates[arm], place - 0.35 + (k + 0.5) * step
            if not np.isnan(one.low):
                axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.5)
                lowest = min(lowest, one.low)
            axes.plot(one.value, y, mark, color=colour, markersize=5, label="" if place else arm)
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(max(0.0, lowest - 0.02), 1.01)
    axes.hlines(np.arange(len(lines) - 1) + 0.5, 0, 1.01, color=GREY, linewidth=0.3)
    axes.set_xlabel("AUROC with its 95 % interval (0.5 is guessing)")
    axes.grid(axis="x", alpha=0.25)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _lines(incremental: Incremental, positive: str) -> list[tuple[str, dict[str, Estimate]]]:
    """What stands below each other: all, by CT, and the strata that are not held back."""
    arms = list(incremental.arms)
    lines = [
        (
            f"all ({incremental.positives}/{incremental.n})",
            {a: incremental.arms[a]["auroc"] for a in arms},
        )
    ]
    for name in next(iter(incremental.normal_ct.values())).rows if incremental.normal_ct else ():
        rows = {arm: incremental.normal_ct[arm].rows[name] for arm in arms}
        n = rows[arms[0]]["sensitivity"].n
        title = f"{positive} with {name} ({n})\nagainst all without {positive}"
        lines.append((title, {arm: row["auroc"] for arm, row in rows.items()}))
    for variables in zip(*incremental.strata.values(), strict=True):
        for strata in zip(*(v.strata for v in variables), strict=True):
            one = strata[0]
            if one.held_back or np.isnan(one.estimates["auroc"].value):
                continue
            title = f"{variables[0].name}: {one.name} ({one.positives}/{one.n})"
            aurocs = {arm: s.estimates["auroc"] for arm, s in zip(arms, strata, strict=True)}
            lines.append((title, aurocs))
    return lines


def _population(incremental: Incremental, rows: Rows) -> str:
    return (
        f"the same test rows for every arm, n = {incremental.n} {rows.level}s "
        f"({incremental.positives} {rows.positive}, {incremental.n - incremental.positives} rest)"
    )
