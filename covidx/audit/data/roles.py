"""Who plays which role: covidx's splits, any CSV with a role column, or text files of ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.audit.data.listing import NAMES, plain
from covidx.cells import read_cells
from covidx.errors import InvalidTableError
from covidx.table_lines import SUFFIXES

ROLE_NAMES = ("role", "split", "set", "subset", "partition")
WORDS = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}
"""How the name of a role begins -> the role."""
KEYS = ("image", "path", "original", "name", "stem", "study", "patient", "group")
FEWEST_KNOWN = 0.5
"""Share of ids that must be in the table; below it the file is of another data set."""


def read_roles(
    files: Sequence[str], table: pd.DataFrame
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The role of each row of `table` in each fold.

    Parameters
    ----------
    files : sequence of str
        ``FILE`` or ``ROLE=FILE``. A table (CSV, XLSX, parquet) has a column of roles and one of
        ids; any other file has an id a line and one role, which its name begins with where none is
        named.
    table : DataFrame
        As `listing.joined`.

    Returns
    -------
    roles : DataFrame
        Columns row (index of `table`), fold, role.
    strange : list of dict
        Files (by place) with ids that the table does not know: how many, of how many.

    Raises
    ------
    InvalidTableError
        ``SPLITS_UNREADABLE``, ``SPLITS_EMPTY``, ``SPLITS_COLUMNS``, ``SPLITS_ROLE``,
        ``SPLITS_OTHER_SET`` or ``SPLITS_AMBIGUOUS``.
    """
    keys = _keys(table)
    parts, strange = [], []
    for place, text in enumerate(files, 1):
        role, path = _named(text)
        if path.suffix.lower() in SUFFIXES:
            ids, frame = _of_table(path)
        else:
            ids = {"": pd.Series(_lines(path), dtype=object)}
            frame = pd.DataFrame(
                {"fold": "0", "role": role or _role(path.stem, path)}, ids[""].index
            )
        column, key = _key(ids, keys, path)
        _check_one(column, key, keys[key], table, path)
        parts.append(_matched(column, frame, keys[key]))
        unknown = int((~column.isin(set(keys[key]))).sum())
        if unknown:
            strange.append({"splits": f"file {place}", "unknown": unknown, "ids": len(column)})
    return pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True), strange


def _named(text: str) -> tuple[str | None, Path]:
    name, equals, rest = text.partition("=")
    if equals and not Path(text).exists():
        return _role(name, Path(rest)), Path(rest)
    return None, Path(text)


def _role(name: str, path: Path) -> str:
    for start, role in WORDS.items():
        if name.strip().lower().startswith(start):
            return role
    raise InvalidTableError(
        "SPLITS_ROLE",
        "The role cannot be determined from this name.",
        path=path,
        expected="a name that begins with train, val, dev or test",
        actual=name,
        hint="Name the role as in --splits train=FILE.",
    )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_table(path: Path) -> tuple[dict[str, pd.Series], pd.DataFrame]:
    """Columns that may hold ids, and fold and role of each row that has a role."""
    raw = read_cells(path)
    role = next((name for name in ROLE_NAMES if name in raw), None)
    if role is None:
        raise InvalidTableError(
            "SPLITS_COLUMNS",
            "The table of splits has no column of roles.",
            path=path,
            expected="one of " + ", ".join(ROLE_NAMES),
            actual=", ".join(raw.columns),
            hint="Rename the column of roles, or give a file for each role: --splits train=FILE.",
        )
    known = raw[raw[role].notna()]
    frame = pd.DataFrame(
        {
            "fold": known["fold"].astype(str) if "fold" in known else "0",
            "role": [_role(str(name), path) for name in known[role]],
        },
        index=known.index,
    )
    return {name: known[name] for name in known.columns if name not in (role, "fold")}, frame


def _key(
    ids: dict[str, pd.Series], keys: dict[str, pd.Series], path: Path
) -> tuple[pd.Series, str]:
    """The column of ids and the way in which the table knows them.

    A column of one name with the table's goes first: a patient's 12 is no ``12.png``. Then the pair
    that knows most ids, and of several the most exact one.
    """
    if not any(len(column) for column in ids.values()):
        raise InvalidTableError(
            "SPLITS_EMPTY",
            "The splits name no ids.",
            path=path,
            hint="Write the ids into the file, or name another with --splits.",
        )
    known = {
        (name, key): float(column.isin(set(values.dropna())).mean())
        for key, values in keys.items()
        for name, column in ids.items()
    }
    alike = {
        pair: n for pair, n in known.items() if plain(pair[0]) in map(plain, NAMES.get(pair[1], ()))
    }
    share = 0.0
    for pairs in (alike, known):
        name, key = max(pairs, key=pairs.__getitem__, default=("", ""))
        share = pairs.get((name, key), 0.0)
        if share >= FEWEST_KNOWN:
            return ids[name], key
    raise InvalidTableError(
        "SPLITS_OTHER_SET",
        "The splits are not of this data set: the table does not know their ids.",
        path=path,
        expected=f"at least {FEWEST_KNOWN:.0%} of the ids",
        actual=f"{share:.0%} of {len(next(iter(ids.values())))}",
        hint="Use ids of images, studies, patients or groups, paths, file names or stems. A store "
        "has pseudonyms, unless its card says public_ids: true; covidx linkage has both.",
    )


def _check_one(
    column: pd.Series, key: str, values: pd.Series, table: pd.DataFrame, path: Path
) -> None:
    """Refuse an id that names several images, or patients of several data sets."""
    whole = table["dataset"]
    if key not in ("study", "patient", "group"):
        whole = whole + "/" + table["path"]
    named = whole.groupby(values[values.isin(set(column))]).nunique()
    several = int((named > 1).sum())
    if several:
        raise InvalidTableError(
            "SPLITS_AMBIGUOUS",
            "Ids of the splits name several images, or patients of several data sets.",
            path=path,
            expected="one each",
            actual=f"{several} of {len(named)} ids name several by their {key}",
            hint="Name images by their path in the table; audit data sets one at a time.",
        )


def _matched(column: pd.Series, frame: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    left = frame.assign(key=column)
    right = pd.DataFrame({"key": values, "row": values.index}).dropna()
    return left.merge(right, on="key")[["row", "fold", "role"]]


def _keys(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Every way in which a split may name a row, the more exact ones first."""
    bare = {
        name: table[name].str.split("/", n=1).str[-1]  # without the data set's name
        for name in ("image", "study", "patient", "group")
        if name in table
    }
    found = bare | {name: table[name] for name in ("path", "original") if name in table}
    found["name"] = table["path"].map(lambda text: Path(text).name)
    found["stem"] = found["name"].map(lambda text: Path(text).stem)
    return {name: found[name] for name in KEYS if name in found}


def _unreadable(path: Path, error: Exception) -> InvalidTableError:
    return InvalidTableError(
        "SPLITS_UNREADABLE",
        "The splits cannot be read.",
        path=path,
        actual=error,
        hint=(
            "Check the path, or save the splits again as CSV, parquet or text with an id a line."
        ),
    )
