"""Fetching studies by WADO-RS (PS3.18 10.4), instance by instance, with an account of each."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import pandas as pd
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from covidx.errors import InvalidInputError, InvalidTableError, PacsError
from covidx.files import locked, make_folder, replacing
from covidx.ingest.attributes import text_of
from covidx.ingest.dicomweb import Server
from covidx.ingest.pacs import checked_uid, dataset_of, is_uid, pages
from covidx.tables import read_csv

__all__ = ["ACCOUNT_NAME", "FetchResult", "Fetched", "Instance", "fetch_studies"]

ACCOUNT_NAME = "fetch.csv"
CONNECTIONS = 4
"""Instances asked for at once."""
STOPPING = ("PACS_UNREACHABLE", "PACS_UNTRUSTED", "PACS_DENIED")
"""Failures after which no other request can do better."""
FAILING = ("PACS_BUSY", "PACS_BROKEN_ANSWER")
FAILURES_IN_A_ROW = 10
"""After so many of these the server is taken to be down."""
COLUMNS = ["study_uid", "series_uid", "sop_uid", "state", "code", "reason"]
State = Literal["fetched", "present", "failed"]
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class Instance:
    """One instance by its UIDs; `series_uid` and `sop_uid` are empty for a study not listed."""

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


def fetch_studies(
    server: Server,
    studies: Sequence[str],
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> FetchResult:
    """Fetch studies into ``out/<study>/<series>/<instance>.dcm``; what is there is left alone.

    A file has its name only once it is whole. ``fetch.csv`` in `out` accounts for every instance,
    those of earlier runs too.

    Parameters
    ----------
    server : Server
    studies : sequence of str
        Study Instance UIDs.
    out : Path
        The folder that `covidx ingest` reads next.
    progress : callable, optional
        Called with (instances done, instances in all).

    Raises
    ------
    InvalidInputError
        ``STUDY_UID_INVALID``.
    InvalidTableError
        ``COLUMNS_MISSING`` or ``TABLE_UNREADABLE``, where `out` holds some other ``fetch.csv``.
    StoreError
        ``UNWRITABLE`` or ``IN_USE``.
    """
    for place, uid in enumerate(studies, 1):
        if not is_uid(uid):  # it is not shown: a slip of the hand may have put a name there
            raise InvalidInputError(
                "STUDY_UID_INVALID",
                f"What stands at place {place} is no Study Instance UID.",
                expected="digits and dots, at most 64 characters (PS3.5 9.1)",
            )
    run = _Run(server, out)
    with locked(out), warnings.catch_warnings(), _pool() as pool:
        warnings.simplefilter("ignore")  # pydicom's quote values, which may be a patient's
        earlier = _read_account(out)
        for left in out.rglob(".*.tmp.*.dcm"):  # of a run that was killed
            left.unlink()
        listed = [row for part in pool.map(run.listed, dict.fromkeys(studies)) for row in part]
        rows = []
        for done, row in enumerate(pool.map(run.fetched, listed), 1):
            rows.append(row)
            if progress is not None:
                progress(done, len(listed))
        _write_account(rows, earlier, out)
    return FetchResult(out, tuple(rows), run.stopped)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads; on an error or Ctrl-C, what has not begun is not begun."""
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class _Run:
    """One fetch; it gives up where the server does not answer any more."""

    def __init__(self, server: Server, out: Path) -> None:
        self._server, self._out = server, out
        self._in_a_row = 0
        self.stopped: PacsError | None = None

    def listed(self, study: str) -> list[Instance]:
        """The instances of a study; one row `failed` where they cannot be had."""

        def page(offset: int) -> list[Instance]:
            return self._server.ask(
                lambda client: [
                    _instance(dataset_of(item, UIDS), study)
                    for item in client.search_for_instances(study, offset=offset or None)
                ]
            )

        try:
            self._go_on()
            found = pages(page)
            if not found:
                raise PacsError("PACS_NOT_FOUND", "The PACS lists no instance of this study.")
        except PacsError as error:
            return [self._failed(Instance(study), error)]
        return list(found)

    def fetched(self, wanted: Instance) -> Fetched:
        """Fetch one instance, unless it is there or has failed already."""
        if isinstance(wanted, Fetched):
            return wanted
        path = wanted.path(self._out)
        if path.exists():
            return _row(wanted, "present")
        try:
            self._go_on()
            data = self._server.ask(lambda client: _retrieve(client, wanted))
        except PacsError as error:
            return self._failed(wanted, error)
        make_folder(path.parent)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        self._in_a_row = 0
        return _row(wanted, "fetched")

    def _go_on(self) -> None:
        if self.stopped is not None:
            message = f"Not tried, since an earlier request failed: {self.stopped.message}"
            raise PacsError(self.stopped.code, message)

    def _failed(self, wanted: Instance, error: PacsError) -> Fetched:
        self._in_a_row = self._in_a_row + 1 if error.code in FAILING else 0
        if self.stopped is None and (error.code in STOPPING or self._in_a_row >= FAILURES_IN_A_ROW):
            self.stopped = error
        return _row(wanted, "failed", error.code, error.reason)


def _row(wanted: Instance, state: State, code: str = "", reason: str = "") -> Fetched:
    return Fetched(wanted.study_uid, wanted.series_uid, wanted.sop_uid, state, code, reason)


def _instance(ds: Dataset, study: str) -> Instance:
    return Instance(study, checked_uid(ds, "SeriesInstanceUID"), checked_uid(ds, "SOPInstanceUID"))


def _retrieve(client: DICOMwebClient, wanted: Instance) -> bytes:
    """An instance in the transfer syntax in which the PACS keeps it, as a file (PS3.10 7).

    Raises
    ------
    PacsError
        ``PACS_BROKEN_ANSWER``, where it is another one.
    """
    ds = client.retrieve_instance(*astuple(wanted))
    if tuple(text_of(ds, name) for name in UIDS) != astuple(wanted):
        raise PacsError("PACS_BROKEN_ANSWER", "The PACS sent another instance than was asked for.")
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=False)
    return stream.getvalue()


def _read_account(out: Path) -> pd.DataFrame:
    """The account of earlier runs."""
    path = out / ACCOUNT_NAME
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS)
    table = read_csv(path)
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


def _write_account(rows: Sequence[Fetched], earlier: pd.DataFrame, out: Path) -> None:
    """Write the account: of a study that was listed again the new rows alone, else both."""
    now = pd.DataFrame([astuple(row) for row in rows], columns=COLUMNS)
    listed = now.loc[now["sop_uid"] != "", "study_uid"]
    before = earlier[~earlier["study_uid"].isin(listed)].fillna("")
    table = pd.concat([before, now]).drop_duplicates(COLUMNS[:3], keep="last")
    with replacing(out / ACCOUNT_NAME) as temporary:
        table.sort_values(COLUMNS[:3]).to_csv(temporary, index=False)
