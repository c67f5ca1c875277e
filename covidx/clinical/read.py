"""Reading a clinical table, whatever its format, as text by column and line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from covidx import cells
from covidx.errors import InvalidTableError


def read_cells(path: Path, missing: Collection[str] = ()) -> pd.DataFrame:
    """Every cell of the table at `path` as text, as `covidx.cells.read_cells`.

    Parameters
    ----------
    path : Path
        CSV (zipped or not), TSV, XLSX or parquet.
    missing : collection of str
        Words that stand for an empty cell, by the card.

    Raises
    ------
    InvalidTableError
        ``TABLE_EMPTY``, or as `covidx.cells.read_cells`.
    """
    table = cells.read_cells(path, missing=missing)
    if table.empty:
        raise InvalidTableError(
            "TABLE_EMPTY",
            "The clinical table has no rows.",
            path=path,
            hint="Check that this is the right file, and that rows follow its header.",
        )
    return table
