"""A clinical model on disk: the pipeline by skops, and what must be known of it as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import skops.io
from pydantic import Field
from skops.io.exceptions import UntrustedTypesFoundException

from covidx.bundles import BundleFile, read_bundle
from covidx.cards import Column
from covidx.clinical.fit import Fitted
from covidx.clinical.recipe import Recipe
from covidx.errors import BundleError
from covidx.evaluate import OperatingPoint
from covidx.files import make_folder, replacing

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


class ClinicalBundle(BundleFile):
    """``bundle.json`` of a clinical model."""

    FILES: ClassVar = {PIPELINE: "pipeline_sha256"}
    NOT_HASHED: ClassVar = BundleFile.NOT_HASHED | {"pipeline_sha256"}
    """An archive's own bytes tell when it was made."""

    kind: Literal["clinical"] = "clinical"
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
        parity=[-1.0 if np.isnan(p) else round(float(p), 9) for p in expected],
        **facts,
    )
    return bundle.write(folder)


def load_bundle(folder: Path) -> tuple[ClinicalBundle, Fitted]:
    """Read a bundle back, and prove that it gives the scores that it gave.

    Raises
    ------
    BundleError
        As `read_bundle`; ``BUNDLE_UNTRUSTED``: the pipeline holds types that none of covidx's has;
        ``PARITY_LOST``: made-up rows get other scores, as under another scikit-learn.
    """
    bundle = read_bundle(folder, ClinicalBundle)
    pipeline = _pipeline(folder / PIPELINE)
    fitted = Fitted(bundle.recipe, bundle.columns, pipeline, bundle.chosen, float("nan"))
    scores = np.nan_to_num(fitted.score(parity_rows(bundle.columns)), nan=-1.0)
    bundle.need_parity(folder, scores, bundle.parity, TOLERANCE)
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
