"""Does the run's split leak: groups, patients, near-duplicates; do the predictions follow it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.audit.finding import Finding
from covidx.audit.run.folder import AnyRun, RunParts
from covidx.cohort import find_duplicates
from covidx.tables import OUT_OF_FOLD
from covidx.wording import counted

HASHED = "Certain, as far as ids are right."
PIXELS = (
    "By pixels of a thumbnail of 64 x 64: copies that were saved again or brightened are found, a "
    "crop of a few per cent escapes. covidx audit data looks closer."
)

NEW_SPLIT = "Divide by group (covidx.cohort.make_splits) and train again: the figures are too good."


def divided_finding(run: AnyRun) -> Finding:
    """Does a group or patient play two roles in one fold of the `run`?

    Looks at the split and, of a classifier, at the predictions.
    """
    name, title = "groups_and_patients", "Groups and patients across roles"
    looked = "groups and patients with two roles in one fold, in the split and in the predictions"
    if run.splits is None:
        why = "Each patient was left out in turn: there are no roles."
        return Finding(name, title, "not looked at", looked, why, "")
    tables = {"splits.parquet": run.splits}
    if isinstance(run, RunParts):
        tables["predictions.parquet"] = run.predictions
    rows: list[dict[str, Any]] = []
    for place, table in tables.items():
        table = table.reset_index(drop=True)
        for key in ("group_id", "patient_id"):
            by = ["fold", key]
            several = table.groupby(by)["role"].transform("nunique") > 1
            for _, part in table[several].groupby(by):
                roles = ", ".join(sorted(part["role"].unique()))
                lines = ", ".join(str(line + 1) for line in part.index[:8])
                what = {"what": key.removesuffix("_id"), "roles": roles}
                rows.append({**what, "place": f"{place} rows {lines}"})
    n = run.splits[["group_id", "patient_id"]].nunique()
    found = (
        f"Groups or patients in two roles: {len(rows)}."
        if rows
        else f"No group ({n['group_id']}) and no patient ({n['patient_id']}) is in two roles."
    )
    return Finding(
        name,
        title,
        "fail" if rows else "pass",
        looked,
        found,
        HASHED,
        NEW_SPLIT if rows else "",
        rows,
    )


def rows_finding(run: RunParts) -> Finding:
    """Do the predictions of the `run` have the roles of its split and its manifest's labels?"""
    table = run.predictions.reset_index(drop=True)
    faults = pd.DataFrame({"line": table.index + 1})
    roles = run.splits.drop_duplicates(["group_id", "fold"]).set_index(["group_id", "fold"])["role"]
    expected = roles.reindex(pd.MultiIndex.from_frame(table[["group_id", "fold"]])).to_numpy()
    role = table["role"].to_numpy()
    # Cross-fitted: a training row, scored by a model of a fold that left it out.
    cross_fitted = (role == OUT_OF_FOLD) & (expected == "train")
    faults["role"] = (role != expected) & ~cross_fitted
    if run.manifest is not None:
        key = "image_id" if (table["level"] == "image").any() else "patient_id"
        label = run.manifest.drop_duplicates(key).set_index(key)["label"]
        known = label.reindex(table["unit_id"]).to_numpy()
        predicted = table["label"].to_numpy()
        if set(label.dropna()) <= set(run.bundle.classes or ()):
            faults["label"] = known != predicted
        else:  # the rest is one class there, and a patient may have no image
            differs = (known == run.positive) != (predicted == run.positive)
            faults["label"] = differs & pd.notna(known)
    wrong = [name for name in faults if name != "line"]
    rows = [
        {"place": f"predictions.parquet row {row['line']}", "what": name}
        for row in faults.to_dict("records")
        for name in wrong
        if row[name]
    ]
    left_out = _without_prediction(run)
    rows += [{"place": place, "what": "has no prediction"} for place in left_out]
    what = " and ".join(f"{name}s" for name in wrong)
    return Finding(
        "rows_agree",
        "Predictions follow the split",
        "fail" if rows else "pass",
        "roles of the predictions in the split, their labels in the manifest, images without one",
        f"Rows that disagree: {len(rows)}."
        if rows
        else f"The {what} agree in {counted(len(table), 'row')}.",
        HASHED,
        "Take the predictions of the run itself, or train again." if rows else "",
        rows,
    )


def _without_prediction(run: RunParts) -> list[str]:
    """Images of the manifest, in the roles that were predicted, that have no row."""
    if run.manifest is None:
        return []
    units = set(run.predictions["unit_id"])
    key = "image_id" if (run.predictions["level"] == "image").any() else "patient_id"
    roles = run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
    scored = set(run.predictions["role"].replace(OUT_OF_FOLD, "train"))
    predicted = run.manifest["group_id"].map(roles).isin(scored)
    missing = predicted & ~run.manifest[key].isin(units)
    return [f"manifest.parquet row {line}" for line in np.flatnonzero(missing) + 1]


def duplicate_finding(
    run: RunParts, pictures: Mapping[str, NDArray[np.uint8]], whole: bool
) -> Finding:
    """Are there near-duplicates across roles?

    Parameters
    ----------
    run : RunParts
        Must have a manifest.
    pictures : mapping
        image_id -> thumbnail, of all images, or of those that the run kept.
    whole : bool
        Whether those are all images.
    """
    name, title = "near_duplicates", "Near-duplicates across roles"
    looked = "pairs of images with the same fine structure that play different roles"
    assert run.manifest is not None
    roles = dict(zip(run.splits["group_id"], run.splits["role"], strict=True))
    of = dict(zip(run.manifest["image_id"], run.manifest["group_id"].map(roles), strict=True))
    line = {image: number for number, image in enumerate(run.manifest["image_id"], 1)}
    known = {image: picture for image, picture in pictures.items() if image in of}
    rows = [
        {
            "image": f"manifest.parquet row {line[pair.image_a]}",
            "copy": f"manifest.parquet row {line[pair.image_b]}",
            "roles": f"{of[pair.image_a]}, {of[pair.image_b]}",
            "correlation": round(pair.correlation, 3),
        }
        for pair in find_duplicates(known)
        if of[pair.image_a] != of[pair.image_b]
    ]
    scope = counted(len(known), "image") + (
        "" if whole else " of training and validation; those of the test were not to be had"
    )
    return Finding(
        name,
        title,
        "fail" if rows else "pass",
        looked,
        f"{counted(len(rows), 'pair')} among {scope}." if rows else f"None among {scope}.",
        PIXELS,
        NEW_SPLIT if rows else "",
        rows,
    )
