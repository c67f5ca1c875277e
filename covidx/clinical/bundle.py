"""A clinical model on disk: the pipeline by skops, and what must be known of it as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import skops.io
from pydantic import Field, ValidationError
from skops.io.exceptions import UntrustedTypesFoundException

from covidx.cards import Column
from covidx.clinical.fit import Fitted
from covidx.clinical.recipe import Recipe
from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE, SCHEMA_VERSION
from covidx.errors import BundleError, StoreError
from covidx.evaluate import OperatingPoint
from covidx.files import make_folder, read_json, replacing, sha256_file, sha256_json, write_json
from covidx.runs import versions

__all__ = ["TRUSTED", "ClinicalBundle", "load_bundle", "parity_rows", "save_bundle"]

PIPELINE = "pipeline.skops"
TRUSTED = (
    "covidx.clinical.formula.SymptomFormula",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.impute._iterative.IterativeImputer",
    "sklearn.impute._iterative._ImputerTriplet",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops's own list that a bundle may hold; a file with any other is not loaded."""
TOLERANCE = 1e-6


class ClinicalBundle(Config):
    """``bundle.json`` of a clinical model."""

    schema_version: int = SCHEMA_VERSION
    notice: str = RESEARCH_NOTICE
    kind: str = "clinical"
    recipe: Recipe
    chosen: dict[str, Any]
    columns: list[Column]
    patient_column: str | None = Field(None, description="its name in the training table")
    classes: list[str]
    positive: str
    threshold: float
    threshold_rule: str
    threshold_origin: str
    dataset: str
    domain: str
    card_sha256: str
    table_sha256: str
    split_sha256: str
    patients: dict[str, int]
    pipeline_sha256: str = ""
    parity: list[float] = Field(
        default_factory=list, description="scores of `parity_rows`; -1 for none"
    )
    sha256: str = ""
    run_id: str
    created: str
    versions: dict[str, str]

    @property
    def input_types(self) -> dict[str, Literal["double", "string"]]:
        """Column -> type of its cells in a table."""
        words = {c.name for c in self.columns if c.codes is not None or c.type == "category"}
        return {c.name: "string" if c.name in words else "double" for c in self.columns}

    @property
    def operating_point(self) -> OperatingPoint:
        """The threshold and where it comes from."""
        return OperatingPoint(self.threshold, self.threshold_rule, self.threshold_origin)


def parity_rows(columns: list[Column]) -> pd.DataFrame:
    """Three made-up rows: all low, all high, and with gaps; nothing of a patient."""
    low = {c.name: 0.0 if c.low is None else c.low for c in columns}
    high = {c.name: 1.0 if c.high is None else c.high for c in columns}
    gaps = {c.name: np.nan if i % 2 else low[c.name] for i, c in enumerate(columns)}
    return pd.DataFrame([low, high, gaps], dtype=float)


def save_bundle(
    folder: Path, fitted: Fitted, point: OperatingPoint, facts: dict[str, Any]
) -> ClinicalBundle:
    """Write ``pipeline.skops`` and ``bundle.json``.

    Parameters
    ----------
    folder : Path
    fitted : Fitted
    point : OperatingPoint
        Chosen on validation rows.
    facts : dict
        patient_column, classes, positive, dataset, domain, the digests, patients and run_id of
        the bundle.
    """
    make_folder(folder)
    with replacing(folder / PIPELINE) as temporary:
        skops.io.dump(fitted.model, temporary)
    expected = fitted.score(parity_rows(fitted.features))
    bundle = ClinicalBundle(
        recipe=fitted.recipe,
        chosen=fitted.chosen,
        columns=fitted.features,
        threshold=point.threshold,
        threshold_rule=point.rule,
        threshold_origin=point.origin,
        pipeline_sha256=sha256_file(folder / PIPELINE),
        parity=[-1.0 if np.isnan(p) else round(float(p), 9) for p in expected],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        **facts,
    )
    bundle = bundle.model_copy(update={"sha256": _digest(bundle)})
    write_json(folder / "bundle.json", bundle.model_dump(mode="json"))
    return bundle


def _digest(bundle: ClinicalBundle) -> str:
    """Of all but the run, the times, the versions, and the archive's own bytes."""
    apart = {"sha256", "run_id", "created", "versions", "pipeline_sha256"}
    return sha256_json(bundle.model_dump(mode="json", exclude=apart))


def load_bundle(folder: Path) -> tuple[ClinicalBundle, Fitted]:
    """Read a bundle back, and prove that it gives the scores that it gave.

    Raises
    ------
    BundleError
        ``BUNDLE_UNREADABLE``, ``BUNDLE_CHANGED``: a file is not what was saved;
        ``BUNDLE_UNTRUSTED``: the pipeline holds types that none of covidx's has;
        ``PARITY_FAILED``: made-up rows get other scores, as under another scikit-learn.
    """
    path = folder / PIPELINE
    try:
        bundle = ClinicalBundle.model_validate(read_json(folder / "bundle.json"))
        found = sha256_file(path)
    except (ValidationError, StoreError, OSError) as error:
        raise BundleError(
            "BUNDLE_UNREADABLE", "This is no clinical bundle.", path=folder, actual=error
        ) from error
    for what, expected, actual in (
        (PIPELINE, bundle.pipeline_sha256, found),
        ("bundle.json", bundle.sha256, _digest(bundle)),
    ):
        if expected != actual:
            raise BundleError(
                "BUNDLE_CHANGED",
                f"{what} is not what was saved.",
                path=folder,
                expected=expected,
                actual=actual,
            )
    fitted = Fitted(bundle.recipe, bundle.columns, _pipeline(path), bundle.chosen, float("nan"))
    scores = np.nan_to_num(fitted.score(parity_rows(bundle.columns)), nan=-1.0)
    if np.abs(scores - np.array(bundle.parity)).max() > TOLERANCE:
        raise BundleError(
            "PARITY_FAILED",
            "The pipeline gives other scores than when it was saved.",
            path=folder,
            expected=bundle.parity,
            actual=scores.round(9).tolist(),
            hint=f"It was saved with {bundle.versions}.",
        )
    return bundle, fitted


def _pipeline(path: Path) -> Any:
    try:
        strange = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        if strange:
            raise BundleError(
                "BUNDLE_UNTRUSTED",
                "The pipeline holds types that are not trusted; it was not loaded.",
                path=path,
                actual=", ".join(strange),
            )
        return skops.io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise BundleError(
            "BUNDLE_UNTRUSTED", "The pipeline was not loaded.", path=path, actual=error
        ) from error
