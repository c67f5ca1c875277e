"""Sorting headers into studies: what is no volume is set aside, the rest stacked by series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.aside import RADIOGRAPHS, VOLUMES, why_set_aside
from covidx.ingest.dicom.geometry import StackGeometry, stack_geometry
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.split import GRID, Part, Piece, split

LEAST_SINGLES = 3
"""Series of one image each from which it is likely that they are one."""


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
    notes : tuple of str
        What a reader of its receipt should know.
    """

    planes: tuple[Header, ...]
    geometry: StackGeometry
    part: tuple[Piece, ...] = ()
    notes: tuple[str, ...] = ()

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
    """Stacks and radiographs of one study of one patient, and what is unusual about it."""

    stacks: tuple[Stack, ...]
    radiographs: tuple[Header, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sorted:
    """Studies, and the files that are in none."""

    studies: tuple[Study, ...]
    outcomes: tuple[Outcome, ...]


def sort_headers(headers: Iterable[Header], *, resample: bool = False) -> Sorted:
    """Sort planes into studies. Every file ends in a stack, among radiographs or in an outcome.

    Parameters
    ----------
    headers : iterable of Header
        Planes of one source, in any order.
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
    for every in studies.values():
        whole, refused = _without_conflicts(list(every.values()))
        outcomes.update((outcome.path, outcome) for outcome in refused)
        patients = _patients(whole)
        note = f"its StudyInstanceUID is that of {len(patients)} patients"
        for series in patients:
            study, refused = _study(_joined(series), resample, (note,) if patients[1:] else ())
            outcomes.update((outcome.path, outcome) for outcome in refused)
            if study.stacks or study.radiographs:
                found.append(study)
    return Sorted(tuple(found), tuple(outcomes.values()))


Series = list[Header]


def _without_conflicts(every: Sequence[Series]) -> tuple[list[Series], list[Outcome]]:
    """Series of one patient each; refusals of the others."""
    whole, refused = [], []
    for series in every:
        patients = len(set(_persons(series)))
        if patients == 1:
            whole.append(series)
            continue
        reason = f"One series claims {patients} patients."
        refused += [
            Outcome(path, "quarantined", "PATIENT_CONFLICT", reason) for path in _paths(series)
        ]
    return whole, refused


def _patients(every: Sequence[Series]) -> list[list[Series]]:
    """The series of each patient of a study, whose UID may be that of several by mistake.

    Series that name no patient are the only patient's, if there is but one.
    """
    groups: defaultdict[str, list[Series]] = defaultdict(list)
    for series, person in zip(every, _persons([series[0] for series in every]), strict=True):
        groups[person].append(series)
    return list(groups.values()) if len(groups.keys() - {""}) > 1 else [list(every)]


def _persons(planes: Sequence[Header]) -> list[str]:
    """Whose each plane is: by PatientID, or by name where none has one."""
    ids = [plane.patient_id for plane in planes]
    return ids if any(ids) else [plane.patient_name for plane in planes]


def _joined(every: Sequence[Series]) -> list[Series]:
    """Series of one plane each are one where they differ in their UID alone."""
    groups: defaultdict[object, Series] = defaultdict(list)
    kept = []
    for series in every:
        head = series[0]
        folder = _folder(head) if head.series_number is None else ""
        kin = (head.series_number, head.frame_of_reference, folder, head.image_type, head.kernel)
        if len(series) == 1 and head.modality in VOLUMES:
            groups[kin] += series
        else:
            kept.append(series)
    for group in groups.values():
        kept += [group] if len(group) >= LEAST_SINGLES else [[plane] for plane in group]
    return kept


def _study(
    every: Sequence[Series], resample: bool, notes: tuple[str, ...]
) -> tuple[Study, list[Outcome]]:
    """The stacks and radiographs of the series of one patient, and what was refused of them."""
    stacks: list[Stack] = []
    outcomes: list[Outcome] = []
    for series in every:
        if series[0].modality not in RADIOGRAPHS:
            made, refused = _stacks(series, resample)
            stacks += made
            outcomes += refused
    radiographs = tuple(h for series in every for h in series if h.modality in RADIOGRAPHS)
    return Study(tuple(stacks), radiographs, notes), outcomes


def _why_unusable(header: Header) -> tuple[str, str] | None:
    if header.frames > 1 and not header.is_enhanced:
        return "MULTIFRAME_UNSUPPORTED", "A multi-frame object without functional groups."
    return None


def _folder(header: Header) -> str:
    return str(PurePath(header.path).parent)


def _study_key(header: Header) -> str:
    return header.study_uid or f"folder:{_folder(header)}"


def _series_key(header: Header) -> str:
    """Files that lost their SeriesInstanceUID belong together by folder and series number.

    A radiograph is an image of its own.
    """
    if header.modality in RADIOGRAPHS:
        return header.path
    return header.series_uid or f"folder:{_folder(header)}:{header.series_number}"


def _stacks(series: Sequence[Header], resample: bool) -> tuple[list[Stack], list[Outcome]]:
    """Split a series into stacks, and prove the geometry of each."""
    stacks: list[Stack] = []
    outcomes: list[Outcome] = []
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
