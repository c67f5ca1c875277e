"""One DICOM data set without its identity: PS3.15 annex E, the basic profile with options."""

from __future__ import annotations

from collections.abc import Iterator, Set
from io import BytesIO
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence

from covidx.errors import InvalidInputError
from covidx.ingest.deid.confidentiality import Retain, codes_of
from covidx.ingest.deid.streams import NATIVE, without_text
from covidx.ingest.deid.treatment import PIXEL_GROUP, Treatment, listed, readable
from covidx.ingest.dicom.attributes import text_of
from covidx.ingest.identity import Identities, original_patient
from covidx.ingest.words import holds_bytes, words_of, words_of_places

PERSONS = (
    "PatientID",
    "OtherPatientIDs",
    "AccessionNumber",
    "PatientAddress",
    "PatientTelephoneNumbers",
)
"""Attributes, beside all of VR PN, whose words name a person wherever they stand again."""
PLACES = ("InstitutionName", "InstitutionAddress", "ResponsibleOrganization")

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def identity_words(ds: Dataset) -> frozenset[str]:
    """The words of every name, identifier and address in the data set `ds`, at any depth."""
    persons: list[str] = []
    places: list[str] = []
    for item in _items_of(ds):
        for element in _elements(item):
            if element.VR == "PN" or element.keyword in PERSONS:
                persons += map(str, listed(element.value))
            elif element.keyword in PLACES:
                places += map(str, listed(element.value))
    return words_of(persons) | words_of_places(places)


def _items_of(ds: Dataset) -> Iterator[Dataset]:
    yield ds
    for element in _elements(ds):
        if element.VR == "SQ":
            for item in element.value:
                yield from _items_of(item)


def _elements(ds: Dataset) -> Iterator[DataElement]:
    """Those that can be read, but the pixels."""
    found = (readable(ds, tag) for tag in list(ds.keys()) if tag.group != PIXEL_GROUP)
    return (element for element in found if element is not None)


def deidentify_dataset(ds: FileDataset, ids: Identities, retain: Set[Retain]) -> None:
    """Take the identity out of a data set, in place; pixels and transfer syntax stay.

    Patient, UIDs and dates become what `ids` makes of them, as in `ingest`.

    Parameters
    ----------
    ds : FileDataset
        With its file meta information.
    ids : Identities
        Keyed.
    retain : set of str
        Options of the profile; see `OPTIONS`.

    Raises
    ------
    InvalidInputError
        ``IDENTITY_LEFT`` where a name was found in what would be written; ``SYNTAX_UNSUPPORTED``
        or ``STREAM_BROKEN``, see `without_text`.
    """
    words = identity_words(ds)
    patient, _ = original_patient(text_of(ds, "PatientID"), text_of(ds, "StudyInstanceUID"))
    syntax = str(ds.file_meta.TransferSyntaxUID)
    if "SOPClassUID" not in ds:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID
    Treatment(ids, frozenset(retain), words, patient).treat(ds)
    _check_nothing_left(ds, words)
    ds.PatientID = ds.PatientName = ids.patient(patient)
    _declare(ds, retain)
    for name in PIXELS:
        if name in ds:
            _clean_pixels(ds, name, syntax)
    ds.preamble = bytes(128)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta = meta


def _declare(ds: Dataset, retain: Set[Retain]) -> None:
    """Say what was done (PS3.15 E.1.1; PS3.3 C.7.1.1, C.7.6.1)."""
    used = codes_of(retain)
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = ["covidx", "DICOM PS3.15 annex E", *(code.value for code in used)]
    ds.DeidentificationMethodCodeSequence = Sequence(map(_code_item, used))
    ds.LongitudinalTemporalInformationModified = "MODIFIED" if "dates" in retain else "REMOVED"


def _code_item(code: Any) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _clean_pixels(ds: FileDataset, name: str, syntax: str) -> None:
    element = ds[name]
    data: bytes = element.value or b""
    # Of native pixels, what stands behind the last is none.
    native = syntax in NATIVE
    data = data[: _native_bytes(ds, data)] if native else without_text(data, syntax)
    if data != element.value:
        element.value = data


def _native_bytes(ds: Dataset, data: bytes) -> int:
    try:
        bits = int(ds.Rows) * int(ds.Columns) * int(ds.BitsAllocated)
        bits *= int(ds.get("SamplesPerPixel", 1)) * int(ds.get("NumberOfFrames") or 1)
    except (AttributeError, TypeError, ValueError):
        return len(data)
    size = (bits + 7) // 8
    return size + size % 2


def _check_nothing_left(ds: FileDataset, words: Set[str]) -> None:
    """Search what will be written, but pixels and UIDs, whose digits hold any number by chance."""
    bare = Dataset()
    for element in _elements(ds):
        if element.VR != "UI":
            bare.add(element)
    stream = BytesIO()
    bare.save_as(stream, implicit_vr=False, little_endian=True)
    if holds_bytes(stream.getvalue(), words):
        raise InvalidInputError(
            "IDENTITY_LEFT", "A name or number of the patient would have stayed in the copy."
        )
