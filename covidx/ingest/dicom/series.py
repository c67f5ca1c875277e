"""Sorting headers into studies: what is no volume is set aside, the rest stacked by series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.geometry import StackGeometry, stack_geometry
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.split import GRID, Part, Piece, split

__all__ = ["Outcome", "Sorted", "Stack", "Study", "sort_headers", "why_set_aside"]

LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "REF_SURVIEW"}
DOSE_WORDS = {"DOSE_INFO", "DOSE"}
PROJECTION_WORDS = {"MIP", "MINIP", "PROJECTION IMAGE", "VRT", "VOLUME", "SSD"}
SCREEN_WORDS = {"SCREEN SAVE", "SCREENSHOT", "RESULTS", "PATIENT_INFO"}
RADIOGRAPHS = ("CR", "DX")
VOLUMES = ("CT", "MR")

CLASSES_SET_ASIDE = (
    ("1.2.840.10008.1.3.10", "DICOMDIR", "a directory of files, not an image"),
    ("1.2.840.10008.5.1.4.1.1.88.67", "DOSE_REPORT", "a radiation dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.73", "DOSE_REPORT", "a patient radiation dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "KEY_OBJECT", "a key object selection"),
    ("1.2.840.10008.5.1.4.1.1.88.", "STRUCTURED_REPORT", "a structured report"),
    ("1.2.840.10008.5.1.4.1.1.11.", "PRESENTATION_STATE", "a presentation state"),
    ("1.2.840.10008.5.1.4.1.1.66", "NOT_AN_IMAGE", "a segmentation, registration or raw data"),
    ("1.2.840.10008.5.1.4.1.1.481.", "NOT_AN_IMAGE", "a radiotherapy object"),
    ("1.2.840.10008.5.1.4.1.1.104.", "DOCUMENT", "an encapsulated document"),
    ("1.2.840.10008.5.1.4.1.1.30", "PARAMETRIC_MAP", "a parametric map"),
)
"""Storage classes (PS3.4 B.5), by how their UID starts, that hold no volume of the patient."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file that gave no image: `kind` is set_aside or quarantined."""

    path: str
    kind: str
    code: str
    reason: str


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one series that are one volume, with a proven geometry.

    Attributes
    ----------
    part : tuple of Piece
        Which part of its series, such as ``acquisition 2 of 4``; empty where it is the whole.
    """

    planes: tuple[Header, ...]
    geometry: StackGeometry
    part: tuple[Piece, ...] = ()

    @property
    def head(self) -> Header:
        """The first plane, for what all share."""
        return self.planes[0]

    @property
    def paths(self) -> tuple[str, ...]:
        """Its files, each once."""
        return tuple(sorted({plane.path for plane in self.planes}))

    @property
    def derived(self) -> bool:
        """Whether the pixels were computed from other images (PS3.3 C.7.6.1.1.2, value 1)."""
        return self.head.image_type[:1] == ("DERIVED",)

    @property
    def thickness_mm(self) -> float:
        """Depth of a slice, or its distance to the next if that is more; 0 if neither is known."""
        return max(self.geometry.spacing_mm or 0.0, self.head.slice_thickness or 0.0)


@dataclass(frozen=True, eq=False)
class Study:
    """Stacks and radiographs of one study of one patient."""

    stacks: tuple[Stack, ...]
    radiographs: tuple[Header, ...]


@dataclass(frozen=True, eq=False)
class Sorted:
    """Studies, and the files that are in none."""

    studies: tuple[Study, ...]
    outcomes: tuple[Outcome, ...]


def why_set_aside(header: Header) -> tuple[str, str] | None:
    """Code and reason why a file is not part of a volume or a radiograph; None where it may be."""
    words = set(header.image_type)
    for start, code, what in CLASSES_SET_ASIDE:
        if header.sop_class == start.rstrip(".") or header.sop_class.startswith(start):
            return code, f"This is {what}."
    if header.rows == 0 or header.columns == 0:
        return "NOT_AN_IMAGE", "This DICOM object holds no image."
    if words & LOCALIZER_WORDS:
        return "LOCALIZER", "This is a localizer (scout)."
    if words & DOSE_WORDS:
        return "DOSE_REPORT", "This is a picture of a dose report."
    coloured = header.samples != 1 or header.photometric == "PALETTE COLOR"
    capture = header.sop_class.startswith(SECONDARY_CAPTURE)
    if words & SCREEN_WORDS or (capture and (coloured or header.modality not in RADIOGRAPHS)):
        return "SECONDARY_CAPTURE", "This is a secondary capture, such as a screenshot."
    if words & PROJECTION_WORDS and header.modality == "CT" and "DERIVED" in words:
        return "PROJECTION", "This is a projection (such as MIP), not slices of the patient."
    if header.modality not in (*VOLUMES, *RADIOGRAPHS):
        return "MODALITY_UNSUPPORTED", f"Modality {header.modality or 'absent'} is not read."
    if coloured and header.modality not in RADIOGRAPHS:  # of those, the pixels tell
        return "NOT_GREYSCALE", "The image has colour, and so no measured values."
    return None


def sort_headers(headers: Iterable[Header], *, resample: bool = False) -> Sorted:
    """Sort planes into studies. Every file ends in a stack, among radiographs or in an outcome.

    Parameters
    ----------
    headers : iterable of Header
    resample : bool
        Keep stacks with missing or uneven slices, to be interpolated.
    """
    outcomes: dict[str, Outcome] = {}
    studies: dict[str, dict[str, list[Header]]] = defaultdict(lambda: defaultdict(list))
    for header in headers:
        why = why_set_aside(header) or _why_unusable(header)
        if why is None:
            studies[_study_key(header)][_series_key(header)].append(header)
        else:
            kind = "quarantined" if why[0] == "MULTIFRAME_UNSUPPORTED" else "set_aside"
            outcomes[header.path] = Outcome(header.path, kind, *why)
    found = []
    for study in studies.values():
        planes = [header for series in study.values() for header in series]
        radiographs = tuple(h for h in planes if h.modality in RADIOGRAPHS)
        stacks: list[Stack] = []
        for series in study.values():
            made, refused = _stacks(_without(series, RADIOGRAPHS), resample)
            stacks += made
            outcomes.update((outcome.path, outcome) for outcome in refused)
        if stacks or radiographs:
            found.append(Study(tuple(stacks), radiographs))
    return Sorted(tuple(found), tuple(outcomes.values()))


def _without(planes: Sequence[Header], modalities: Sequence[str]) -> list[Header]:
    return [plane for plane in planes if plane.modality not in modalities]


def _why_unusable(header: Header) -> tuple[str, str] | None:
    if header.frames > 1 and not header.is_enhanced:
        return "MULTIFRAME_UNSUPPORTED", "A multi-frame object without functional groups."
    return None


def _folder(header: Header) -> str:
    return str(PurePath(header.path).parent)


def _study_key(header: Header) -> str:
    return header.study_uid or f"folder:{_folder(header)}"


def _series_key(header: Header) -> str:
    """Files that lost their SeriesInstanceUID belong together by folder and series number."""
    return header.series_uid or f"folder:{_folder(header)}:{header.series_number}"


def _stacks(series: Sequence[Header], resample: bool) -> tuple[list[Stack], list[Outcome]]:
    """Split a series into stacks, and prove the geometry of each."""
    stacks: list[Stack] = []
    outcomes: list[Outcome] = []
    if not series:
        return stacks, outcomes
    patients = {plane.patient_id for plane in series}
    if len(patients) > 1:
        code, reason = "PATIENT_CONFLICT", f"One series claims {len(patients)} patients."
        return stacks, [Outcome(path, "quarantined", code, reason) for path in _paths(series)]
    parts = split(series)
    largest = max(len(part.planes) for part in parts)
    for part in parts:
        why = _why_alone(part, len(series)) if largest > 1 or _lone_grid(part) else None
        if why is None:
            try:
                geometry = stack_geometry(part.planes, resample=resample)
            except InvalidSeriesError as error:
                why = error.code, error.message
            else:
                stacks.append(Stack(tuple(part.planes), geometry, part.pieces))
                continue
        outcomes += [Outcome(path, "quarantined", *why) for path in _paths(part.planes)]
    kept = {path for stack in stacks for path in stack.paths}
    return stacks, [outcome for outcome in outcomes if outcome.path not in kept]


def _why_alone(part: Part, of: int) -> tuple[str, str] | None:
    """Code and reason why a single plane beside others of its series is no volume."""
    if len(part.planes) > 1 or not part.pieces:
        return None
    if _lone_grid(part):
        what = "A single plane of its own orientation or size"
        return "ORIENTATION_MIXED", f"{what} among {of} of a series."
    what = f"A single plane of its own ({part.pieces[-1]})"
    return "RECONSTRUCTION_MIXED", f"{what} among {of} of a series."


def _lone_grid(part: Part) -> bool:
    return [piece.name for piece in part.pieces] == [GRID]


def _paths(planes: Sequence[Header]) -> list[str]:
    return sorted({plane.path for plane in planes})
