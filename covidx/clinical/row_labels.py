"""The classes of clinical rows: by the table itself, or by a table of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from covidx.cards import ClinicalTable, DataCard
from covidx.class_names import NO_CLASS, by_class, class_named
from covidx.clinical.patient_keys import refuse_rows
from covidx.cohort import read_labels
from covidx.errors import InvalidTableError
from covidx.ingest import Identities
from covidx.wording import counted


def labels_of_patients(
    patients: pd.Series, labels: Path | pd.DataFrame, card: DataCard, identities: Identities
) -> tuple[pd.Series, list[str]]:
    """The class of each patient by a table of labels, missing where it has none, and notes.

    Parameters
    ----------
    patients : Series of str
        Pseudonyms.
    labels : Path or DataFrame
        As in `read_rows`.
    card : DataCard
        Names the classes.
    identities : Identities
        Pseudonyms of the patients that `labels` names.

    Raises
    ------
    InvalidTableError
        ``LABELS_COLUMNS``, or as `read_labels`.
    """
    rows = labels
    if isinstance(rows, Path):
        rows = read_labels(rows, classes=card.classes, aliases=card.label_classes(of_images=False))
    if "patient_id" not in rows:
        raise InvalidTableError(
            "LABELS_COLUMNS",
            "Labels of clinical rows need patient_id.",
            path=labels if isinstance(labels, Path) else None,
            hint="Add a column patient_id with the ids of the clinical table.",
        )
    notes = list(rows.attrs["notes"])
    named = rows[rows["label"] != NO_CLASS]
    mapped = patients.map(named.set_index(named["patient_id"].map(identities.patient))["label"])
    blank = int(mapped.isna().sum())
    return mapped, notes + ([f"{counted(blank, 'row')} left out: no label"] if blank else [])


def labels_of_table(
    cells: pd.DataFrame,
    layout: ClinicalTable,
    classes: Sequence[str],
    label_map: Mapping[str, str],
    path: Path,
) -> tuple[pd.Series, list[str]]:
    """The class of each row by the table itself, missing where it has none, and notes.

    Parameters
    ----------
    cells : DataFrame
        As `read_cells`.
    layout : ClinicalTable
        Names the column of labels, and the class of each label.
    classes : sequence of str
        The card's: the labels themselves where `layout` names none.
    label_map : mapping
        As in `read_rows`.
    path : Path
        Of the table, for errors.

    Raises
    ------
    InvalidTableError
        ``LABELS_MISSING``, ``CLASS_UNKNOWN``, or ``LABEL_UNKNOWN`` by row.
    """
    if layout.label is None:
        raise InvalidTableError(
            "LABELS_MISSING",
            "The clinical table has no labels, by its card.",
            path=path,
            hint="Name them with --labels (make: LABELS=labels.csv).",
        )
    known: dict[str, str | None] = dict(layout.labels) or {c: c for c in classes}
    known |= {label: name or None for label, name in label_map.items()}
    known = {label: name and class_named(name, classes) for label, name in known.items()}
    wrong = sorted({name for name in known.values() if name and name not in classes})
    if wrong:
        raise InvalidTableError(
            "CLASS_UNKNOWN",
            "A label is mapped to a class that the card does not have.",
            path=path,
            expected=", ".join(classes),
            actual=", ".join(wrong),
            hint="Correct the class in the card (clinical: labels) or in --map LABEL=CLASS.",
        )
    texts, notes = by_class(cells[layout.label], [name for name in known if name not in ("", "*")])
    texts = texts.fillna("") if "" in known else texts
    if "*" in known:
        known |= {name: known["*"] for name in texts.dropna().unique() if name not in known}
    strange = texts[texts.notna() & ~texts.isin(list(known))]
    counts = ", ".join(f"{label} ({n})" for label, n in strange.value_counts().items())
    message = f"Rows have labels other than {', '.join(known)}: {counts}."
    hint = (
        "Correct them, map them to classes in the card (clinical: labels; null is no class), or "
        "with --map LABEL=CLASS; --map LABEL= leaves its rows out (make: MAP=...)."
    )
    refuse_rows("LABEL_UNKNOWN", message, strange.index, path, hint)
    mapped = texts.map(known)
    left_out = texts[mapped.isna()].value_counts()
    notes += [
        f"{counted(n, 'row')} left out: label {k} is of no class" for k, n in left_out.items()
    ]
    blank = int(texts.isna().sum())
    return mapped, notes + ([f"{counted(blank, 'row')} left out: no label"] if blank else [])
