"""The table of readers' scores, and whose film each row is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from covidx.cards import SeverityTable
from covidx.cohort.labels import by_row
from covidx.errors import InvalidTableError
from covidx.ingest import Identities

__all__ = ["join_scores", "read_scores", "stem_of"]

COMMENT = "#"


def stem_of(path: str) -> str:
    """What names a film whatever its folder and format.

    >>> stem_of("images/a.pdf-002.jpg")
    'a.pdf-002'
    """
    return PurePath(path).stem


def read_scores(path: Path, how: SeverityTable) -> pd.DataFrame:
    """Read readers' scores.

    Parameters
    ----------
    path : Path
        CSV; lines before the header that begin with ``#`` are remarks.
    how : SeverityTable

    Returns
    -------
    DataFrame
        ``row`` (line in the file), ``key`` (image or patient, as `how` says), and a column a score;
        NaN where a cell is empty.

    Raises
    ------
    InvalidTableError
        ``TABLE_UNREADABLE``, ``SCORES_COLUMNS``, ``SCORES_VALUE``: no number from 0 to the score's
        highest, or no name; ``SCORES_CONFLICT``: two rows of one name.
    """
    raw, first = _read(path)
    wanted = [how.key, *(one.column for one in how.scores.values())]
    absent = [name for name in wanted if name not in raw.columns]
    if absent:
        raise InvalidTableError(
            "SCORES_COLUMNS",
            "The table of scores lacks columns.",
            path=path,
            expected=", ".join(wanted),
            actual=", ".join(map(str, raw.columns)),
        )
    table = pd.DataFrame({"row": raw.index + first, "key": raw[how.key].str.strip()})
    for name, one in how.scores.items():
        text = raw[one.column]
        table[name] = pd.to_numeric(text, errors="coerce")
        wrong = text.notna() & ~table[name].between(0, one.high)
        if wrong.any():
            message = f"The score {name} is a number from 0 to {one.high:g}."
            raise by_row("SCORES_VALUE", message, path, table.loc[wrong, "row"])
    nameless = table["key"].isna() | (table["key"] == "")
    if nameless.any():
        message = f"Rows of the table of scores have no {how.key}."
        raise by_row("SCORES_VALUE", message, path, table.loc[nameless, "row"])
    if how.image is not None:
        table["key"] = table["key"].map(stem_of)
    again = table["key"].duplicated(keep=False)
    if again.any():
        message = f"Several rows of the table of scores have one {how.key}."
        raise by_row("SCORES_CONFLICT", message, path, table.loc[again, "row"])
    return table


def _read(path: Path) -> tuple[pd.DataFrame, int]:
    """Cells as text, and the line of the first row."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        remarks = next(
            (n for n, line in enumerate(lines) if not line.lstrip().startswith(COMMENT)), 0
        )
        raw = pd.read_csv(path, dtype=str, skiprows=remarks, encoding="utf-8-sig")
        if not isinstance(raw.index, pd.RangeIndex):
            raise ValueError("the rows have more cells than the header")
    except (OSError, ValueError) as error:
        raise InvalidTableError(
            "TABLE_UNREADABLE", "The table of scores cannot be read.", path=path, actual=error
        ) from error
    return raw, remarks + 2


def join_scores(
    manifest: pd.DataFrame,
    sources: Mapping[str, str],
    scores: pd.DataFrame,
    how: SeverityTable,
    identities: Identities,
) -> tuple[pd.DataFrame, list[str]]:
    """Give each film its scores.

    Returns
    -------
    manifest : DataFrame
        With a column a score, NaN where a film has none.
    notes : list of str
        What has no partner, or lacks a score, in numbers.

    Raises
    ------
    InvalidTableError
        ``SCORES_AMBIGUOUS``: a row names several films; ``NOTHING_SCORED``.
    """
    names = list(how.scores)
    if how.image is not None:
        keys = manifest["image_id"].map(lambda image: stem_of(sources.get(image, "")))
    else:
        keys = manifest["patient_id"]
        scores = scores.assign(key=scores["key"].map(identities.patient))
    named = keys.isin(scores["key"])
    several = scores["key"].isin(keys[named & keys.duplicated(keep=False)])
    if several.any():
        raise InvalidTableError(
            "SCORES_AMBIGUOUS",
            "Rows of the table of scores name several films.",
            actual="rows " + ", ".join(map(str, scores.loc[several, "row"].head(10))),
            hint="Name the film's file in a column image.",
        )
    by_key = scores.set_index("key")[names]
    whole = by_key.dropna()
    joined = manifest.reset_index(drop=True)
    keys = keys.reset_index(drop=True)
    for name in names:
        joined[name] = keys.map(whole[name]).astype(np.float64)
    if joined[names[0]].isna().all():
        raise InvalidTableError(
            "NOTHING_SCORED",
            "No row of the table of scores belongs to a film.",
            expected=f"{how.key}: {'file names' if how.image else 'patient ids'} of the data",
        )
    lost = int((~scores["key"].isin(keys)).sum())
    notes = [f"{lost} rows of the scores have no film here"] if lost else []
    if len(by_key) > len(whole):
        notes.append(f"{len(by_key) - len(whole)} rows of the scores have an empty cell: left out")
    return joined, notes
