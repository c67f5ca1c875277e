"""Who plays which role: covidx's splits, any CSV with a role column, or text files of ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq

from covidx.errors import InvalidTableError
from covidx.tables import read_csv

__all__ = ["read_roles"]

ROLE_NAMES = ("role", "split", "set", "subset", "partition")
FOLD_NAMES = ("fold",)
WORDS = {"train": "train", "val": "validation", "dev": "validation", "test": "test"}
"""How the name of a role begins -> the role."""
KEYS = ("image", "path", "original", "name", "stem", "patient", "group")
FEWEST_KNOWN = 0.5
"""Share of ids that the table must know; below it the file is of another data set."""


def read_roles(given: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """The role of each row of `table` in each fold.

    Parameters
    ----------
    given : sequence of str
        ``FILE`` or ``ROLE=FILE``. A parquet or CSV has a column of roles and one of ids; any other
        file has an id a line and one role, which its name begins with where none is given.
    table : DataFrame
        As `listing.joined` gives it.

    Returns
    -------
    DataFrame
        Columns row (index of `table`), fold, role.

    Raises
    ------
    InvalidTableError
        ``SPLITS_UNREADABLE``, ``SPLITS_COLUMNS``, ``SPLITS_ROLE`` or ``SPLITS_OTHER_SET``.
    """
    keys = _keys(table)
    parts = []
    for text in given:
        role, path = _named(text)
        if path.suffix in (".csv", ".parquet"):
            parts.append(_of_table(path, keys))
        else:
            ids = _lines(path)
            frame = pd.DataFrame({"id": ids, "fold": 0, "role": role or _role(path.stem, path)})
            parts.append(_matched({"id": frame["id"]}, frame, keys, path))
    return pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)


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
        "Which role is this?",
        path=path,
        expected="a name that begins with train, val, dev or test",
        actual=name,
        hint="Say it: --splits train=FILE.",
    )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_table(path: Path, keys: dict[str, pd.Series]) -> pd.DataFrame:
    try:
        is_csv = path.suffix == ".csv"
        raw = read_csv(path) if is_csv else pq.read_table(path).to_pandas().astype(str)
    except (OSError, arrow.ArrowException) as error:
        raise _unreadable(path, error) from error
    role = next((name for name in ROLE_NAMES if name in raw), None)
    if role is None:
        raise InvalidTableError(
            "SPLITS_COLUMNS",
            "The table of splits has no column of roles.",
            path=path,
            expected="one of " + ", ".join(ROLE_NAMES),
            actual=", ".join(raw.columns),
        )
    known = raw[raw[role].notna()]
    frame = pd.DataFrame(
        {
            "fold": known.get("fold", "0"),
            "role": [_role(str(name), path) for name in known[role]],
        },
        index=known.index,
    )
    ids = {name: known[name] for name in known.columns if name not in (role, "fold")}
    return _matched(ids, frame, keys, path)


def _matched(
    ids: dict[str, pd.Series], frame: pd.DataFrame, keys: dict[str, pd.Series], path: Path
) -> pd.DataFrame:
    """Join by the pair of columns that knows most ids, the more exact one where several do."""
    best, share = None, 0.0
    for column in ids.values():
        for values in keys.values():
            known = float(column.isin(set(values.dropna())).mean()) if len(column) else 0.0
            if known > share:
                best, share = (column, values), known
    if best is None or share < FEWEST_KNOWN:
        raise InvalidTableError(
            "SPLITS_OTHER_SET",
            "The splits are not of this data set: the table does not know their ids.",
            path=path,
            expected=f"at least {FEWEST_KNOWN:.0%} of the ids",
            actual=f"{share:.0%} of {len(frame)}",
        )
    column, values = best
    left = frame[["fold", "role"]].assign(key=column.to_numpy())
    right = pd.DataFrame({"key": values.to_numpy(), "row": values.index})
    found = left.merge(right.dropna(), on="key")[["row", "fold", "role"]]
    return found.assign(fold=found["fold"].astype(str))


def _keys(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Every way in which a split may name a row, the more exact ones first."""
    bare = {
        name: table[name].str.split("/", n=1).str[1]  # without the data set's name
        for name in ("image", "patient", "group")
        if name in table
    }
    found = bare | {name: table[name] for name in ("path", "original") if name in table}
    found["name"] = table["path"].map(lambda text: Path(text).name)
    found["stem"] = found["name"].map(lambda text: Path(text).stem)
    return {name: found[name] for name in KEYS if name in found}


def _unreadable(path: Path, error: Exception) -> InvalidTableError:
    return InvalidTableError(
        "SPLITS_UNREADABLE", "The splits cannot be read.", path=path, actual=error
    )
