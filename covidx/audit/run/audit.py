"""The audit of a run's folder: everything looked at, in one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from covidx.audit.finding import Finding, Overall, gravest_first, overall
from covidx.audit.run.division import divided_finding, duplicate_finding, rows_finding
from covidx.audit.run.figures import metrics_finding, threshold_finding
from covidx.audit.run.folder import AnyRun, RunParts, read_run
from covidx.audit.run.identity import identity_finding, originals_of
from covidx.audit.run.provenance import (
    code_finding,
    data_finding,
    hashes_finding,
    lock_finding,
)
from covidx.audit.run.scores import bundle_finding, scores_finding
from covidx.errors import CovidxError
from covidx.imaging import BagCache, build_cache, load_thumbnails, thumbnails
from covidx.inference import Predictor

Progress = Callable[[int, int], None]
NOT_CLASSIFIED = Finding(
    "recomputed",
    "Results from the bundle",
    "not looked at",
    "near-duplicates, threshold, scores and metrics, worked out again",
    "That is done for classifiers alone; covidx reproduce trains this run again and compares all.",
    "",
)


@dataclass(frozen=True)
class Places:
    """Where what a run was made of lies on this machine; None where it does not.

    Parameters
    ----------
    store : Path, optional
        Its images.
    table : Path, optional
        Its clinical table.
    cache : Path, optional
        Folder of caches: the run's own is reused, or made again in it.
    """

    store: Path | None = None
    table: Path | None = None
    cache: Path | None = None


@dataclass(frozen=True)
class RunAudit:
    """What was audited, and what was found; the gravest findings first."""

    run: AnyRun
    facts: list[tuple[str, str]]
    findings: list[Finding] = field(repr=False)

    @property
    def verdict(self) -> Overall:
        """As `finding.overall`."""
        return overall(self.findings)


def audit_run(folder: Path, at: Places, progress: Progress | None = None) -> RunAudit:
    """Audit a run of a pipeline that trains.

    Parameters
    ----------
    folder : Path
        The run's.
    at : Places
        A question to data that are not here is answered ``not looked at``.
    progress : callable, optional
        Told (images prepared, all), where the run's cache is made again.

    Raises
    ------
    InvalidInputError
        As `folder.read_run`: ``RUN_MISSING``, ``RUN_KIND``, ``RUN_UNFINISHED``, ``RUN_INCOMPLETE``.
    InvalidTableError, BundleError
        A table or bundle of another form.
    """
    run = read_run(folder)
    bundle, predictor = bundle_finding(run)
    findings = [
        data_finding(run, at.store, at.table),
        code_finding(run),
        lock_finding(run),
        bundle,
        hashes_finding(run),
        divided_finding(run),
    ]
    if isinstance(run, RunParts):
        cache = _cache(run, predictor, at, progress)
        findings += [
            *_duplicates(run, cache),
            rows_finding(run),
            threshold_finding(run),
            scores_finding(run, predictor, cache),
            metrics_finding(run),
        ]
    else:
        findings.append(NOT_CLASSIFIED)
    findings.append(identity_finding(run, originals_of(at.store)))
    return RunAudit(run, _facts(run), gravest_first(findings))


def _cache(
    run: RunParts, predictor: Predictor | None, at: Places, progress: Progress | None
) -> BagCache | CovidxError | None:
    """The run's images as its bundle prepares them; why they cannot be, or None."""
    image = getattr(predictor, "image", predictor)  # of a fusion, its image arm
    how = None if image is None else getattr(image.bundle.recipe, "preprocessing", None)
    if how is None or run.manifest is None or at.store is None or at.cache is None:
        return None
    try:
        return build_cache(at.store, run.manifest, how, at.cache, progress=progress)
    except CovidxError as error:
        return error


def _duplicates(run: RunParts, cache: BagCache | CovidxError | None) -> list[Finding]:
    if run.manifest is None:
        return []
    if isinstance(cache, BagCache):
        prepared = [name for name in run.manifest["image_id"] if name in cache]
        whole = len(prepared) == len(run.manifest)
        return [duplicate_finding(run, thumbnails(cache, prepared), whole)]
    return [duplicate_finding(run, load_thumbnails(run.folder), False)]


def _facts(run: AnyRun) -> list[tuple[str, str]]:
    record = run.record
    if isinstance(run, RunParts):
        arms = ", ".join(sorted(run.predictions["arm"].unique()))
        of = ("Predictions", f"{_by_role(run.predictions, 'unit_id')}; arms {arms}")
    elif run.splits is not None:
        of = ("Patients", _by_role(run.splits, "patient_id"))
    else:
        of = ("Images", "0" if run.manifest is None else str(len(run.manifest)))
    return [
        ("Run", f"{record.pipeline} {record.run_id}, started {record.started}"),
        ("Data set", str(record.data["dataset"])),
        of,
        ("Bundle", run.bundle.sha256),
        ("Code", f"commit {record.git_commit or 'unknown'}"),
    ]


def _by_role(table: pd.DataFrame, unit: str) -> str:
    roles = table.groupby("role")[unit].nunique()
    return ", ".join(
        f"{roles[role]} {role}" for role in ("train", "validation", "test") if role in roles
    )
