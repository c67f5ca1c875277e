"""Tables that people hand in: every cell as text, the same whatever the format."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.errors import InvalidTableError
from covidx.plain_table import read_plain
from covidx.table_lines import Line, read_lines, unreadable

SHOWN = 10
"""Lines named in an error."""

_Encoded = tuple[Sequence[str | None], NDArray[np.integer[Any]]]
_INVISIBLE = "\u200b\u2060\ufeff"
_WHOLE = re.compile(r"(-?[0-9]+)(\.0+|,0)")


def read_cells(
    path: Path,
    *,
    missing: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
    remarks: bool = False,
) -> pd.DataFrame:
    """Read a table as text: an id ``007`` is not 7, and the words NA, None and null are values.

    The same content gives the same cells in CSV (divided by commas, semicolons or tabs, whichever
    the header has most of), XLSX and parquet. Blanks at the ends of cells are taken away, text is
    in Unicode's form NFC. Of typed cells, whole numbers are integers, booleans ``True`` and
    ``False``, dates ISO. Lines without any cell are left out.

    Parameters
    ----------
    path : Path
        CSV or TSV (UTF-8; zipped or gzipped too), XLSX, or parquet.
    missing : collection of str
        Words that stand for an empty cell, by the card of the table.
    columns : mapping, optional
        Name that covidx uses -> name in the table.
    remarks : bool
        Whether lines before the header that begin with ``#`` are remarks.

    Returns
    -------
    DataFrame
        Object columns of str, NaN where a cell is empty. The index is the line in the file less 2,
        since the header of most is line 1; a row of parquet counts as a line.
        ``attrs["notes"]`` has sentences on what a reader of the table should know,
        ``attrs["blanks"]`` column -> cells that had blanks at their ends.

    Raises
    ------
    InvalidTableError
        ``TABLE_FORMAT``, ``TABLE_UNREADABLE``, ``COLUMN_TWICE``, ``COLUMN_MISSING``.
    """
    found, index, notes = _of_plain(path) or _of_lines(path, remarks)
    blanks: dict[str, int] = {}
    values: dict[str, pd.Series] = {}
    empty = {"", *missing}
    for name, (distinct, places) in found.items():
        bare = [_bare(cell) for cell in distinct]  # a table has few cells many times
        kept = np.array([np.nan if text in empty else text for text in bare] or [np.nan], object)
        values[name] = pd.Series(kept[places], index, dtype=object)
        padded = [
            cell is not None and text not in ("", cell)
            for cell, text in zip(distinct, bare, strict=True)
        ]
        if any(padded):
            counts = np.bincount(places, minlength=len(distinct))
            blanks[name] = int(counts[padded].sum())
    table = _renamed(pd.DataFrame(values, index=index), columns or {}, path).dropna(how="all")
    table.attrs = {"notes": notes, "blanks": blanks}
    return table


def _of_plain(path: Path) -> tuple[dict[str, _Encoded], pd.Index, list[str]] | None:
    """As `_of_lines`, of most CSVs, and fast."""
    columns = read_plain(path)
    if columns is None:
        return None
    _, places = next(iter(columns.values()))
    return dict(columns), pd.Index(np.arange(len(places), dtype=np.int64)), []


def _of_lines(path: Path, remarks: bool) -> tuple[dict[str, _Encoded], pd.Index, list[str]]:
    """Column -> its distinct cells, and of each line the place among them; index; notes."""
    found, notes = read_lines(path, remarks=remarks)
    lines = [(number, cells) for number, cells in found if any(map(_bare, cells))]
    if not lines:
        raise unreadable(path, "no header", "Write the names of the columns into the first line.")
    (_, header), *rows = lines
    names = _names(header, rows, path)
    short = [number for number, cells in rows if len(cells) <= max(names)]
    if short:
        notes.append(
            f"Lines with fewer cells than the header, the rest unknown: {_shown_lines(short)}."
        )
    columns: dict[str, _Encoded] = {}
    for place, name in names.items():
        cells = [cells[place] if place < len(cells) else None for _, cells in rows]
        distinct = {cell: k for k, cell in enumerate(dict.fromkeys(cells))}
        columns[name] = list(distinct), np.fromiter(map(distinct.__getitem__, cells), np.int64)
    return columns, pd.Index([number - 2 for number, _ in rows], dtype="int64"), notes


def _bare(cell: str | None) -> str:
    if cell is None:
        return ""
    if cell.isascii():
        return cell.strip()
    return unicodedata.normalize("NFC", cell).strip().strip(_INVISIBLE).strip()


def as_ids(cells: pd.Series) -> pd.Series:
    """A column of ids; 7.0, 8.0 and gaps are 7 and 8, which pandas writes to CSV in that way.

    Parameters
    ----------
    cells : Series of str
        As `read_cells` gives them.
    """
    known = [cell for cell in cells if isinstance(cell, str)]
    if known and all(map(_WHOLE.fullmatch, known)):
        return cells.map(lambda cell: _WHOLE.sub(r"\1", cell), na_action="ignore")
    return cells


def _names(header: Sequence[str | None], rows: Sequence[Line], path: Path) -> dict[int, str]:
    """Place -> name of each column; refuses two of one name, and cells under no header."""
    names = {k: " ".join(_bare(cell).split()) for k, cell in enumerate(header)}
    twice = [name for name, n in Counter(names.values()).items() if n > 1 and name]
    if twice:
        raise InvalidTableError(
            "COLUMN_TWICE",
            "Several columns have the same name.",
            path=path,
            actual=", ".join(sorted(twice)),
            hint="Rename or remove the repeated columns.",
        )
    unnamed, width = [k for k, name in names.items() if not name], len(names)
    nameless = {k for k in unnamed if any(k < len(cells) and _bare(cells[k]) for _, cells in rows)}
    beyond = [number for number, cells in rows if any(map(_bare, cells[width:]))]
    if beyond:
        raise unreadable(
            path,
            f"lines {_shown_lines(beyond)} have more cells than the header",
            "Correct these lines; a cell that holds the divider stands in double quotes.",
        )
    return {k: name or f"Unnamed: {k}" for k, name in names.items() if name or k in nameless}


def _shown_lines(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:SHOWN])) + (" …" if len(numbers) > SHOWN else "")


def _renamed(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    absent = [theirs for theirs in columns.values() if theirs not in table.columns]
    if absent:
        raise InvalidTableError(
            "COLUMN_MISSING",
            "The table does not have a column that was named.",
            path=path,
            expected=", ".join(absent),
            actual=", ".join(table.columns),
            hint="Correct the names in --columns OURS=THEIRS (make: COLUMNS=...).",
        )
    renamed = table.rename(columns={theirs: ours for ours, theirs in columns.items()})
    twice = sorted(set(renamed.columns[renamed.columns.duplicated()]))
    if twice:
        raise InvalidTableError(
            "COLUMN_TWICE",
            "A column was named for one that the table has as well.",
            path=path,
            actual=", ".join(twice),
            hint="Leave it out of --columns, or remove that column from the table.",
        )
    return renamed


ALIKE = {
    "patient_id": (
        *("patientid", "patient", "patid", "pid", "mrn", "subjectid", "subject", "person"),
        *("personid", "patientnumber"),
        *("patientno", "patnr", "patientennummer", "caseid", "case", "id"),
    ),
    "unit_id": ("unitid", "unit", "imageid", "image", "scanid", "studyid"),
    "path": ("path", "filepath", "imagepath", "filename", "file", "imagefile", "image", "folder"),
    "label": (
        *("label", "labels", "diagnosis", "diagnose", "class", "finding", "findings", "target"),
        *("result", "pcr", "pcrresult", "testresult", "outcome", "groundtruth", "truth", "status"),
        *("category", "covid", "covid19", "befund", "diagnostic"),
    ),
}
"""Column of covidx -> names under which others have it, the likelier first; marks do not count."""


def alike_columns(present: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """Column that is wanted -> the one of the table that looks like it, where there is one.

    Parameters
    ----------
    present : sequence of str
        The table's columns.
    wanted : sequence of str
        Names in `ALIKE`; of several a column goes to the first.

    Examples
    --------
    >>> alike_columns(["PatientID", "Diagnosis"], ["patient_id", "path", "label"])
    {'patient_id': 'PatientID', 'label': 'Diagnosis'}
    """
    plain = {re.sub(r"[\W_]", "", name).casefold(): name for name in reversed(present)}
    found: dict[str, str] = {}
    for name in wanted:
        names = [plain[one] for one in ALIKE.get(name, ()) if one in plain]
        free = [one for one in names if one not in found.values()]
        if free:
            found[name] = free[0]
    return found


_PERSONAL = re.compile(
    r"(patients?|family|given|first|last|sur|full|middle|maiden|birth|vor|nach|familien)?names?"
    r"|(date|place|day)?(of)?birth(date|day)?|dob|geb(urtsdatum|datum)?"
    r"|(home|street|postal|email)?address|anschrift|adresse|e?mail|(tele|mobile)?phone(number)?"
    r"|telefon|ssn|socialsecurity(number)?|insurance(number|id)?|accession(number|no)?|nhs(number)?"
)


def names_identity(header: str) -> bool:
    """Whether a column, by its header, holds who patients are: names, ids, addresses, birthdays.

    Parameters
    ----------
    header : str
        As it stands in the table; marks and case do not count.

    Examples
    --------
    >>> [name for name in ("PatientID", "Patient's name", "sex", "dob") if names_identity(name)]
    ['PatientID', "Patient's name", 'dob']
    """
    plain = re.sub(r"[\W_]", "", header).casefold()
    return plain in ALIKE["patient_id"] or _PERSONAL.fullmatch(plain) is not None


def columns_option(columns: Mapping[str, str]) -> str:
    """The option of the command line that names `columns`, ours to theirs."""
    pairs = ",".join(f"{ours}={theirs}" for ours, theirs in columns.items())
    return f'--columns "{pairs}"' if re.search(r"[^\w=,.-]", pairs) else f"--columns {pairs}"
