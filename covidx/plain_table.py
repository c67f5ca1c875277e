"""The tables that most people have, read by column and fast: a line is a row, nothing is quoted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidx.table_lines import EXCEL_DIVIDER, TEXT, divider_of


def read_plain(path: Path) -> dict[str, tuple[list[str], NDArray[np.int32]]] | None:
    """A CSV as most are, many times as fast as `read_lines`, which takes all others.

    Parameters
    ----------
    path : Path
        Of the table.

    Returns
    -------
    dict of str to (list of str, ndarray of int32), or None
        Name of a column -> its distinct cells, and for each line the place of its cell among them.
        None where it is no file of `TEXT` in ASCII, has quotes, remarks, empty lines, other ends of
        lines than LF or CRLF, a line that names the divider, columns without a name or of the same
        name, or lines of different length.
    """
    if path.suffix.lower() not in TEXT:
        return None
    try:
        data = path.read_bytes()
    except OSError:  # of which `read_lines` says more
        return None
    odd = (b'"', b"\0", b"\n\n", b"\n\r\n")
    if not data.isascii() or any(part in data for part in odd):
        return None
    line, _, rest = data.partition(b"\n")
    first = line.decode("ascii").rstrip("\r")
    divider = divider_of(first)
    names = [" ".join(cell.split()) for cell in first.split(divider)]
    unclear = len(set(names)) < len(names) or not all(names) or names[0].startswith("#")
    if unclear or EXCEL_DIVIDER.fullmatch(first) or data.count(b"\r") != data.count(b"\r\n"):
        return None
    return _plain_columns(rest, divider, names)


def _plain_columns(
    rest: bytes, divider: str, names: list[str]
) -> dict[str, tuple[list[str], NDArray[np.int32]]] | None:
    import pyarrow as arrow
    from pyarrow import csv as arrow_csv

    try:
        table = arrow_csv.read_csv(
            arrow.BufferReader(rest),
            arrow_csv.ReadOptions(use_threads=False, column_names=names),
            arrow_csv.ParseOptions(
                delimiter=divider, quote_char=False, double_quote=False, ignore_empty_lines=False
            ),
            arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, arrow.string()), strings_can_be_null=False
            ),
        )
    except arrow.ArrowInvalid:  # no line at all, or not as many cells in each
        return None
    encoded = [column.combine_chunks().dictionary_encode() for column in table.columns]
    cells = [(one.dictionary.to_pylist(), one.indices.to_numpy()) for one in encoded]
    return dict(zip(names, cells, strict=True))
