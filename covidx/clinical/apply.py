"""Rows of new patients, read as a clinical bundle's training table was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.clinical.blocks import errors_of, table_blocks
from covidx.clinical.bundle import ClinicalBundle
from covidx.clinical.decode import decode
from covidx.clinical.patient_keys import TWICE_HINT, patients_of, refuse_rows
from covidx.clinical.read import read_cells
from covidx.errors import InvalidTableError
from covidx.ingest.identity import Identities


def read_for(bundle: ClinicalBundle, path: Path, identities: Identities) -> pd.DataFrame:
    """Rows of new patients, as the bundle's model takes them.

    Parameters
    ----------
    bundle : ClinicalBundle
        Gives the columns that are read, their units and codes, and the column of patients.
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
    return _rows_of(bundle, read_cells(path, bundle.missing), path, identities)


def blocks_for(
    bundle: ClinicalBundle, path: Path, identities: Identities
) -> Iterator[pd.DataFrame]:
    """As `read_for`, a block of rows at a time: a table of millions of rows is never held whole.

    A mistake in a later block comes after the rows before it.

    Parameters
    ----------
    bundle, path, identities
        As for `read_for`.

    Raises
    ------
    InvalidTableError
        As `read_for`.
    """
    known = np.zeros(0, np.uint64)
    for block, before in table_blocks(path):
        with errors_of(path):
            try:
                cells = read_cells(block, bundle.missing)
            except InvalidTableError as error:
                if error.code == "TABLE_EMPTY" and before:  # blank lines at the end
                    continue
                raise
            cells.index = cells.index + before
            found = _rows_of(bundle, cells, path, identities)
            if found.attrs["named"]:
                known = _with_new(known, found["patient_id"], path)
        yield found


def _with_new(known: NDArray[np.uint64], patients: pd.Series, path: Path) -> NDArray[np.uint64]:
    """Digests of the patients so far, sorted; refuses one that was in an earlier block."""
    new = pd.util.hash_array(patients.to_numpy(object))
    there = np.searchsorted(known, new, "left") < np.searchsorted(known, new, "right")
    again = patients.index[there]
    refuse_rows("PATIENT_TWICE", "Patients have several rows.", again, path, TWICE_HINT)
    # Two sorted runs are merged in one pass; numpy's sets hash all of it anew for each block.
    return np.sort(np.concatenate([known, np.sort(new)]), kind="stable")


def _rows_of(
    bundle: ClinicalBundle, cells: pd.DataFrame, path: Path, identities: Identities
) -> pd.DataFrame:
    column = bundle.patient_column if bundle.patient_column in cells.columns else None
    patients = patients_of(cells, column, path, identities)
    found = numbers_for(bundle, cells, path).assign(patient_id=patients)
    found.attrs["named"] = column is not None
    return found


def numbers_for(bundle: ClinicalBundle, cells: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """The bundle's columns from cells as text.

    Parameters
    ----------
    bundle : ClinicalBundle
        Gives the columns that are read, their units and codes.
    cells : DataFrame
        Text; missing is unknown.
    path : Path, optional
        Of the table, for errors.

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
            "The clinical table lacks columns that the model needs.",
            path=path,
            expected=", ".join(missing),
            actual=", ".join(map(str, cells.columns)),
            hint="Name them as in the training table; leave what is unknown empty.",
        )
    strict = [column.model_copy(update={"impossible": "refuse"}) for column in bundle.columns]
    return pd.DataFrame({c.name: decode(cells[c.name], c, path) for c in strict})
