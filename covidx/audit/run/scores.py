"""Do the predictions come out of the bundle again?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.audit.finding import Finding
from covidx.audit.run.folder import AnyRun, RunParts
from covidx.errors import CovidxError
from covidx.imaging import BagCache
from covidx.inference import PARITY_TOLERANCE, Predictor, load
from covidx.kinds import resolve
from covidx.tables import OUT_OF_FOLD, probability_columns
from covidx.wording import counted


def bundle_finding(run: AnyRun) -> tuple[Finding, Predictor | None]:
    """Is the bundle of the `run` as it was saved, and does it still give its parity cases?

    Returns
    -------
    finding : Finding
    predictor : Predictor, optional
        None where the bundle cannot be used.
    """
    name, title = "bundle_unchanged", "Bundle as saved"
    looked = "the digest of every file of the bundle, and made-up cases with known scores"
    sure = "Certain of the files; parity to 1e-5."
    try:
        predictor = load(run.folder / "bundle", "cpu")
    except CovidxError as error:
        rows = [{"code": error.code, "part": _part(error, run.folder), "reason": error.message}]
        found = f"{error.message} ({error.code}: {rows[0]['part']})"
        to_do = error.hint or "Take an undamaged copy of the bundle, or train again."
        return Finding(name, title, "fail", looked, found, sure, to_do, rows), None
    found = f"It is as it was saved ({run.bundle.sha256[:12]}) and scores its own cases alike."
    return Finding(name, title, "pass", looked, found, sure), predictor


def _part(error: CovidxError, folder: Path) -> str:
    """The file at fault, relative to the run."""
    path = Path(error.path or folder)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def scores_finding(
    run: RunParts, predictor: Predictor | None, cache: BagCache | CovidxError | None
) -> Finding:
    """Score every unit again and compare.

    Parameters
    ----------
    run : RunParts
        A run of a classifier.
    predictor : Predictor, optional
        None where the bundle cannot be used.
    cache : BagCache, optional
        The run's images, prepared; why they cannot be, as an error; None where they are not here.
    """
    name, title = "predictions_recompute", "Predictions from the bundle"
    looked = f"every prediction, scored again: a difference of at most {PARITY_TOLERANCE}"
    why = ""
    if predictor is None:
        why = "The bundle cannot be used."
    elif run.known.rescore is None:
        why = "Nothing scores the rows of this kind of model again."
    elif run.manifest is not None and cache is None:
        why = "The images are not here (--work, --store)."
    if why:
        return Finding(name, title, "not looked at", looked, why, "")
    if isinstance(cache, CovidxError):
        found = f"The images cannot be prepared again: {cache.code}, {cache.message}"
        return Finding(name, title, "fail", looked, found, "Certain.", "Ingest the source again.")
    assert predictor is not None and run.known.rescore is not None
    try:
        again = resolve(run.known.rescore)(run, predictor, cache)
    except (KeyError, ValueError) as error:  # a unit of the table that is not in the data
        found = f"A prediction is of a unit that the data do not have ({type(error).__name__})."
        to_do = "Take the predictions of the run itself."
        return Finding(name, title, "fail", looked, found, "Certain.", to_do)
    return _compared(run, again, (name, title, looked))


def _compared(run: RunParts, again: pd.DataFrame, named: tuple[str, str, str]) -> Finding:
    columns = list(probability_columns(run.predictions).values())
    key = ["arm", "unit_id"]
    table = run.predictions.reset_index(drop=True)
    table["line"] = table.index + 1
    # Of members of an ensemble, or of models that were fitted again; others are not in the bundle.
    kept = again[again["role"] == OUT_OF_FOLD] if "role" in again else again[:0]
    rescored = pd.MultiIndex.from_frame(table[key]).isin(pd.MultiIndex.from_frame(kept[key]))
    left = (table["role"] == OUT_OF_FOLD) & ~rescored
    others, table = int(left.sum()), table[~left]
    both = table.merge(again[[*key, *columns]], on=key, how="left", suffixes=("", "_again"))
    then = both[columns].to_numpy(np.float64)
    now = both[[f"{column}_again" for column in columns]].to_numpy(np.float64)
    off = np.nan_to_num(np.abs(then - now), nan=np.inf).max(axis=1)
    wrong = np.flatnonzero(off > PARITY_TOLERANCE)
    rows: list[dict[str, Any]] = [
        {
            "place": f"predictions.parquet row {both['line'].iloc[k]}",
            "arm": both["arm"].iloc[k],
            "difference": float(off[k]) if np.isfinite(off[k]) else "no score now",
        }
        for k in wrong
    ]
    name, title, looked = named
    largest = f"{off.max():.3g}" if np.isfinite(off).all() else "unbounded"
    found = f"{len(both)} predictions scored again; largest difference {largest}."
    if others:
        found += f" {counted(others, 'out-of-fold row')} of models of other folds not looked at."
    if rows:
        found = f"{len(rows)} of {found}"
    return Finding(
        name,
        title,
        "fail" if rows else "pass",
        looked,
        found,
        "Certain, to the tolerance: the code that evaluation used.",
        "Predictions or bundle are not this run's: take an unchanged copy, or train again."
        if rows
        else "",
        rows,
    )
