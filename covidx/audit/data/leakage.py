"""Ids and copies where they must not be: across roles, data sets, patients and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from covidx.audit.data.copies import Copy
from covidx.audit.finding import Finding, Verdict
from covidx.wording import counted

KEYS = {
    "image": "images",
    "uid": "series or instance UIDs",
    "study": "studies",
    "patient": "patients",
    "group": "groups or sources",
}
HASH_SURE = "Certain, as far as the ids are right."
PIXELS_SURE = (
    "Nearly certain, by pixels alone: one picture was aligned with the other, and their fine "
    "structure correlated. Of copies planted among radiographs (cropped, mirrored, turned, saved "
    "again) more than 98 in 100 were found, and fewer than 1 pair in 100 was wrong "
    "(docs/audit.md); slices of CT were not measured. Less than half of an image, or a picture "
    "without structure, escapes."
)
NO_SPLITS = "No splits were named (--splits)."


def roleless_finding(
    table: pd.DataFrame, roles: pd.DataFrame | None, strange: list[dict[str, Any]]
) -> Finding:
    """Images that the splits do not name, and ids of the splits that name no image.

    Parameters
    ----------
    table : DataFrame
        As `listing.joined`.
    roles, strange
        As `roles.read_roles`; None and empty without splits.
    """
    what = ("images_without_role", "Splits and table")
    looked = "images without a role, and ids of the splits that are not in the table"
    if roles is None:
        return Finding(*what, "not looked at", looked, NO_SPLITS, "")
    without = len(table) - roles["row"].nunique()
    if not without and not strange:
        found = "Every image has a role, and all ids are known."
        return Finding(*what, "pass", looked, found, HASH_SURE)
    unknown = sum(row["unknown"] for row in strange)
    found = (
        f"Images without a role: {without} of {len(table)}; ids of the splits that the table does "
        f"not know: {unknown}."
    )
    to_do = "What has no role was not checked for leaks across roles: name the complete splits."
    return Finding(*what, "note", looked, found, HASH_SURE, to_do, strange)


def role_findings(table: pd.DataFrame, roles: pd.DataFrame | None) -> list[Finding]:
    """One finding for each kind of id: does it play several roles in one fold?

    Parameters
    ----------
    table : DataFrame
        As `listing.joined`.
    roles : DataFrame, optional
        As `roles.read_roles` gives it.
    """
    found = []
    for key, plural in KEYS.items():
        looked = f"{plural} with two roles in one fold"
        title = f"{plural[0].upper()}{plural[1:]} across roles"
        name = f"{key}_across_roles"
        if key not in table or roles is None:
            why = NO_SPLITS if roles is None else f"The table has no column of {plural}."
            found.append(Finding(name, title, "not looked at", looked, why, ""))
            continue
        rows = roles.assign(key=table[key].to_numpy()[roles["row"]]).dropna(subset=["key"])
        several = rows.groupby(["fold", "key"])["role"].transform("nunique") > 1
        evidence = [
            {"fold": str(fold)} | _by_role(part, table)
            for (fold, _), part in rows[several].groupby(["fold", "key"])
        ]
        found.append(
            Finding(
                name,
                title,
                "fail" if evidence else "pass",
                looked,
                f"{len(evidence)} of {rows['key'].nunique()} {plural} play several roles."
                if evidence
                else f"None of {rows['key'].nunique()} {plural} plays two roles.",
                HASH_SURE,
                "Divide by patient (covidx.cohort.make_splits) and train again: figures from these "
                "roles are too good."
                if evidence
                else "",
                evidence,
            )
        )
    return found


def _by_role(part: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    """Role -> the places of its rows."""
    places = {
        str(role): ", ".join(table["place"].iloc[rows["row"].unique()])
        for role, rows in part.groupby("role")
    }
    return {role: places.get(role, "") for role in ("train", "validation", "test")}


def copy_findings(
    table: pd.DataFrame, copies: Sequence[Copy], roles: pd.DataFrame | None
) -> list[Finding]:
    """What copies do: cross roles, data sets, patients or labels, or merely count twice.

    Parameters
    ----------
    table : DataFrame
        As `listing.joined`.
    copies : sequence of Copy
        Their places are rows of `table`.
    roles : DataFrame, optional
        As `roles.read_roles`.
    """
    role_of = {} if roles is None else _role_sets(roles)
    crossing: dict[str, list[dict[str, Any]]] = {
        kind: [] for kind in ("roles", "datasets", "patients", "labels", "within")
    }
    columns = {"datasets": "dataset", "patients": "unit", "labels": "label"}
    values = {k: table[c].to_numpy() for k, c in columns.items() if c in table}
    for copy in copies:
        a, b = copy.first, copy.second
        row = {
            "image": table["place"].iloc[a],
            "copy": table["place"].iloc[b],
            "kind": copy.kind,
            "how": copy.text,
        }
        apart = values["datasets"][a] != values["datasets"][b]
        if apart:
            crossing["datasets"].append(row)
        elif values["patients"][a] != values["patients"][b]:
            crossing["patients"].append(row)
        else:
            crossing["within"].append(row)
        if not apart and "labels" in values and _differ(values["labels"][a], values["labels"][b]):
            labels = {"label": values["labels"][a], "label of copy": values["labels"][b]}
            crossing["labels"].append(row | labels)
        for fold, one, other in _role_pairs(role_of, a, b):
            crossing["roles"].append(row | {"fold": fold, "roles": f"{one}, {other}"})
    return [
        _copy_finding(kind, rows, table, roles is not None, "labels" in values)
        for kind, rows in crossing.items()
    ]


def _differ(one: object, other: object) -> bool:
    return isinstance(one, str) and isinstance(other, str) and one != other


def _role_sets(roles: pd.DataFrame) -> dict[int, set[tuple[str, str]]]:
    pairs = zip(roles["fold"], roles["role"], strict=True)
    found: dict[int, set[tuple[str, str]]] = {}
    for row, pair in zip(roles["row"], pairs, strict=True):
        found.setdefault(int(row), set()).add(pair)
    return found


def _role_pairs(
    role_of: dict[int, set[tuple[str, str]]], a: int, b: int
) -> list[tuple[str, str, str]]:
    here, there = role_of.get(a, set()), role_of.get(b, set())
    return sorted((f, r, s) for f, r in here for g, s in there if f == g and r != s)


WORDS = {
    "roles": (
        "Copies across roles",
        "two images of one exposure that play different roles in one fold",
        "Give copies one group, divide again, train again.",
    ),
    "datasets": (
        "Copies across data sets",
        "images of one data set that are in another one",
        "The sets are not independent: leave the copies out of one of them before either tests a "
        "model trained on the other.",
    ),
    "patients": (
        "Copies under two patients",
        "one exposure under two patients or groups of one data set",
        "Join the patients (one group) before dividing: a division by patient would leak.",
    ),
    "labels": (
        "Copies with two labels",
        "one exposure that is labelled in two ways",
        "One of the labels is wrong: ask who read the image, or leave both out.",
    ),
    "within": (
        "Copies of one patient",
        "one exposure twice under the same patient or group",
        "Keep one of them: it counts twice.",
    ),
}


def _copy_finding(
    kind: str, rows: list[dict[str, Any]], table: pd.DataFrame, split: bool, labelled: bool
) -> Finding:
    title, looked, to_do = WORDS[kind]
    name = f"copies_across_{kind}" if kind != "within" else "copies_of_one_patient"
    why = ""
    if kind == "roles" and not split:
        why = NO_SPLITS
    elif kind == "datasets" and table["dataset"].nunique() < 2:
        why = "There is one data set only."
    elif kind == "labels" and not labelled:
        why = "The table has no column of labels."
    if why:
        return Finding(name, title, "not looked at", looked, why, "")
    if not rows:
        found = f"None among {counted(len(table), 'image')}."
        return Finding(name, title, "pass", looked, found, PIXELS_SURE)
    exact = sum(row["kind"] == "exact" for row in rows)
    pairs, near = counted(len(rows), "pair"), len(rows) - exact
    found = f"{pairs}: {exact} with the same pixels, {near} near copies."
    if kind == "datasets":
        found += " " + _per_set(rows, table)
    verdict: Verdict = "note" if kind == "within" else "fail"
    return Finding(name, title, verdict, looked, found, PIXELS_SURE, to_do, rows)


def _per_set(rows: list[dict[str, Any]], table: pd.DataFrame) -> str:
    """How many images of each set another set holds as well."""
    named = {str(row[end]) for row in rows for end in ("image", "copy")}
    sets = table.loc[table["place"].isin(named), "dataset"].value_counts()
    counts = [
        f"{sets.get(name, 0)} of {n} images of {name}"
        for name, n in table["dataset"].value_counts(sort=False).items()
        if name in sets
    ]
    return f"They concern {' and '.join(counts)}."
