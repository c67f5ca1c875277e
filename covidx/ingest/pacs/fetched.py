"""The account of a fetch: what became of each instance, over all runs into a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from covidx.cells import read_cells
from covidx.errors import InvalidTableError, PacsError
from covidx.files import replacing

ACCOUNT_NAME = "fetch.csv"
COLUMNS = ["study_uid", "series_uid", "sop_uid", "state", "code", "reason"]
State = Literal["fetched", "present", "failed"]


@dataclass(frozen=True)
class Instance:
    """One instance by its UIDs; `series_uid` and `sop_uid` are empty for a study's listing."""

    study_uid: str
    series_uid: str = ""
    sop_uid: str = ""

    def path(self, folder: Path) -> Path:
        """Where it lies below `folder`."""
        return folder / self.study_uid / self.series_uid / f"{self.sop_uid}.dcm"


@dataclass(frozen=True)
class Fetched(Instance):
    """What became of an instance: `present` was there from an earlier run."""

    state: State = "fetched"
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class FetchResult:
    """What came and what did not; `stopped` is why the rest was not tried."""

    folder: Path
    rows: tuple[Fetched, ...]
    stopped: PacsError | None

    @property
    def counts(self) -> Counter[str]:
        """Instances by state."""
        return Counter(row.state for row in self.rows)

    @property
    def reasons(self) -> Counter[str]:
        """Failures by code."""
        return Counter(row.code for row in self.rows if row.code)


def row_of(wanted: Instance, state: State, code: str = "", reason: str = "") -> Fetched:
    """The row of an instance.

    Parameters
    ----------
    wanted : Instance
        By its UIDs.
    state : str
        What became of it.
    code, reason : str
        Of a failure; else empty.
    """
    return Fetched(wanted.study_uid, wanted.series_uid, wanted.sop_uid, state, code, reason)


def read_account(out: Path) -> pd.DataFrame:
    """The account in the folder `out` of earlier runs; empty where there is none."""
    path = out / ACCOUNT_NAME
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    table = read_cells(path)
    if list(table.columns) != COLUMNS:
        raise InvalidTableError(
            "COLUMNS_MISSING",
            "This is no account of a fetch.",
            path=path,
            expected=", ".join(COLUMNS),
            actual=", ".join(table.columns),
            hint="Choose another folder, or move this file away.",
        )
    return table


def write_account(rows: Sequence[Fetched], earlier: pd.DataFrame, out: Path) -> None:
    """Write the account: of a study that was listed again the new rows alone, else both.

    Parameters
    ----------
    rows : sequence of Fetched
        Of this run.
    earlier : DataFrame
        From `read_account`.
    out : Path
        Folder of the fetch.
    """
    now = pd.DataFrame([astuple(row) for row in rows], columns=COLUMNS)
    listed = now.loc[now["sop_uid"] != "", "study_uid"]
    before = earlier[~earlier["study_uid"].isin(listed)].fillna("")
    table = pd.concat([before, now]).drop_duplicates(COLUMNS[:3], keep="last")
    with replacing(out / ACCOUNT_NAME) as temporary:
        table.sort_values(COLUMNS[:3]).to_csv(temporary, index=False)
