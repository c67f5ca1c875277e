"""Finding studies in a PACS by QIDO-RS (PS3.18 10.6): the query, and what a result shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from covidx.errors import InvalidInputError
from covidx.ingest.dicom.attributes import date_of, integer_of, text_of, values
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.quiet import quiet

T = TypeVar("T")

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64

STUDY_FIELDS = (
    "StudyInstanceUID",
    "StudyDate",
    "ModalitiesInStudy",
    "StudyDescription",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
    "PatientID",
)


@dataclass(frozen=True)
class StudyQuery:
    """The query; `*` and `?` match any characters and any one (PS3.4 C.2.2.2.4).

    Attributes
    ----------
    since, until : date, optional
        First and last study date, both included.

    Raises
    ------
    InvalidInputError
        ``QUERY_EMPTY`` or ``QUERY_DATES``.
    """

    patient_id: str | None = field(default=None, repr=False)
    accession: str | None = field(default=None, repr=False)
    since: date | None = None
    until: date | None = None
    modality: str | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if not self.filters:
            raise InvalidInputError(
                "QUERY_EMPTY",
                "Nothing narrows the search: it would list the whole PACS.",
                expected="a patient, a date, a modality, a description or an accession number",
                hint='If you want all of it, ask for the description "*".',
            )
        if self.since and self.until and self.until < self.since:
            raise InvalidInputError(
                "QUERY_DATES",
                "The last day lies before the first.",
                actual=f"{self.since} to {self.until}",
            )

    @property
    def filters(self) -> dict[str, str]:
        """The query by keyword, as QIDO-RS takes it."""
        days = [day.strftime("%Y%m%d") if day else "" for day in (self.since, self.until)]
        filters = {
            "PatientID": self.patient_id,
            "AccessionNumber": self.accession,
            "StudyDate": "-".join(days) if any(days) else None,
            "ModalitiesInStudy": self.modality,
            "StudyDescription": self.description,
        }
        return {name: value for name, value in filters.items() if value}


@dataclass(frozen=True)
class FoundStudy:
    """A study in a PACS. `patient_id` is the original one, and for the terminal only."""

    study_uid: str
    date: str
    modalities: str
    description: str
    series: int | None
    instances: int | None
    patient_id: str = field(repr=False)


def find_studies(server: Server, query: StudyQuery) -> list[FoundStudy]:
    """Studies of `server` that fit `query`, by date.

    Raises
    ------
    PacsError
        As `Server.ask`.
    """

    def page(offset: int) -> list[FoundStudy]:
        return server.ask(
            lambda client: [
                _study(dataset_of(item, STUDY_FIELDS))
                for item in client.search_for_studies(
                    fields=STUDY_FIELDS, search_filters=query.filters, offset=offset or None
                )
            ]
        )

    with quiet():
        return sorted(pages(page), key=lambda study: (study.date, study.study_uid))


def pages(page: Callable[[int], list[T]]) -> list[T]:
    """All results of `page`, a function of the offset, each of them once.

    No limit is set: with one, Orthanc 1.10 loses results from the second page on.
    """
    results: dict[T, None] = {}
    offset = 0
    while True:
        batch = page(offset)
        offset += len(batch)
        before = len(results)
        results |= dict.fromkeys(batch)
        if len(results) == before:
            return list(results)


def dataset_of(item: dict[str, Any], names: Sequence[str]) -> Dataset:
    """The attributes `names` of a result `item` in DICOM JSON (PS3.18 F.2)."""
    tags = [f"{tag_for_keyword(name):08X}" for name in names]
    return Dataset.from_json({tag: item[tag] for tag in tags if tag in item})


def _study(ds: Dataset) -> FoundStudy:
    return FoundStudy(
        study_uid=checked_uid(ds, "StudyInstanceUID"),
        date=date_of(ds),
        modalities=" ".join(values(ds, "ModalitiesInStudy")),
        description=_printable(text_of(ds, "StudyDescription")),
        series=integer_of(ds, "NumberOfStudyRelatedSeries"),
        instances=integer_of(ds, "NumberOfStudyRelatedInstances"),
        patient_id=_printable(text_of(ds, "PatientID")),
    )


def checked_uid(ds: Dataset, name: str) -> str:
    """The UID `name` of `ds` that a server sent, which will be part of a path.

    Raises
    ------
    ValueError
        Where it is none.
    """
    uid = text_of(ds, name)
    if not is_uid(uid):
        raise ValueError("no UID")
    return uid


def is_uid(text: str) -> bool:
    """Whether `text` is a UID by its characters and length (PS3.5 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def _printable(text: str) -> str:
    """Text without what would steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
