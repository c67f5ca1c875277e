"""What the labels say: conflicts, sources that hold one class, columns that give them away."""

from __future__ import annotations

from typing import Any

import pandas as pd

from covidx.audit.data.association import FEWEST, Association
from covidx.audit.finding import RULED_OUT, Finding, Verdict
from covidx.evaluate.estimate import CONFIDENCE, Estimate
from covidx.wording import counted

ALARM = 1 - CONFIDENCE
"""Chance of any alarm, over all tests together, in a table whose columns know nothing."""
SMALL_V, SMALL_AUROC = 0.1, 0.55
"""Below these an association is real and does not matter: Cohen's (1988) small effect, w = 0.1."""
WIDE_V = 0.7
"""As `RULED_OUT` for an AUROC: a V that an interval must lie below for a column to pass. With fewer
than some 20 patients none does. Modelling choice."""
NO_LABEL = "The table has no column of labels."


def conflict_finding(table: pd.DataFrame) -> Finding:
    """Patients (groups) of `table` whose images have several labels."""
    what = ("patient_with_two_labels", "Patients with two labels")
    looked = "patients or groups whose images have different labels"
    if "label" not in table:
        return Finding(*what, "not looked at", looked, NO_LABEL, "")
    known = table.dropna(subset=["label"])
    several = known[known.groupby("unit")["label"].transform("nunique") > 1]
    rows = [
        {"labels": " and ".join(sorted(part["label"].unique())), "images": ", ".join(part["place"])}
        for _, part in several.groupby("unit")
    ]
    sure = "Certain as far as the ids are right."
    if not rows:
        return Finding(*what, "pass", looked, f"None of {known['unit'].nunique()}.", sure)
    combined = pd.Series([row["labels"] for row in rows]).value_counts()
    kinds = "; ".join(f"{labels}: {n}" for labels, n in combined.items())
    found = f"{len(rows)} of {known['unit'].nunique()} have images in several classes ({kinds})."
    to_do = (
        "A patient may recover, or a label may be wrong: look at them. Divide by patient, never by "
        "class folder, or the same lungs lie on both sides."
    )
    return Finding(*what, "note", looked, found, sure, to_do, rows)


def repeat_finding(table: pd.DataFrame) -> Finding:
    """Patients, groups or sources of `table` with several images."""
    sizes = table.groupby(["dataset", "unit"]).size()
    rows: list[dict[str, Any]] = []
    for dataset, part in sizes.groupby(level="dataset"):
        rows.append(
            {
                "data set": dataset,
                "images": int(part.sum()),
                "patients or groups": len(part),
                "with several images": int((part > 1).sum()),
                "largest": int(part.max()),
            }
        )
    several = int((sizes > 1).sum())
    looked = "patients, groups or sources with several images"
    name, title = "repeated_groups", "Several images of one patient or source"
    sure = "Certain as far as the ids are right; a missing id counts as one patient."
    if not several:
        return Finding(name, title, "pass", looked, "Each image has its own.", sure)
    found = (
        f"{counted(len(table), 'image')} of {len(sizes)} patients or groups; several images of "
        f"{several} of these, {int(sizes[sizes > 1].sum())} in all."
    )
    to_do = "Divide by patient or group, not by image; give n in patients."
    return Finding(name, title, "note", looked, found, sure, to_do, rows)


def site_finding(table: pd.DataFrame) -> Finding:
    """Class by site, source or data set of `table`: where each class comes from."""
    column = next((c for c in ("site", "source") if c in table), None)
    name, title = "class_by_site", "Class by site"
    looked = "sites, sources or data sets that delivered one class only"
    if "label" not in table or (column is None and table["dataset"].nunique() < 2):
        why = NO_LABEL if "label" not in table else "The table has no column of sites or sources."
        return Finding(name, title, "not looked at", looked, why, "")
    known = table.dropna(subset=["label"]).drop_duplicates(["unit", "label"])
    within = "" if column is None else ": " + known[column].fillna("unknown")
    known = known.assign(site=known["dataset"] + within)
    counts = pd.crosstab(known["site"], known["label"])
    rows = [
        {"site": site} | {str(k): v for k, v in row.items()}
        for site, row in counts.T.to_dict().items()
    ]
    large = counts[counts.sum(axis=1) >= FEWEST]
    single = int(((large > 0).sum(axis=1) == 1).sum())
    found = (
        f"{single} of {len(large)} with at least {FEWEST} patients delivered one class only; "
        f"{len(counts) - len(large)} smaller ones."
    )
    verdict: Verdict = "note" if single and counts.shape[1] > 1 else "pass"
    to_do = "Test within sites that have both classes." if verdict == "note" else ""
    sure = (
        f"A count of patients; whether it goes beyond chance is tested under 'Label and {column}'."
    )
    return Finding(name, title, verdict, looked, found, sure, to_do, rows)


def association_findings(found: list[Association], untested: dict[str, str]) -> list[Finding]:
    """One finding a test in `found`, and one on the columns in `untested`."""
    findings = [_association(one) for one in found]
    if untested or not found:
        lines = [{"column": name, "why": why} for name, why in untested.items()]
        number = f"{counted(len(lines), 'column')}."
        tested = number if lines else "No column but the label is known."
        findings.append(
            Finding(
                "untested_columns",
                "Columns that were not tested",
                "not looked at",
                "columns that could not be tested against the label",
                tested,
                "",
                rows=lines,
            )
        )
    return findings


def _large(estimate: Estimate, nominal: bool) -> bool:
    """Whether it matters. Two distributions may differ surely and yet have no order: then not."""
    if nominal:
        return estimate.value >= SMALL_V
    ordered = not estimate.low <= 0.5 <= estimate.high
    return ordered and max(estimate.value, 1 - estimate.value) >= SMALL_AUROC


def _wide(estimate: Estimate, nominal: bool) -> bool:
    """Whether a column that tells much could hide in the interval."""
    if nominal:
        return estimate.high >= WIDE_V
    return max(estimate.high, 1 - estimate.low) >= RULED_OUT


def _association(one: Association) -> Finding:
    test, nominal = one.test, one.counts is not None
    adjusted = 1.0 if test.adjusted is None else test.adjusted
    large = _large(one.estimate, nominal)
    verdict: Verdict = "cannot tell" if _wide(one.estimate, nominal) else "pass"
    if adjusted < ALARM:
        verdict = "fail" if large else "note"
    measure = "Cramér's V" if nominal else f"AUROC, {one.detail}"
    scale = "V: 0 not at all, 1 fully" if nominal else "AUROC: 0.5 not at all, 0 or 1 fully"
    found = f"{measure} {one.estimate}, {counted(one.estimate.n, 'patient')}."
    sure = (
        f"p = {adjusted:.2g} after Holm's correction over {test.family} tests ({test.method}), one "
        f"image a patient. A table whose columns know nothing raises any of these alarms in 5 % "
        "of cases at most."
    )
    to_do = (
        f"A model may read the {one.column} instead of the lung. Show what the {one.column} alone "
        "reaches on the same folds, test within its values, or collect both classes alike."
    )
    rows = []
    if one.counts is not None:
        rows = [
            {one.column: level} | {str(k): v for k, v in row.items()}
            for level, row in one.counts.T.to_dict().items()
        ]
    return Finding(
        f"label_by_{one.column}".replace(" ", "_"),
        f"Label and {one.column}, {one.dataset}",
        verdict,
        f"whether the {one.column} tells the label ({scale})",
        found,
        sure,
        to_do if verdict == "fail" else "",
        rows,
        one.estimate,
        test,
    )
