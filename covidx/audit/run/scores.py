"""Do the predictions come out of the bundle again?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from covidx.audit.finding import Finding
from covidx.audit.run.folder import AnyRun, RunParts
from covidx.clinical import Fitted, load_bundle
from covidx.errors import CovidxError
from covidx.fusion import FusionPredictor, make_arms, read_images
from covidx.imaging import BagCache
from covidx.inference import PARITY_TOLERANCE, Predictor, predict_cache
from covidx.inference.detector import Detector
from covidx.inference.segmenter import Segmenter
from covidx.radiograph_severity import Grader
from covidx.tables import probability_columns

__all__ = ["AnyPredictor", "bundle_finding", "scores_finding"]

AnyPredictor = Predictor | Fitted | FusionPredictor
LOAD: Mapping[str, Callable[[Path], object]] = {
    "image": Predictor.load,
    "clinical": lambda folder: load_bundle(folder)[1],
    "fusion": FusionPredictor.load,
    "segmentation": Segmenter.load,
    "detection": Detector.load,
    "severity": Grader.load,
}
"""Kind of bundle -> what reads it, every digest and parity case checked."""


def bundle_finding(run: AnyRun) -> tuple[Finding, AnyPredictor | None]:
    """Is the bundle as it was saved, and does it still give its parity cases?

    Returns
    -------
    finding : Finding
    predictor : Predictor, Fitted or FusionPredictor, or None
        None where the bundle cannot be used, or classifies nothing.
    """
    name, title = "bundle_unchanged", "Bundle as saved"
    looked = "the digest of every file of the bundle, and made-up cases with known scores"
    sure = "Certain of the files; parity to 1e-5."
    try:
        made = LOAD[run.kind](run.folder / "bundle")
    except CovidxError as error:
        rows = [{"code": error.code, "part": _part(error, run.folder), "reason": error.message}]
        found = f"{error.message} ({error.code}: {rows[0]['part']})"
        to_do = error.hint or "Take an undamaged copy of the bundle, or train again."
        return Finding(name, title, "fail", looked, found, sure, to_do, rows), None
    found = f"It is as it was saved ({run.bundle.sha256[:12]}) and scores its own cases alike."
    predictor = made if isinstance(made, AnyPredictor) else None
    return Finding(name, title, "pass", looked, found, sure), predictor


def _part(error: CovidxError, folder: Path) -> str:
    """The file at fault, relative to the run."""
    path = Path(error.path or folder)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def scores_finding(
    run: RunParts, predictor: AnyPredictor | None, cache: BagCache | CovidxError | None
) -> Finding:
    """Score every unit again and compare.

    Parameters
    ----------
    run : RunParts
    predictor : Predictor, Fitted or FusionPredictor, optional
        None where the bundle cannot be used.
    cache : BagCache, optional
        The run's images, prepared; why they cannot be, as an error; None where they are not here.
    """
    name, title = "predictions_recompute", "Predictions from the bundle"
    looked = f"every prediction, scored again: a difference of at most {PARITY_TOLERANCE}"
    why = ""
    if predictor is None:
        why = "The bundle cannot be used."
    elif run.kind != "clinical" and cache is None:
        why = "The images are not here (--work, --store)."
    if why:
        return Finding(name, title, "not looked at", looked, why, "")
    if isinstance(cache, CovidxError):
        found = f"The images cannot be prepared again: {cache.code}, {cache.message}"
        return Finding(name, title, "fail", looked, found, "Certain.", "Ingest the source again.")
    assert predictor is not None
    try:
        again = _again(run, predictor, cache)
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
    both = table.merge(again, on=key, how="left", suffixes=("", "_again"))
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


def _again(run: RunParts, predictor: AnyPredictor, cache: BagCache | None) -> pd.DataFrame:
    """arm, unit_id and probability columns."""
    if isinstance(predictor, Fitted):
        assert run.clinical is not None
        scores = pd.Series(predictor.score(run.clinical), index=run.clinical["patient_id"])
        return _two(run, {"p2": scores})
    assert cache is not None and run.manifest is not None
    if isinstance(predictor, Predictor):
        roles = run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
        rows = run.manifest.assign(fold=0, role=run.manifest["group_id"].map(roles))
        found = predict_cache(predictor, cache, rows, str(run.record["run_id"]))
        columns = list(probability_columns(found).values())
        return found[["arm", "unit_id", *columns]]
    return _two(run, _fused(run, predictor, cache))


def _fused(run: RunParts, predictor: FusionPredictor, cache: BagCache) -> dict[str, pd.Series]:
    """Scores of P3 and of both of its arms, by patient."""
    assert run.manifest is not None and run.clinical is not None
    patients = run.predictions[["patient_id"]].drop_duplicates(ignore_index=True)
    images = run.manifest[run.manifest["patient_id"].isin(patients["patient_id"])]
    image = predictor.image
    place = image.bundle.classes.index(image.bundle.positive)
    own = read_images(image.model, cache, images, place)
    read = own
    if predictor.reader is not image.model:
        read = own._replace(features=read_images(predictor.reader, cache, images, place).features)
    values = run.clinical.set_index("patient_id")
    arms = make_arms(patients, read.calibrated(predictor.bundle.scale), values, predictor.clinical)
    first = arms.clinical.iloc[:, 0].to_numpy(np.float64)
    p1 = expit(own.logits.reindex(patients["patient_id"]).to_numpy(np.float64))
    said = {"p3": predictor.score(arms), "p1": p1, "p2": expit(first)}
    return {arm: pd.Series(scores, patients["patient_id"]) for arm, scores in said.items()}


def _two(run: RunParts, scores: dict[str, pd.Series]) -> pd.DataFrame:
    """Probability columns of two classes from the positive one's."""
    columns = probability_columns(run.predictions)
    other = next(name for name in columns if name != run.bundle.positive)
    tables = [
        pd.DataFrame(
            {
                "arm": arm,
                "unit_id": values.index,
                columns[other]: 1 - values.to_numpy(),
                columns[run.bundle.positive]: values.to_numpy(),
            }
        )
        for arm, values in scores.items()
    ]
    return pd.concat(tables, ignore_index=True)
