"""The clinical rows of a cohort: patients with label, group, date and features as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.cards import OUTCOME, ClinicalTable, Column, DataCard
from covidx.clinical.decode import decode, with_values
from covidx.clinical.patient_keys import one_row_each, row_keys
from covidx.clinical.read import read_cells
from covidx.clinical.row_labels import labels_of_patients, labels_of_table
from covidx.cohort import Classes
from covidx.errors import ConfigError, InvalidTableError, LeakageError
from covidx.ingest import Identities

STRATA = {
    "age_years": "age_years",
    "male": "sex",
    "days_since_onset": "days_since_onset",
    "ct_normal": "ct_normal",
}
"""Concept of a column -> the name under which evaluation divides patients by it."""
STRATA_WORDS = {"sex": {1.0: "M", 0.0: "F"}, "ct_normal": {1.0: "1", 0.0: "0"}}

REST = "rest"
"""The name of all classes but the positive one, where there are several."""


@dataclass(frozen=True, eq=False)
class ClinicalRows:
    """Labelled patients, ready to be split.

    Parameters
    ----------
    table : DataFrame
        patient_id, group_id, label, site and date (missing where the card names none), and the
        features as floats, in the card's units; of a category the place among the column's values;
        NaN is unknown. What else the card knows by a concept of `STRATA`, under its concept.
    features : list of Column
        The columns that a model may see.
    classes : Classes
        Two: the positive one, and the other or ``rest``.
    notes : list of str
        What was left out, and how many of it.
    """

    table: pd.DataFrame
    features: list[Column]
    classes: Classes
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [column.name for column in self.features]

    @property
    def strata(self) -> pd.DataFrame:
        """patient_id, and what patients may be divided by: age, sex, presentation, normal CT."""
        names = {"patient_id": "patient_id"} | STRATA
        strata = self.table[[name for name in names if name in self.table]].rename(columns=names)
        for name, words in STRATA_WORDS.items():
            if name in strata:
                strata[name] = strata[name].map(words)
        return strata

    @property
    def truth(self) -> npt.NDArray[np.bool_]:
        """Whether a row is of the positive class, shape (rows,)."""
        positive: npt.NDArray[np.bool_] = (self.table["label"] == self.classes.positive).to_numpy()
        return positive

    def only(
        self, keep: pd.Series | npt.NDArray[np.bool_], note: str | None = None
    ) -> ClinicalRows:
        """The rows that `keep` marks; `note` says why the others are left out."""
        table = self.table[np.asarray(keep)].reset_index(drop=True)
        return replace(self, table=table, notes=[*self.notes, *([note] if note else [])])


def choose_features(card: DataCard, wanted: Sequence[str] | None = None) -> list[Column]:
    """The columns that a model may see: the card's own choice, or those named.

    Parameters
    ----------
    card : DataCard
        Describes the columns.
    wanted : sequence of str, optional
        Names of columns; the card's choice by default.

    Raises
    ------
    LeakageError
        ``FEATURE_IS_OUTCOME``: known only after the diagnosis, or the label, by the card.
    ConfigError
        ``FEATURE_UNKNOWN``, ``FEATURE_TEXT``: a column of words without codes; ``FEATURES_NONE``.
    """
    layout, columns = _clinical(card), card.clinical_columns()
    names = list(layout.features if wanted is None else wanted)
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            "FEATURES_NONE",
            "Name at least one feature, and each once.",
            actual=names,
            hint=(
                "Correct features in the card or the configuration (--set 'features=[age, sex]')."
            ),
        )
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise ConfigError(
            "FEATURE_UNKNOWN",
            "The card does not describe a feature.",
            expected=", ".join(columns),
            actual=", ".join(unknown),
            hint=f"Describe it under columns in the card, with table: {layout.table}.",
        )
    chosen = [columns[name] for name in names]
    leaks = [
        c.name for c in chosen if c.timing == OUTCOME or c.name in (layout.label, layout.patient)
    ]
    if leaks:
        raise LeakageError(
            "FEATURE_IS_OUTCOME",
            "A feature is known only after the diagnosis, or is the label itself.",
            expected="columns that are known when the model is used",
            actual=", ".join(leaks),
            hint="Leave it out of the features.",
        )
    words = [c.name for c in chosen if c.type in ("text", "date") and c.codes is None]
    if words:
        raise ConfigError(
            "FEATURE_TEXT",
            "A feature is text, and the card gives its values no codes.",
            actual=", ".join(words),
            hint="Give it codes in the card, or leave it out of the features.",
        )
    return chosen


def _clinical(card: DataCard) -> ClinicalTable:
    if card.clinical is None:
        raise ConfigError(
            "CARD_NOT_CLINICAL",
            "The card describes no clinical table.",
            path=card.identifier,
            expected="a section clinical: table, label, features",
            hint=(
                "Add the section (see docs/clinical.md), or name another card with "
                "--card (make: CARD=card.yaml)."
            ),
        )
    return card.clinical


def read_rows(
    path: Path,
    card: DataCard,
    *,
    labels: Path | pd.DataFrame | None = None,
    features: Sequence[str] | None = None,
    identities: Identities | None = None,
    label_map: Mapping[str, str] | None = None,
) -> ClinicalRows:
    """Read a clinical table by its card.

    Parameters
    ----------
    path : Path
        CSV (zipped or not), TSV, XLSX or parquet.
    card : DataCard
        Describes the table.
    labels : Path or DataFrame, optional
        Table with patient_id and label, where the table has no label; a DataFrame as `read_labels`,
        with the card's classes.
    features : sequence of str, optional
        Columns; the card's by default.
    identities : Identities, optional
        Pseudonyms of patients, groups and sites; by the card by default.
    label_map : mapping, optional
        Label of the table -> class, besides the card's; rows of an empty class are left out.

    Raises
    ------
    InvalidTableError
        ``COLUMN_MISSING``, ``PATIENT_MISSING``, ``PATIENT_TWICE``, ``LABEL_UNKNOWN``,
        ``NOTHING_LABELLED``, or as `read_cells` and `decode`.
    ConfigError, LeakageError
        As `choose_features`.
    """
    layout, chosen = _clinical(card), choose_features(card, features)
    identities = identities or Identities.for_card(card)
    cells = read_cells(path, card.missing)
    label = layout.label if labels is None else None
    named = (layout.patient, layout.order, layout.group, layout.site, layout.date, label)
    needed = [name for name in (*named, *(c.name for c in chosen)) if name is not None]
    missing = [name for name in dict.fromkeys(needed) if name not in cells.columns]
    if missing:
        raise InvalidTableError(
            "COLUMN_MISSING",
            "The clinical table lacks columns.",
            path=path,
            expected=", ".join(missing),
            actual=", ".join(cells.columns),
            hint="Rename the table's columns, or correct their names in the card.",
        )
    unknown = [name for name in cells.columns if name not in card.clinical_columns()]
    notes = list(cells.attrs["notes"])
    notes += [f"columns that the card does not describe, not used: {', '.join(unknown)}"] * bool(
        unknown
    )
    cells, left_behind = one_row_each(cells, layout, card.clinical_columns(), path)
    table = row_keys(cells, layout, path, identities, notes)
    if labels is None:
        mapped, left_out = labels_of_table(cells, layout, card.classes, label_map or {}, path)
    else:
        mapped, left_out = labels_of_patients(table["patient_id"], labels, card, identities)
    if not mapped.notna().any():
        raise InvalidTableError(
            "NOTHING_LABELLED",
            "No row has a class.",
            path=path,
            hint=(
                "Check the labels, their patient ids, and the classes in the card "
                "(clinical: labels)."
            ),
        )
    table["label"] = np.where(mapped == card.positive, card.positive, _other(card))
    chosen = [with_values(column, cells[column.name]) for column in chosen]
    numbers = {c.name: decode(cells[c.name], c, path, notes) for c in chosen}
    table[[c.name for c in chosen]] = pd.DataFrame(numbers)
    for column in card.clinical_columns().values():
        concept = str(column.concept)
        if concept in STRATA and column.name in cells and concept not in table:
            table[concept] = decode(cells[column.name], column, path)
    taken = [_taken_as_unknown(cells[c.name], numbers[c.name], c) for c in chosen]
    classes = Classes((_other(card), card.positive), card.positive)
    notes = [*notes, *left_behind, *left_out, *filter(None, taken)]
    return ClinicalRows(table, chosen, classes, notes).only(mapped.notna())


def _taken_as_unknown(cells: pd.Series, numbers: pd.Series, column: Column) -> str | None:
    n = int((cells.notna() & numbers.isna()).sum())
    if column.impossible == "refuse" or not n:
        return None
    limits = f"{column.low:g} to {column.high:g} {column.unit or ''}".rstrip()
    return f"{n} values of {column.name} outside {limits} taken as unknown"


def _other(card: DataCard) -> str:
    others = [name for name in card.classes if name != card.positive]
    return others[0] if len(others) == 1 else REST
