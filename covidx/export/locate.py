"""Where the instances of a series lie, in slice order; the one reader of the linkage file.

What is found here may be original identity: it goes into an object's header in the mode `original`,
and nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.files import read_json
from covidx.ingest import Identities, read_images, read_linkage
from covidx.ingest.dicom.attributes import text_of, values
from covidx.ingest.quiet import quiet

COPIES = "deidentify.json"
"""What `deidentify` writes into the folder of its copies."""
EVERY = "every file of the series"


@dataclass(frozen=True)
class Instance:
    """A plane's file, and its SOPInstanceUID (with ``#frame``, from 1, of multi-frame objects)."""

    path: Path = field(repr=False)
    plane_id: str = field(repr=False)


def instances_of_folder(folder: Path) -> tuple[Instance, ...]:
    """Find the instances of the one image that `covidx ingest` makes of `folder`, of DICOM.

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING``, ``SOURCE_EMPTY`` or ``SOURCE_NOT_DICOM``.
    InvalidSeriesError
        The code of the first refusal if there is no image, ``SERIES_SEVERAL`` if there are more.
    """
    # A key that is thrown away: no reason quotes a header, and nothing of this reading is kept.
    reader = read_images(folder, identities=Identities(secrets.token_bytes(32)))
    links = [(image.fields["source_format"], image.link) for image in reader]
    if len(links) > 1:
        raise InvalidSeriesError(
            "SERIES_SEVERAL",
            "There is more than one image.",
            path=folder,
            actual=len(links),
            hint="Name the folder of one study or series.",
        )
    if not links:
        first = min(reader.outcomes, key=lambda outcome: (outcome.kind, outcome.path))
        raise InvalidSeriesError(first.code, first.reason, path=folder)
    if links[0][0] != "dicom":
        raise InvalidInputError(
            "SOURCE_NOT_DICOM",
            "DICOM objects can be derived from a DICOM series alone.",
            path=folder,
            hint="Name the folder of the DICOM series with --series.",
        )
    return _instances(links[0][1]["sources"], links[0][1]["instances"])


def instances_of_receipt(receipt: Path) -> tuple[Instance, ...]:
    """Find the original instances of a store's image by its `receipt` and the linkage.

    Raises
    ------
    InvalidInputError
        ``RECEIPT_INVALID`` or ``ORIGINALS_MISSING``.
    StoreError
        ``UNREADABLE`` or ``LINKAGE_MISSING``.
    """
    record = read_json(receipt)
    if not isinstance(record, dict) or record.get("source_format") != "dicom":
        raise InvalidInputError(
            "RECEIPT_INVALID",
            "This is not the receipt of an image that was read from DICOM.",
            path=receipt,
            hint=(
                "Name a receipt of a DICOM image in a store of covidx ingest, or the "
                "series' folder."
            ),
        )
    linkage = read_linkage(receipt.absolute().parent.parent)
    rows = linkage[linkage["image_id"] == record["image_id"]]
    if len(rows) != 1:
        raise _missing(receipt, len(rows), "one image of this receipt in the linkage")
    return _instances(rows["sources"].iloc[0], rows["instances"].iloc[0])


def originals_of(copies: Sequence[Instance]) -> tuple[Instance, ...]:
    """Find the originals of `copies` that `covidx deidentify` made, in the same order.

    Raises
    ------
    InvalidInputError
        ``ORIGINALS_MISSING``.
    StoreError
        ``LINKAGE_MISSING``.
    """
    path = copies[0].path.absolute()
    root = next((parent for parent in path.parents if (parent / COPIES).is_file()), None)
    if root is None:
        raise _missing(path.parent, 0, f"copies in the folder that holds {COPIES}")
    linkage = read_linkage(root).dropna(subset="instances").set_index("path")
    originals: list[Instance] = []
    for copy in copies:
        name = copy.path.absolute().relative_to(root).as_posix()
        if name not in linkage.index:
            raise _missing(path.parent, len(originals), f"{len(copies)} originals in the linkage")
        row = linkage.loc[name]
        frame = copy.plane_id.partition("#")[1:]
        originals.append(Instance(Path(row["source_path"]), "".join((row["instances"][0], *frame))))
    return tuple(originals)


def _instances(paths: Any, plane_ids: Any) -> tuple[Instance, ...]:
    return tuple(Instance(Path(p), str(i)) for p, i in zip(paths, plane_ids, strict=True))


def read_header(instance: Instance) -> FileDataset:
    """Read the data set of `instance` without its pixels.

    Raises
    ------
    InvalidInputError
        ``ORIGINALS_MISSING``: not there (or in an archive), or another instance by now.
    """
    try:
        with quiet():
            ds = dcmread(instance.path, stop_before_pixels=True, force=True)
    except OSError:
        raise _missing(None, "a file that cannot be read", EVERY) from None
    for name in ("SOPClassUID", "SOPInstanceUID"):  # some files have them in their meta alone
        if not text_of(ds, name):
            setattr(ds, name, text_of(getattr(ds, "file_meta", ds), f"MediaStorage{name}"))
    if text_of(ds, "SOPInstanceUID") != instance.plane_id.partition("#")[0]:
        raise _missing(None, "another instance in its place", EVERY)
    return ds


def is_copy(ds: Dataset) -> bool:
    """Whether `covidx deidentify` wrote `ds`."""
    removed = text_of(ds, "PatientIdentityRemoved") == "YES"
    return removed and values(ds, "DeidentificationMethod")[:1] == ["covidx"]


def _missing(path: Path | None, actual: object, expected: str) -> InvalidInputError:
    return InvalidInputError(
        "ORIGINALS_MISSING",
        "The DICOM files of the series are not all where they were.",
        path=path,
        expected=expected,
        actual=actual,
        hint="Put them back or unpack their archive, and ingest or deidentify them again.",
    )
