"""One job to its images and refusals: the unit of work, a pure function of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from covidx.constants import MIN_LUNG_ML, MIN_VOLUME_SLICES
from covidx.errors import CovidxError
from covidx.ingest.context import Context
from covidx.ingest.dicom.choice import alike, is_axial, rank
from covidx.ingest.dicom.coverage import lung_ml
from covidx.ingest.dicom.picture import Picture, read_radiograph_file, read_stack
from covidx.ingest.dicom.series import Outcome, Stack, Study
from covidx.ingest.dicom.times import at_time
from covidx.ingest.records import ReadImage, from_nifti, from_picture, from_row
from covidx.ingest.table import TableRow

SERIES_INCOMPLETE = "SERIES_INCOMPLETE"
"""Code of a sound file whose series was refused for another one."""

KEPT = "Kept: every series was asked for, or none is a CT."

Job = Study | TableRow | Path
"""The unit of work: one study, one row of an image table, one NIfTI file."""


def read_job(job: Job, context: Context) -> Iterator[ReadImage | Outcome]:
    """Read one `job` of `context`; refusals are outcomes, never exceptions."""
    if isinstance(job, Study):
        yield from _read_study(job, context)
        return
    path = str(job.path if isinstance(job, TableRow) else job)
    try:
        yield from_row(job, context) if isinstance(job, TableRow) else from_nifti(job, context)
    except Exception as error:  # a broken file never stops a batch
        yield _refusal(path, error)


def _refusal(path: str, error: Exception) -> Outcome:
    if isinstance(error, CovidxError):
        return Outcome(path, "quarantined", error.code, error.message)
    reason = f"Reading failed ({type(error).__name__})."
    return Outcome(path, "quarantined", "READ_FAILED", reason)


def _read_study(study: Study, context: Context) -> Iterator[ReadImage | Outcome]:
    for header in study.radiographs:
        try:
            yield _image(read_radiograph_file(header), "A single image.", study, context)
        except Exception as error:  # a broken file never stops a batch
            yield _refusal(header.path, error)
    if context.rules.time_point is not None:
        study, others = at_time(study, context.rules.time_point)
        yield from others
    if not context.rules.all_series and any(s.head.modality == "CT" for s in study.stacks):
        yield from _choose(study, context)
        return
    for ranked in rank(study.stacks):
        part = (
            f"Of its series: {', '.join(map(str, ranked.stack.part))}. "
            if ranked.stack.part
            else ""
        )
        try:
            picture = read_stack(ranked.stack)
        except Exception as error:  # a broken file never stops a batch
            yield from _refused_series(ranked.stack, error)
            continue
        yield _image(picture, f"{part}{KEPT}", study, context)
        yield from _dropped(picture)


def _image(picture: Picture, why: str, study: Study, context: Context) -> ReadImage:
    picture = replace(picture, notes=(*picture.notes, *study.notes))
    return from_picture(picture, why, context)


def _choose(study: Study, context: Context) -> Iterator[ReadImage | Outcome]:
    """The best stack that can be read and shows lungs, or if none of its like does, the best."""
    stacks, note = list(study.stacks), ""
    lungless: list[Stack] = []
    while stacks:
        best, *others = rank(stacks, context.rules.kernel, lungless)
        try:
            picture = read_stack(best.stack)
        except Exception as error:  # a broken file never stops a batch
            yield from _refused_series(best.stack, error)
            stacks.remove(best.stack)
            note = "A series that ranked higher was refused; see the quarantine table. "
            continue
        rivals = any(alike(best.stack, other.stack) for other in others)
        # Beside a series in proven HU, one whose lungs cannot be assessed is no better.
        unknown = bool(lungless) and picture.volume.units != "hu"
        lacks = unknown or _lacks_lungs(picture, best.stack)
        if rivals and best.stack not in lungless and lacks:
            lungless.append(best.stack)
            continue
        yield _image(picture, note + best.why, study, context)
        yield from _dropped(picture)
        yield from _not_chosen([(other.stack, other.why) for other in others])
        return


def _lacks_lungs(picture: Picture, stack: Stack) -> bool:
    """Whether a volume that could show lungs does not; without proof it counts as having them."""
    volume = picture.volume
    assessable = volume.units == "hu" and volume.geometry == "proven" and is_axial(stack)
    return assessable and len(volume.array) >= MIN_VOLUME_SLICES and lung_ml(volume) < MIN_LUNG_ML


def _refused_series(stack: Stack, error: Exception) -> Iterator[Outcome]:
    """Every file of a series that was refused; the one at fault keeps its own code."""
    at_fault = getattr(error, "path", None)
    for path in stack.paths:
        refusal = _refusal(path, error)
        if at_fault not in (None, path):
            reason = f"Its series is not whole: another file was refused as {refusal.code}."
            refusal = replace(refusal, code=SERIES_INCOMPLETE, reason=reason)
        yield refusal


def _dropped(picture: Picture) -> Iterator[Outcome]:
    kept = {header.path for header in picture.planes}
    for header, why in picture.dropped:
        if header.path not in kept:
            yield Outcome(header.path, "set_aside", "SLICE_DUPLICATE", f"Dropped: {why}.")


def _not_chosen(losers: Iterable[tuple[Stack, str]]) -> Iterator[Outcome]:
    for stack, why in losers:
        for path in stack.paths:
            yield Outcome(path, "set_aside", "SERIES_NOT_CHOSEN", why)
