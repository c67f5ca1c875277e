"""What becomes of one decoded image: its manifest fields, its receipt, its link to the original."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from covidx.constants import CHEST_PARTS, OTHER_PARTS
from covidx.errors import InvalidInputError
from covidx.files import sha256_bytes
from covidx.ingest.compressed import DAMAGED, first_bytes
from covidx.ingest.context import Context, known_path, relative_to_root, source_place
from covidx.ingest.dicom.file import START_BYTES
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.picture import ID_DIGITS, Picture
from covidx.ingest.identity import Identities, original_patient
from covidx.ingest.itk import read_itk
from covidx.ingest.itk_headers import itk_name
from covidx.ingest.nifti import read_nifti
from covidx.ingest.raster import read_picture
from covidx.ingest.receipt import Receipt
from covidx.ingest.table import TableRow
from covidx.ingest.time_points import point_in
from covidx.volume import Volume


@dataclass(frozen=True, eq=False)
class ReadImage:
    """One image, ready for use or for the store.

    Attributes
    ----------
    volume : Volume
        The voxels.
    receipt : Receipt
        What was read, chosen and assumed.
    fields : dict
        The manifest's columns but `path` and `sha256`.
    paths : tuple of str
        Source files that it was made of.
    link : dict
        Originals for the linkage file; never to be shown.
    series_number : int, optional
        SeriesNumber, of DICOM.
    series_description : str, optional
        Of a pseudonymous image its words of anatomy and technique alone.
    instance_numbers : tuple of (int or None)
        InstanceNumber, or the number of the frame, of each slice in the order of `volume`; empty
        where slices are no instances: in other formats, or between interpolated slices.
    """

    volume: Volume
    receipt: Receipt
    fields: dict[str, Any]
    paths: tuple[str, ...]
    link: dict[str, object] = field(repr=False)
    series_number: int | None = None
    series_description: str | None = None
    instance_numbers: tuple[int | None, ...] = ()


def from_picture(picture: Picture, why: str, context: Context) -> ReadImage:
    """The image of a decoded DICOM `picture`.

    Parameters
    ----------
    picture : Picture
        Volume and headers, with original identifiers.
    why : str
        Which series it is, and why it was chosen.
    context : Context
        What all jobs share.
    """
    head, ids = picture.planes[0], context.identities
    original, patient_from = _patient(head, picture.image_id)
    image_id = ids.image(picture.image_id)
    paths = tuple(sorted({header.path for header in picture.planes}))
    volume = picture.volume
    single = "slice" if volume.units != "display" else "radiograph"
    fields = {
        **_common(volume, image_id, ids.patient(original), context),
        "study_uid": ids.uid(head.study_uid),
        "series_uid": ids.uid(head.series_uid),
        "kind": "volume" if len(volume.array) > 1 else single,
        "site": ids.site(head.site),
        "manufacturer": head.manufacturer or None,
        "kernel": head.kernel or None,
        "contrast": "given" if head.contrast else None,
        "view": head.view or None,
        "body_part": head.body_part if head.body_part in CHEST_PARTS | OTHER_PARTS else None,
        "slice_thickness_mm": head.slice_thickness,
        "age": ids.age(head.age),
        "sex": head.sex or None,
        "acquired": ids.date(head.acquired, original),
        "source_format": "dicom",
        "mode": head.photometric or None,
        "n_files": len(paths),
    }
    instances = tuple(_plane_name(header, ids) for header in picture.planes)
    numbers = () if volume.resampled else tuple(map(_instance_number, picture.planes))
    receipt = replace(
        _receipt(volume, image_id, "dicom", (picture.units_from, picture.geometry_from)),
        series=why,
        patient_from=patient_from,
        instances=instances,
        instance_numbers=numbers,
        dropped=tuple((_plane_name(header, ids), reason) for header, reason in picture.dropped),
        tilt_deg=head.tilt_deg,
        notes=picture.notes,
    )
    known = [known_path(path, context) for path in paths]
    folder = os.path.commonpath([str(Path(path).parent) for path in known])
    source = folder if len(known) > 1 else known[0]
    link = _link(image_id, source, head.patient_id, context)
    link |= {"study_uid": head.study_uid, "series_uid": head.series_uid}
    link["instances"] = [header.plane_id for header in picture.planes]
    link["sources"] = [source_place(header.path, context) for header in picture.planes]
    return ReadImage(
        volume,
        receipt,
        fields,
        paths,
        link,
        series_number=head.series_number,
        series_description=_description(head, ids),
        instance_numbers=numbers,
    )


def _instance_number(header: Header) -> int | None:
    return header.instance_number if header.frame is None else header.frame + 1


def _description(head: Header, ids: Identities) -> str | None:
    """The series' description; of a pseudonymous one what names nobody."""
    if ids.key is None or not head.series_description:
        return head.series_description or None
    from covidx.ingest.words import cleaned, words_of

    words = words_of((*head.names, head.patient_id))
    return cleaned(head.series_description, words) or None


def _plane_name(header: Header, ids: Identities) -> str:
    return ids.uid(header.plane_id) or "absent"


def _patient(head: Header, image_id: str) -> tuple[str, str]:
    """Original patient id, and what it is: a file may have lost its PatientID."""
    original, found_in = original_patient(head.patient_id, head.study_uid)
    if original:
        return original, found_in
    return (
        f"unknown-{image_id}",
        "the image itself, since PatientID and StudyInstanceUID are absent",
    )


def from_nifti(path: Path, context: Context) -> ReadImage:
    """The image of the NIfTI, NRRD or MetaImage file `path`, as a job of `context`."""
    name = _format_of(path)
    files: tuple[Path, ...] = (path,)
    if name == "nifti":
        volume, units_from = read_nifti(path, context.rules.time_point)
    else:
        volume, units_from, files = read_itk(path, context.rules.time_point)
    point = point_in(units_from)
    digest = sha256_bytes(b"".join([*(file.read_bytes() for file in files), point.encode()]))
    image_id = context.identities.image(digest[:ID_DIGITS])
    original = _without_suffixes(relative_to_root(str(path), context))
    fields = {
        **_common(volume, image_id, context.identities.patient(original), context),
        "kind": "volume" if len(volume.array) > 1 else "slice",
        "source_format": name,
        "n_files": len(files),
    }
    units_from, _, geometry_from = units_from.rpartition("; ")
    receipt = replace(
        _receipt(volume, image_id, name, (units_from, geometry_from)),
        series=f"{point.capitalize()} of its file." if point else "A file of one volume.",
        patient_from="the file's path, since its format names no patient",
    )
    link = _link(image_id, str(path), original, context)
    return ReadImage(volume, receipt, fields, tuple(map(str, files)), link)


def _format_of(path: Path) -> str:
    try:
        return itk_name(first_bytes(path, START_BYTES)) or "nifti"
    except DAMAGED:
        return "nifti"  # whose reader says what is wrong


def from_row(row: TableRow, context: Context) -> ReadImage:
    """The image of the picture that `row` of a table names, as a job of `context`."""
    volume, mode, note = read_picture(row.path, row.modality)
    if volume.array.min() == volume.array.max():
        raise InvalidInputError("IMAGE_BLANK", "Every pixel has the same value.", path=row.path)
    # The patient is part of the id, since one picture may stand under two patients.
    digest = sha256_bytes(row.path.read_bytes() + row.patient.encode())[:ID_DIGITS]
    original = row.patient or _without_suffixes(row.name)
    ids = context.identities
    image_id = ids.image(digest)
    fields = {
        **_common(volume, image_id, ids.patient(original), context),
        "kind": row.kind,
        "label": row.label,
        "source_format": "png" if row.path.read_bytes()[:1] == b"\x89" else "jpeg",
        "mode": mode,
        **{name: value for name, value in row.fields.items() if value is not None},
    }
    fields["site"] = ids.site(fields["site"] or "")
    fields["acquired"] = ids.date(fields["acquired"] or "", original)
    fields["age"] = ids.age(fields["age"])
    if row.group is not None:
        fields["group_id"] = ids.group(row.group)
    reason = ("a picture has display greys, not units", "a picture has no geometry")
    receipt = replace(
        _receipt(volume, image_id, str(fields["source_format"]), reason),
        series="A picture." if not row.patient else "A row of the card's image table.",
        patient_from=row.patient_from if row.patient else "the file's path",
        notes=tuple(filter(None, (note, row.note))),
    )
    link = _link(image_id, str(row.path), original, context)
    return ReadImage(volume, receipt, fields, (str(row.path),), link)


def _without_suffixes(name: str) -> str:
    stem = name[:-3] if name.lower().endswith(".gz") else name
    return str(Path(stem).with_suffix(""))


def _common(volume: Volume, image_id: str, patient: str, context: Context) -> dict[str, Any]:
    slices, rows, columns = volume.array.shape
    spacing = volume.spacing_mm
    return {
        "image_id": image_id,
        "patient_id": patient,
        "group_id": patient,
        "study_uid": None,
        "series_uid": None,
        "dataset": context.dataset,
        "card_sha256": context.card_sha256,
        "modality": volume.modality,
        "label": None,
        "units": volume.units,
        "geometry": volume.geometry,
        "site": None,
        "manufacturer": None,
        "kernel": None,
        "contrast": None,
        "view": None,
        "body_part": None,
        "slice_thickness_mm": None,
        "slice_spacing_mm": spacing[0] if spacing and slices > 1 else None,
        "pixel_spacing_mm": spacing[1] if spacing else None,
        "n_slices": slices,
        "age": None,
        "sex": None,
        "acquired": None,
        "mode": None,
        "rows": rows,
        "columns": columns,
        "licence": context.licence,
        "n_files": 1,
    }


def _receipt(volume: Volume, image_id: str, form: str, reasons: tuple[str, str]) -> Receipt:
    # Where no place is known, spacing says all; the NIfTI file names no place either.
    affine = volume.affine if volume.geometry == "proven" else None
    return Receipt(
        image_id=image_id,
        source_format=form,
        series="",
        units=volume.units,
        units_from=reasons[0],
        geometry=volume.geometry,
        geometry_from=reasons[1],
        patient_from="",
        spacing_mm=volume.spacing_mm,
        affine=None if affine is None else tuple(tuple(map(float, row)) for row in affine),
        resampled=volume.resampled,
    )


def _link(image_id: str, source: str, patient: str, context: Context) -> dict[str, object]:
    return {
        "image_id": image_id,
        "source_path": source_place(source, context),
        "patient_id": patient,
    }
