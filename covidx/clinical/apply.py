"""New patients and a clinical bundle: their rows read as the training table was, and scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.clinical.bundle import ClinicalBundle
from covidx.clinical.decode import decode
from covidx.clinical.fit import Fitted
from covidx.clinical.formula import FORMULA
from covidx.clinical.patient_keys import patients_of
from covidx.clinical.read import read_cells
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError, InvalidTableError
from covidx.ingest import Identities

__all__ = ["RowPrediction", "numbers_for", "predict_rows", "predict_table", "read_for"]


@dataclass(frozen=True)
class RowPrediction:
    """The answer for one row, or why there is none.

    Parameters
    ----------
    path : str
        The table.
    row : int or None
        Line in the file, where the header is line 1; None where the table could not be read.
    patient_id : str or None
    score : float or None
        Probability of the positive class.
    probabilities : dict
        Class -> probability; empty without a score.
    decision : str or None
        The positive class, or ``not`` and its name.
    threshold : float
    threshold_origin : str
    unknown : tuple of str
        Inputs that are unknown in this row.
    problem : str or None
        Why there is no score, beginning with a code.
    """

    path: str
    row: int | None
    patient_id: str | None
    score: float | None
    probabilities: dict[str, float]
    decision: str | None
    threshold: float
    threshold_origin: str
    unknown: tuple[str, ...]
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice."""
        return {**vars(self), "unknown": list(self.unknown), "notice": RESEARCH_NOTICE}


def read_for(bundle: ClinicalBundle, path: Path, identities: Identities) -> pd.DataFrame:
    """Rows of new patients, as the bundle's model takes them.

    Parameters
    ----------
    bundle : ClinicalBundle
    path : Path
        CSV, zipped CSV, XLSX or parquet, with the columns, codes and units of the training table.
    identities : Identities
        How patient ids are shown.

    Returns
    -------
    DataFrame
        patient_id (``row-2``, ``row-3``, ... where the table has no column of patients) and the
        bundle's columns as floats, in its units. The index is the line in the file less 2; its
        ``attrs["named"]`` says whether the table names patients.

    Raises
    ------
    InvalidTableError
        ``PATIENT_MISSING``, ``PATIENT_TWICE``, or as `read_cells` and `numbers_for`.
    """
    cells = read_cells(path)
    column = bundle.patient_column if bundle.patient_column in cells.columns else None
    patients = patients_of(cells, column, path, identities)
    found = numbers_for(bundle, cells, path).assign(patient_id=patients)
    found.attrs["named"] = column is not None
    return found


def numbers_for(bundle: ClinicalBundle, cells: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """The bundle's columns from cells as text.

    Raises
    ------
    InvalidTableError
        ``COLUMN_MISSING``: what is unknown of everyone is a column of empty cells, not an absent
        one; or as `decode`. ``VALUE_IMPOSSIBLE`` also where the card takes such values as unknown:
        it judged the training table, and nobody has judged this one.
    """
    missing = [column.name for column in bundle.columns if column.name not in cells.columns]
    if missing:
        raise InvalidTableError(
            "COLUMN_MISSING",
            "The clinical table lacks columns that the model takes.",
            path=path,
            expected=", ".join(missing),
            actual=", ".join(map(str, cells.columns)),
            hint="Name them as in the training table; leave what is unknown empty.",
        )
    strict = [column.model_copy(update={"impossible": "refuse"}) for column in bundle.columns]
    return pd.DataFrame({c.name: decode(cells[c.name], c, path) for c in strict})


def predict_table(
    bundle: ClinicalBundle, fitted: Fitted, path: Path, identities: Identities
) -> Iterator[RowPrediction]:
    """Score every row of a table; a table that cannot be read is answered, too.

    Parameters
    ----------
    bundle, fitted : ClinicalBundle, Fitted
        As `load_bundle` gives them.
    path, identities : Path, Identities
        As `read_for`.
    """
    try:
        table = read_for(bundle, path, identities)
    except CovidxError as error:
        yield _answer(bundle, path=str(path), problem=error.told)
        return
    yield from predict_rows(bundle, fitted, table, str(path))


def predict_rows(
    bundle: ClinicalBundle, fitted: Fitted, table: pd.DataFrame, asked: str
) -> Iterator[RowPrediction]:
    """Score rows as `read_for` gives them."""
    unknown = table[[column.name for column in bundle.columns]].isna()
    for line, score in zip(table.index, fitted.score(table), strict=True):
        gaps = tuple(unknown.columns[unknown.loc[line]])
        known = {
            "path": asked,
            "row": int(line) + 2,
            "patient_id": str(table.at[line, "patient_id"]),
            "unknown": gaps,
        }
        if np.isnan(score):
            inputs = {c.name for c in bundle.columns if c.concept in FORMULA}
            why = ", ".join(name for name in gaps if name in inputs)
            problem = f"INPUT_UNKNOWN: the formula has no answer without {why}"
            yield _answer(bundle, **known, problem=problem)
            continue
        other, positive = bundle.classes
        yield _answer(
            bundle,
            **known,
            score=float(score),
            probabilities={other: 1 - float(score), positive: float(score)},
            decision=positive if score >= bundle.threshold else f"not {positive}",
        )


def _answer(bundle: ClinicalBundle, **known: Any) -> RowPrediction:
    blank: dict[str, Any] = {
        "row": None,
        "patient_id": None,
        "score": None,
        "probabilities": {},
        "decision": None,
        "unknown": (),
        "problem": None,
    }
    origin = f"{bundle.threshold_rule} on {bundle.threshold_origin}"
    point = {"threshold": bundle.threshold, "threshold_origin": origin}
    return RowPrediction(**(blank | point | known))
