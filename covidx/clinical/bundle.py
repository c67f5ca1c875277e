"""A clinical model on disk: the pipeline by skops, and what must be known of it as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import skops.io
from pydantic import Field
from skops.io.exceptions import UntrustedTypesFoundException

from covidx.bundles import BundleFile, Threshold, read_bundle
from covidx.cards import Column
from covidx.clinical.fit import Fitted
from covidx.clinical.recipe import ClinicalRecipe
from covidx.clinical.rows import ClinicalRows
from covidx.domain import ColumnRange, TrainedOn
from covidx.errors import BundleError
from covidx.files import make_folder, replacing

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
UNKNOWN_QUANTILE = 0.99
"""Of the training rows' shares of unknown values: more is far from what was trained on."""


class ClinicalBundle(BundleFile):
    """``bundle.json`` of a clinical model."""

    FILES: ClassVar = {PIPELINE: "pipeline_sha256"}
    NOT_HASHED: ClassVar = BundleFile.NOT_HASHED | {"pipeline_sha256"}
    """An archive's own bytes tell when it was made."""

    schema_version: int = 2
    kind: Literal["clinical"] = "clinical"
    recipe: ClinicalRecipe
    chosen: dict[str, Any] = Field(description="hyper-parameters that inner folds chose")
    columns: list[Column]
    patient_column: str | None = Field(None, description="its name in the training table")
    missing: list[str] = Field(
        default_factory=list, description="words that stand for an empty cell, by its card"
    )
    classes: list[str] = Field(description="the other class, and the positive one")
    positive: str
    threshold: Threshold
    pipeline_sha256: str = ""
    parity: list[float] = Field(
        default_factory=list, description="scores of `parity_rows`; -1 for none"
    )

    @classmethod
    def of(cls, fitted: Fitted, **facts: Any) -> ClinicalBundle:
        """A draft, complete but for hashes and parity.

        Parameters
        ----------
        fitted : Fitted
            Gives the recipe, the hyper-parameters that inner folds chose, and the columns.
        **facts
            trained_on, classes, positive, threshold, patient_column and run_id.
        """
        return cls(recipe=fitted.recipe, chosen=fitted.chosen, columns=fitted.features, **facts)

    @property
    def input_types(self) -> dict[str, Literal["double", "string"]]:
        """Column -> type of its cells in a table."""
        words = {c.name for c in self.columns if c.codes is not None or c.type == "category"}
        return {c.name: "string" if c.name in words else "double" for c in self.columns}


def parity_rows(columns: list[Column]) -> pd.DataFrame:
    """Three synthetic rows: all low, all high, and with gaps; nothing of a patient.

    Parameters
    ----------
    columns : list of Column
        The model's, with their ranges.
    """
    low = {c.name: 0.0 if c.low is None else c.low for c in columns}
    high = {c.name: 1.0 if c.high is None else c.high for c in columns}
    gaps = {c.name: np.nan if i % 2 else low[c.name] for i, c in enumerate(columns)}
    return pd.DataFrame([low, high, gaps], dtype=float)


def parity_scores(fitted: Fitted) -> list[float]:
    """Scores of `parity_rows`; -1 for none.

    Parameters
    ----------
    fitted : Fitted
        Scores the three rows; each score is rounded to nine digits.
    """
    scores = fitted.score(parity_rows(fitted.features))
    return [-1.0 if np.isnan(p) else round(float(p), 9) for p in scores]


def trained_on_rows(rows: ClinicalRows, **facts: Any) -> TrainedOn:
    """What a clinical model was trained on, with the range of each column.

    Parameters
    ----------
    rows : ClinicalRows
        The training rows alone.
    **facts
        dataset, domain, and the digests of card, table and split.
    """
    values = rows.table[rows.names]
    counts = rows.table["label"].value_counts()
    ranges = {c.name: _range(values[c.name].dropna(), c) for c in rows.features
              if values[c.name].notna().any()}  # fmt: skip
    return TrainedOn(
        patients={name: int(counts.get(name, 0)) for name in rows.classes.names},
        columns=ranges,
        unknown_share=float(values.isna().mean(axis=1).quantile(UNKNOWN_QUANTILE)),
        **facts,
    )


def _range(known: pd.Series, column: Column) -> ColumnRange:
    coded = column.codes is not None or column.type in ("flag", "category")
    values = sorted(map(float, known.unique())) if coded else None
    return ColumnRange(low=float(known.min()), high=float(known.max()), values=values)


def write_bundle(folder: Path, bundle: ClinicalBundle, fitted: Fitted) -> ClinicalBundle:
    """Write ``pipeline.skops`` and ``bundle.json``; the bundle with its hashes.

    Parameters
    ----------
    folder : Path
        Made if need be.
    bundle : ClinicalBundle
        As `ClinicalBundle.of`.
    fitted : Fitted
        Its pipeline is written by skops, without pickle.
    """
    make_folder(folder)
    with replacing(folder / PIPELINE) as temporary:
        skops.io.dump(fitted.model, temporary)
    return bundle.model_copy(update={"parity": parity_scores(fitted)}).write(folder)


def load_bundle(folder: Path) -> tuple[ClinicalBundle, Fitted]:
    """Read a bundle back, and prove that it gives the scores that it gave.

    Parameters
    ----------
    folder : Path
        With ``bundle.json`` and ``pipeline.skops``.

    Raises
    ------
    BundleError
        As `read_bundle`; ``BUNDLE_UNTRUSTED``: the pipeline holds types that none of covidx's has;
        ``PARITY_LOST``: synthetic rows get other scores, as under another scikit-learn.
    """
    bundle = read_bundle(folder, ClinicalBundle)
    pipeline = _pipeline(folder / PIPELINE)
    fitted = Fitted(bundle.recipe, bundle.columns, pipeline, bundle.chosen, float("nan"))
    bundle.need_parity(folder, parity_scores(fitted), bundle.parity, TOLERANCE)
    return bundle, fitted


def _pipeline(path: Path) -> Any:
    try:
        strange = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
        if strange:
            raise _untrusted(path, ", ".join(strange))
        return skops.io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise _untrusted(path, error) from error


def _untrusted(path: Path, actual: object) -> BundleError:
    return BundleError(
        "BUNDLE_UNTRUSTED",
        "The pipeline holds types that are not trusted; it was not loaded.",
        path=path,
        actual=actual,
        hint="Use a bundle as covidx train clinical saved it, or train it again.",
    )
