"""One DICOM instance to its de-identified copy: a pure function of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from covidx.errors import CovidxError, InvalidInputError, StoreError
from covidx.files import make_folder, replacing, sha256_bytes
from covidx.ingest.context import Context, source_place
from covidx.ingest.deid.confidentiality import Retain
from covidx.ingest.deid.dataset import deidentify_dataset
from covidx.ingest.deid.treatment import is_registered
from covidx.ingest.dicom.attributes import integer_of, text_of
from covidx.ingest.dicom.file import read_dicom
from covidx.ingest.dicom.series import Outcome
from covidx.ingest.identity import original_patient
from covidx.ingest.quiet import quiet

OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


@dataclass(frozen=True)
class Copied:
    """A copy, as a worker reports it."""

    path: str
    copy: str
    link: dict[str, object] = field(repr=False)


def copy_instance(
    paths: Sequence[str], context: Context, out: Path, retain: frozenset[Retain], captures: bool
) -> list[Copied | Outcome]:
    """Copy an instance once; of several files the first that can be copied is it.

    Parameters
    ----------
    paths : sequence of str
        Files that claim to be the instance, most often one.
    context : Context
        What all jobs share.
    out : Path
        Folder of the copies.
    retain : frozenset of str
        Options of the basic profile.
    captures : bool
        Copy images whose pixels may show text too.
    """
    results: list[Copied | Outcome] = []
    first: str | None = None
    for path in paths:
        try:
            with quiet():
                ds = _read(path)
                if not captures:
                    _check_pixels_tell_nothing(ds)
                link = _link(ds, path, context)
                deidentify_dataset(ds, context.identities, retain)
                copy = f"{ds.PatientID}/{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}"
                copy += f"/{ds.SOPInstanceUID}.dcm"
                data = _encoded(ds)
            if first is not None:
                results.append(_second(path, sha256_bytes(data) == first))
                continue
            make_folder((out / copy).parent)
            with replacing(out / copy) as temporary:
                temporary.write_bytes(data)
            first = sha256_bytes(data)
            results.append(Copied(path, copy, {**link, "path": copy}))
        except StoreError:  # of the output: without it nothing can be done
            raise
        except CovidxError as error:
            kind = "set_aside" if error.code in ("BURNED_IN", "OVERLAY_EMBEDDED") else "quarantined"
            results.append(Outcome(path, kind, error.code, error.message))
        except OSError:  # of the output too
            raise
        except Exception as error:  # a broken file never stops a batch
            reason = f"Copying failed ({type(error).__name__})."
            results.append(Outcome(path, "quarantined", "COPY_FAILED", reason))
    return results


def _second(path: str, same: bool) -> Outcome:
    if same:
        reason = "Identical to another file of this instance."
        return Outcome(path, "set_aside", "INSTANCE_DUPLICATE", reason)
    reason = "Another file claims to be the same instance, and is not the same."
    return Outcome(path, "quarantined", "INSTANCE_CONFLICT", reason)


def _read(path: str) -> FileDataset:
    """A whole data set with its transfer syntax, which files without meta information lack.

    Raises
    ------
    InvalidInputError
        ``FILE_UNREADABLE``, ``UIDS_ABSENT``, ``CLASS_UNKNOWN`` or ``SYNTAX_UNSUPPORTED``.
    """
    try:
        ds = read_dicom(path)
    except OSError as error:
        raise InvalidInputError("FILE_UNREADABLE", "The file cannot be read.") from error
    if not getattr(ds, "file_meta", None):
        ds.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in ds.file_meta:
        implicit, little = ds.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    for name in ("SOPClassUID", "SOPInstanceUID"):
        stored = text_of(ds.file_meta, f"MediaStorage{name}")
        if not text_of(ds, name) and stored:
            setattr(ds, name, stored)
    needed = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    if not all(text_of(ds, name) for name in needed):
        raise InvalidInputError("UIDS_ABSENT", "It lacks a UID of its study, series or instance.")
    if not is_registered(text_of(ds, "SOPClassUID")):
        raise InvalidInputError("CLASS_UNKNOWN", "Its SOP class is none of the standard's.")
    if not is_registered(str(ds.file_meta.TransferSyntaxUID)):
        raise InvalidInputError("SYNTAX_UNSUPPORTED", "Its transfer syntax is not known.")
    return ds


def _check_pixels_tell_nothing(ds: Dataset) -> None:
    """Refuse what says, or suggests, that text is among its pixels.

    Raises
    ------
    InvalidInputError
        ``BURNED_IN`` or ``OVERLAY_EMBEDDED``.
    """
    if text_of(ds, "BurnedInAnnotation").upper() not in ("NO", ""):
        raise InvalidInputError("BURNED_IN", "BurnedInAnnotation says that its pixels hold text.")
    for group in OVERLAY_GROUPS:
        plane = ds.group_dataset(group)
        if plane and (integer_of(plane, "OverlayBitPosition") or (group, 0x3000) not in plane):
            raise InvalidInputError("OVERLAY_EMBEDDED", "An overlay lies among its pixels.")


def _link(ds: Dataset, path: str, context: Context) -> dict[str, object]:
    patient, _ = original_patient(text_of(ds, "PatientID"), text_of(ds, "StudyInstanceUID"))
    source = source_place(path, context)
    return {
        "source_path": source,
        "patient_id": patient,
        "study_uid": text_of(ds, "StudyInstanceUID"),
        "series_uid": text_of(ds, "SeriesInstanceUID"),
        "instances": [text_of(ds, "SOPInstanceUID")],
        "sources": [source],
    }


def _encoded(ds: FileDataset) -> bytes:
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
