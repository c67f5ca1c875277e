"""The table of readers' scores, joined to the radiographs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from covidx.cards import SeverityTable
from covidx.cell_numbers import to_numbers
from covidx.cells import as_ids, read_cells
from covidx.cohort.labels import by_row
from covidx.errors import InvalidTableError
from covidx.ingest import Identities
from covidx.wording import counted


def stem_of(path: str) -> str:
    """The file name in `path` that identifies a radiograph, without folder and suffix.

    >>> stem_of("images/a.pdf-002.jpg")
    'a.pdf-002'
    """
    return PurePath(path).stem


def read_scores(path: Path, layout: SeverityTable, missing: Collection[str] = ()) -> pd.DataFrame:
    """Read readers' scores.

    Parameters
    ----------
    path : Path
        CSV, TSV, XLSX or parquet; lines before the header that begin with ``#`` are remarks.
    layout : SeverityTable
        The card's description of the table.
    missing : collection of str
        Words that stand for an empty cell, by the card.

    Returns
    -------
    DataFrame
        ``row`` (line in the file), ``key`` (image or patient, as `layout` says), and a column a
        score; NaN where a cell is empty. ``attrs["notes"]`` says what is taken otherwise than
        written.

    Raises
    ------
    InvalidTableError
        As `read_cells`; ``SCORES_COLUMNS``, ``SCORES_VALUE``: no number from 0 to the score's
        highest, or no name; ``SCORES_CONFLICT``: two rows of one name.
    """
    raw = read_cells(path, remarks=True, missing=missing)
    wanted = [layout.key, *(score.column for score in layout.scores.values())]
    absent = [name for name in wanted if name not in raw.columns]
    if absent:
        raise InvalidTableError(
            "SCORES_COLUMNS",
            "The table of scores lacks columns.",
            path=path,
            expected=", ".join(wanted),
            actual=", ".join(map(str, raw.columns)),
            hint="Rename the table's columns, or correct their names in the card.",
        )
    table = pd.DataFrame({"row": raw.index + 2, "key": as_ids(raw[layout.key])})
    notes = list(raw.attrs["notes"])
    for name, score in layout.scores.items():
        numbers = to_numbers(raw[score.column])
        table[name], known = numbers.values, numbers.values.notna()
        notes += numbers.notes
        wrong = numbers.wrong | (known & ~table[name].between(0, score.high))
        if wrong.any():
            message = f"Values of the score {name} are not numbers from 0 to {score.high:g}."
            raise by_row(
                "SCORES_VALUE",
                message,
                path,
                table.loc[wrong, "row"],
                hint="Correct the cells, and leave unknown scores empty.",
            )
    nameless = table["key"].isna()
    if nameless.any():
        message = f"Rows of the table of scores have no {layout.key}."
        raise by_row(
            "SCORES_VALUE",
            message,
            path,
            table.loc[nameless, "row"],
            hint="Fill in the cells, or remove the rows.",
        )
    if layout.image is not None:
        table["key"] = table["key"].map(stem_of)
    again = table["key"].duplicated(keep=False)
    if again.any():
        message = f"Several rows of the table of scores have the same {layout.key}."
        raise by_row(
            "SCORES_CONFLICT",
            message,
            path,
            table.loc[again, "row"],
            hint=f"Keep one row for each {layout.key}.",
        )
    table.attrs["notes"] = notes
    return table


def join_scores(
    manifest: pd.DataFrame,
    sources: Mapping[str, str],
    scores: pd.DataFrame,
    layout: SeverityTable,
    identities: Identities,
) -> tuple[pd.DataFrame, list[str]]:
    """Join the scores to the radiographs.

    Parameters
    ----------
    manifest : DataFrame
        image_id and patient_id, a row a radiograph.
    sources : mapping of str to str
        image_id -> path of its file.
    scores : DataFrame
        As `read_scores`.
    layout : SeverityTable
        The card's description of the table.
    identities : Identities
        Pseudonyms of patients.

    Returns
    -------
    manifest : DataFrame
        With a column a score, NaN where a radiograph has none.
    notes : list of str
        What has no partner, or lacks a score, in numbers.

    Raises
    ------
    InvalidTableError
        ``SCORES_AMBIGUOUS``: a row names several radiographs; ``NOTHING_SCORED``: none is named.
    """
    names, notes = list(layout.scores), list(scores.attrs.get("notes", []))
    if layout.image is not None:
        keys = manifest["image_id"].map(lambda image: stem_of(sources.get(image, "")))
    else:
        keys = manifest["patient_id"]
        scores = scores.assign(key=scores["key"].map(identities.patient))
    named = keys.isin(scores["key"])
    several = scores["key"].isin(keys[named & keys.duplicated(keep=False)])
    if several.any():
        raise InvalidTableError(
            "SCORES_AMBIGUOUS",
            "Rows of the table of scores name several radiographs.",
            actual="rows " + ", ".join(map(str, scores.loc[several, "row"].head(10))),
            hint="Name the radiograph's file in a column image.",
        )
    by_key = scores.set_index("key")[names]
    complete = by_key.dropna()
    joined = manifest.reset_index(drop=True)
    keys = keys.reset_index(drop=True)
    for name in names:
        joined[name] = keys.map(complete[name]).astype(np.float64)
    if joined[names[0]].isna().all():
        raise InvalidTableError(
            "NOTHING_SCORED",
            "No row of the table of scores belongs to a radiograph.",
            expected=f"{layout.key}: {'file names' if layout.image else 'patient ids'} of the data",
            hint=(
                "Correct that column, or name another table with --scores (make: "
                "SCORES=scores.csv)."
            ),
        )
    lost = int((~scores["key"].isin(keys)).sum())
    if lost:
        notes.append(f"{counted(lost, 'row')} of the scores without a radiograph here")
    if len(by_key) > len(complete):
        notes.append(
            f"{counted(len(by_key) - len(complete), 'row')} of the scores left out: an empty cell"
        )
    return joined, notes
