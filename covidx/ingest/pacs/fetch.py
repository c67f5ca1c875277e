"""Fetching studies by WADO-RS (PS3.18 10.4), instance by instance, with an account of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from io import BytesIO
from pathlib import Path

from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset

from covidx.errors import InvalidInputError, PacsError
from covidx.files import locked, make_folder, replacing
from covidx.ingest.dicom.attributes import integer_of, text_of
from covidx.ingest.find.scan import silent
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.fetched import (
    Fetched,
    FetchResult,
    Instance,
    read_account,
    row_of,
    write_account,
)
from covidx.ingest.pacs.query import checked_uid, dataset_of, is_uid, pages
from covidx.ingest.quiet import quiet

CONNECTIONS = 4
"""Instances asked for at once."""
STOPPING = ("PACS_UNREACHABLE", "PACS_UNTRUSTED", "PACS_DENIED")
"""Failures after which no other request can do better."""
FAILING = ("PACS_BUSY", "PACS_BROKEN_ANSWER")
FAILURES_IN_A_ROW = 10
"""After so many of these the server is taken to be down."""
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def fetch_studies(
    server: Server,
    studies: Sequence[str],
    out: Path,
    *,
    progress: Callable[[int, int], None] = silent,
) -> FetchResult:
    """Fetch studies into ``out/<study>/<series>/<instance>.dcm``; what is there is left alone.

    A file has its name only once it is whole. ``fetch.csv`` in `out` accounts for every instance,
    those of earlier runs too.

    Parameters
    ----------
    server : Server
        The PACS.
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
    with locked(out), quiet(), _pool() as pool:
        earlier = read_account(out)
        for left in out.rglob(".*.tmp.*.dcm"):  # of a run that was killed
            left.unlink()
        listed = [row for part in pool.map(run.listed, dict.fromkeys(studies)) for row in part]
        rows = []
        for done, row in enumerate(pool.map(run.fetched, listed), 1):
            rows.append(row)
            progress(done, len(listed))
        write_account(rows, earlier, out)
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

        instances: list[Instance] = []
        try:
            self._go_on()
            instances += pages(page)
            if not instances:
                raise PacsError("PACS_NOT_FOUND", "The PACS lists no instance of this study.")
            self._check_number(study, len(instances))
        except PacsError as error:
            instances.append(self._failed(Instance(study), error))
        return instances

    def _check_number(self, study: str, listed: int) -> None:
        """Refuse to take a part of a study for the whole: some servers cut a long list."""
        name = "NumberOfStudyRelatedInstances"
        stated = self._server.ask(
            lambda client: [
                integer_of(dataset_of(item, [name]), name)
                for item in client.search_for_studies(
                    fields=[name], search_filters={"StudyInstanceUID": study}
                )
            ]
        )
        if stated and stated[0] is not None and stated[0] > listed:
            raise PacsError(
                "PACS_LIST_SHORT",
                "The PACS lists fewer instances of this study than it says it has.",
                expected=stated[0],
                actual=listed,
            )

    def fetched(self, wanted: Instance) -> Fetched:
        """Fetch one instance, unless it is there or has failed already."""
        if isinstance(wanted, Fetched):
            return wanted
        path = wanted.path(self._out)
        if path.exists():
            return row_of(wanted, "present")
        try:
            self._go_on()
            data = self._server.ask(lambda client: _retrieve(client, wanted))
        except PacsError as error:
            return self._failed(wanted, error)
        make_folder(path.parent)
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        self._in_a_row = 0
        return row_of(wanted, "fetched")

    def _go_on(self) -> None:
        if self.stopped is not None:
            message = f"Not tried, since an earlier request failed: {self.stopped.message}"
            raise PacsError(self.stopped.code, message)

    def _failed(self, wanted: Instance, error: PacsError) -> Fetched:
        self._in_a_row = self._in_a_row + 1 if error.code in FAILING else 0
        if self.stopped is None and (error.code in STOPPING or self._in_a_row >= FAILURES_IN_A_ROW):
            self.stopped = error
        return row_of(wanted, "failed", error.code, error.reason)


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
        raise PacsError("PACS_BROKEN_ANSWER", "The PACS sent another instance than was requested.")
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=False)
    return stream.getvalue()
