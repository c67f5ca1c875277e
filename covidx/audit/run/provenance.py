"""Is what a run was made of, and what it made, still what it says: data, code, versions, hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from covidx.audit.finding import Finding, Verdict
from covidx.audit.run.folder import AnyRun, RunParts
from covidx.files import read_json, sha256_file
from covidx.runs import code_digest, git_commit, lock_digest, versions
from covidx.tables import MASKS, read_table, table_digest
from covidx.wording import counted

CERTAIN = "Certain: SHA-256 digests."
SEEN = ["image_id", "sha256", "label", "group_id"]
"""Columns of the manifest whose digest a bundle keeps; a bundle without classes keeps no label."""


def data_finding(run: AnyRun, store: Path | None, table: Path | None) -> Finding:
    """Do the images of the store, or the table that was read, still hash as recorded?

    Parameters
    ----------
    run : AnyRun
        Whose record and manifest have the digests.
    store : Path, optional
        Of the run's images.
    table : Path, optional
        The clinical table that was read, or that of readers' scores.
    """
    read = "the table that was read"
    looked = f"every image of the manifest in the store, and {read}, by SHA-256"
    rows: list[dict[str, Any]] = []
    seen = []
    if run.manifest is not None and store is not None:
        rows += _changed_images(run.manifest, store)
        seen.append(counted(len(run.manifest), "image"))
    recorded = run.record.data.get("table_sha256")
    if recorded is not None and table is not None:
        seen.append(read)
        if sha256_file(table) != recorded:
            rows.append({"place": read, "fault": "changed"})
    title, name = "Data as recorded", "data_unchanged"
    if not seen:
        why = "The data are not where the run's work folder has them (--work, --store)."
        return Finding(name, title, "not looked at", looked, why, "")
    found = f"{len(rows)} of {' and '.join(seen)} are not as they were."
    verdict: Verdict = "fail" if rows else "pass"
    return Finding(
        name,
        title,
        verdict,
        looked,
        found if rows else f"{' and '.join(seen)} are as they were.".capitalize(),
        CERTAIN,
        "Ingest the source again, or find out who changed it; figures of this run are of the data "
        "as they were."
        if rows
        else "",
        rows,
    )


def _changed_images(manifest: pd.DataFrame, store: Path) -> list[dict[str, Any]]:
    rows = []
    pairs = zip(manifest["path"], manifest["sha256"], strict=True)
    for line, (name, digest) in enumerate(pairs, 1):
        path = store / str(name)
        fault = "missing" if not path.is_file() else "changed"
        if fault == "missing" or sha256_file(path) != digest:
            rows.append({"place": f"manifest.parquet row {line}", "fault": fault})
    return rows


def code_finding(run: AnyRun) -> Finding:
    """Is this the code that trained the `run`?"""
    name, title = "code", "Code"
    looked = "the Python files of covidx that shape a result, by one digest over all; git commit"
    recorded, here = run.record.code_sha256, code_digest()
    then, now = run.record.git_commit, git_commit()
    commits = f"Trained at commit {then or 'unknown'}; this is {now or 'unknown'}."
    same = recorded == here if recorded else then == now and not str(then).endswith("+changes")
    if same:
        sure = CERTAIN if recorded else "As sure as git: the run has no digest of its code."
        return Finding(name, title, "pass", looked, f"It is the code that trained. {commits}", sure)
    if not recorded:
        return Finding(
            name,
            title,
            "note",
            looked,
            commits,
            "The run has no digest of its code.",
            _check_out(then),
        )
    found = f"It is not the code that trained. {commits}"
    return Finding(name, title, "fail", looked, found, CERTAIN, _check_out(then))


def _check_out(commit: str | None) -> str:
    if commit is None or commit.endswith("+changes"):
        return "No commit holds the code that trained: train again from a clean checkout."
    return f"Check out {commit} to replay this run, or train again."


def lock_finding(run: AnyRun) -> Finding:
    """Are these the locked versions that trained the `run`?"""
    name, title = "lock", "Lock and versions"
    looked = "requirements.lock by digest, and the installed versions of what shapes a result"
    then, now = run.record.versions, versions()
    rows = [
        {"package": key, "then": value, "now": now.get(key, "missing")}
        for key, value in then.items()
        if now.get(key) != value
    ]
    recorded, here = run.record.lock_sha256, lock_digest()
    locked = recorded is not None and here is not None
    if locked and recorded != here:
        digests = {"then": str(recorded)[:12], "now": str(here)[:12]}
        rows.append({"package": "requirements.lock", **digests})
    if rows:
        found = f"{len(rows)} of {len(then) + 1} differ."
        to_do = "Install the lock of the run's commit (make setup) to replay it."
        return Finding(name, title, "fail", looked, found, CERTAIN, to_do, rows)
    found = f"{len(then)} versions are the same" + (
        ", and so is the lock." if locked else "; there is no lock file on one of the sides."
    )
    return Finding(name, title, "pass", looked, found, CERTAIN)


def hashes_finding(run: AnyRun) -> Finding:
    """Do all parts of the `run` name the same split, bundle, manifest and run?"""
    rows = [
        {"what": what, **{"recorded in": place, "recorded": value, "found": actual}}
        for what, place, value, actual in _pairs(run)
        if value != actual
    ]
    looked = (
        "one split, bundle, manifest and run in every part that names them, each worked out again "
        "from the part itself"
    )
    found = f"{len(rows)} records disagree." if rows else "All records agree."
    to_do = (
        "Parts of several runs are mixed, or one was changed: copy the run again, or train again."
    )
    return Finding(
        "hashes_agree",
        "Parts belong together",
        "fail" if rows else "pass",
        looked,
        found,
        "Certain against mistakes. Someone who changes every record alike is not found out: "
        "hashes are no signature.",
        to_do if rows else "",
        rows,
    )


def _pairs(run: AnyRun) -> list[tuple[str, str, object, object]]:
    """(what, where it is recorded, recorded, found)."""
    data, bundle, record = run.record.data, run.bundle, run.record
    pairs: list[tuple[str, str, object, object]] = [
        ("bundle", "run.json", record.bundle_sha256, bundle.sha256),
        ("run", "bundle.json", bundle.run_id, record.run_id),
    ]
    if run.splits is not None:
        split = table_digest(run.splits)
        pairs += [
            ("split", "splits.json", read_json(run.folder / "splits.json").get("sha256"), split),
            ("split", "run.json", data.get("split_sha256"), split),
            ("split", "bundle.json", bundle.trained_on.split_sha256, split),
        ]
        if isinstance(run, RunParts):
            pairs += _of_predictions(run, split)
    if run.manifest is not None:
        whole = table_digest(run.manifest)
        pairs.append(("manifest", "run.json", data.get("manifest_sha256"), whole))
    trained = bundle.trained_on
    if run.manifest is not None and run.splits is not None and trained.manifest_sha256:
        part = table_digest(run.manifest[[n for n in SEEN if n != "label" or bundle.classes]])
        pairs.append(("manifest", "bundle.json", trained.manifest_sha256, part))
    if "masks.parquet" in run.known.files and "masks_sha256" in data:
        masks = read_table(run.folder / "masks.parquet", MASKS)[["image_id", "kind", "sha256"]]
        pairs.append(("masks", "run.json", data["masks_sha256"], table_digest(masks)))
    if trained.table_sha256 is not None:
        pairs.append(("table", "bundle.json", trained.table_sha256, data.get("table_sha256")))
    return pairs


def _of_predictions(run: RunParts, split: str) -> list[tuple[str, str, object, object]]:
    pairs: list[tuple[str, str, object, object]] = []
    for what, column, expected in (
        ("split", "split_sha256", split),
        ("bundle", "bundle_sha256", run.bundle.sha256),
        ("run", "run_id", run.record.run_id),
    ):
        values = run.main[column].unique() if column == "bundle_sha256" else run.predictions[column]
        pairs += [
            (what, "predictions.parquet", value, expected)
            for value in sorted(set(map(str, values)))
        ]
    return pairs
