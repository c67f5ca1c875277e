"""Keys of clinical rows (patient, group, site, date), and which of a patient's rows is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from covidx.cards import ClinicalTable, Column
from covidx.cell_dates import to_dates
from covidx.cells import as_ids
from covidx.clinical.decode import decode
from covidx.errors import ConfigError, InvalidTableError
from covidx.ingest import Identities
from covidx.wording import counted

TWICE_HINT = (
    "Keep one row a patient, or name in the card the column that orders them (clinical: order)."
)


def one_row_each(
    cells: pd.DataFrame, layout: ClinicalTable, columns: Mapping[str, Column], path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Of each patient's rows the one that comes first by the card's `order`.

    Parameters
    ----------
    cells : DataFrame
        As `read_cells`.
    layout : ClinicalTable
        The card's description of the table.
    columns : mapping of str to Column
        The card's description of each column.
    path : Path
        For errors.

    Returns
    -------
    cells : DataFrame
        In the order of the file. Of equal rows the first is taken; a known value comes before an
        unknown one. Unchanged without `order`.
    notes : list of str
        How many rows that leaves out, and what is taken otherwise than written.

    Raises
    ------
    ConfigError
        ``ORDER_UNKNOWN``: the card names a patient's rows by a column that it does not describe.
    InvalidTableError
        As `decode`, or ``VALUE_INVALID``: no ISO date.
    """
    if layout.order is None or layout.patient is None:
        return cells, []
    column = columns.get(layout.order)
    if column is None:
        raise ConfigError(
            "ORDER_UNKNOWN",
            "The card does not describe the column that orders a patient's rows.",
            expected=", ".join(columns),
            actual=layout.order,
            hint="Describe that column under columns in the card.",
        )
    order = cells[layout.order]
    notes: list[str] = []
    if column.type == "date":
        places = _dates(order, path, notes)
    else:
        places = decode(order, column, path, notes)
    sorted_lines = places.sort_values(
        ascending=layout.take == "lowest", kind="stable", na_position="last"
    ).index
    patients = as_ids(cells[layout.patient])[sorted_lines]
    # Rows of no patient are left for `row_keys` to refuse.
    left_out = patients.index[patients.duplicated() & patients.notna()]
    rows, kept = counted(len(left_out), "row"), f"the {layout.take} {layout.order}"
    note = f"{rows} left out: of each patient that of {kept}"
    return cells.drop(index=left_out), [*notes, *([note] if len(left_out) else [])]


def row_keys(
    cells: pd.DataFrame,
    layout: ClinicalTable,
    path: Path,
    identities: Identities,
    notes: list[str],
) -> pd.DataFrame:
    """Patient, group, site and date of each row.

    Parameters
    ----------
    cells : DataFrame
        As `read_cells`.
    layout : ClinicalTable
        Names the columns.
    path : Path
        For errors.
    identities : Identities
        Pseudonyms of patients, groups and sites.
    notes : list of str
        Takes a sentence for what is taken otherwise than written.

    Raises
    ------
    InvalidTableError
        ``PATIENT_MISSING``, ``PATIENT_TWICE``, or ``VALUE_INVALID``: no ISO date.
    """
    table = pd.DataFrame({"patient_id": patients_of(cells, layout.patient, path, identities)})
    group, own = cells[layout.group] if layout.group else None, table["patient_id"]
    # An empty cell is no group: the patient, and no site.
    named = None if group is None else as_ids(group).map(identities.group, na_action="ignore")
    table["group_id"] = own if named is None else named.astype(object).fillna(own)
    site = cells[layout.site].map(identities.site, na_action="ignore") if layout.site else None
    table["site"] = site if site is not None else pd.Series(None, table.index, dtype=object)
    table["date"] = _dates(cells[layout.date], path, notes) if layout.date else pd.NaT
    return table


def patients_of(
    cells: pd.DataFrame, column: str | None, path: Path, identities: Identities
) -> pd.Series:
    """The patient of each row; without a column each row is a patient of its own, by its line.

    Parameters
    ----------
    cells : DataFrame
        As `read_cells`.
    column : str or None
        Of the patient ids.
    path : Path
        For errors.
    identities : Identities
        Pseudonyms of patients.

    Raises
    ------
    InvalidTableError
        ``PATIENT_MISSING`` or ``PATIENT_TWICE``.
    """
    if column is None:
        return pd.Series([f"row-{line + 2}" for line in cells.index], cells.index, dtype=object)
    ids = as_ids(cells[column])
    nameless = ids.index[ids.isna()]
    hint = "Fill in the patient id, or remove the rows."
    refuse_rows("PATIENT_MISSING", "Rows have no patient id.", nameless, path, hint)
    again = ids.index[ids.duplicated()]
    refuse_rows("PATIENT_TWICE", "Patients have several rows.", again, path, TWICE_HINT)
    return ids.map(identities.patient)


def _dates(cells: pd.Series, path: Path, notes: list[str]) -> pd.Series:
    dates = to_dates(cells)
    message = f"Column {cells.name}: a value is not an ISO date."
    hint = "Write dates as YYYY-MM-DD, and leave unknown ones empty."
    refuse_rows("VALUE_INVALID", message, cells.index[dates.wrong], path, hint)
    notes += dates.notes
    return dates.values


def refuse_rows(code: str, message: str, lines: pd.Index, path: Path, hint: str) -> None:
    """Raise if there are such rows, naming the first by line.

    Parameters
    ----------
    code, message : str
        Of the error.
    lines : Index of int
        Of the rows: line in the file less 2.
    path : Path
        Of the table.
    hint : str
        What to do.

    Raises
    ------
    InvalidTableError
        `code`, if there are any.
    """
    if len(lines):
        shown = ", ".join(str(line + 2) for line in lines[:10]) + (" …" if len(lines) > 10 else "")
        actual = f"{'row' if len(lines) == 1 else 'rows'} {shown}"
        raise InvalidTableError(code, message, path=path, actual=actual, hint=hint)
