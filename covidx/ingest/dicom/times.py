"""One time point of the series of a study that have several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from covidx.constants import FORM_TOLERANCE_MM
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.series import Outcome, Stack, Study
from covidx.ingest.dicom.split import Piece
from covidx.ingest.time_points import absent

TIMES = ("time point", "trigger time", "acquisition", "acquisition time")
"""Pieces of a series that may be time points; they are where all lie at the same places."""

OTHERS = "Another time point of its series was asked for."
BY_NUMBER = "its time points are told apart by InstanceNumber alone"


def at_time(study: Study, wanted: int) -> tuple[Study, list[Outcome]]:
    """The study with one time point of each series that has several, and what that leaves out.

    Parameters
    ----------
    study : Study
        Series without time points are kept as they are.
    wanted : int
        Which one, from 1.
    """
    kept: list[Stack] = []
    outcomes: list[Outcome] = []
    for stacks in _by_series(study.stacks):
        if len(stacks) == 1:
            stack, refused = _one_of(stacks[0], wanted)
            kept += [stack] if stack else []
            outcomes += refused
            continue
        chosen = [stack for stack in stacks if _time(stack).number == wanted]
        why = ("set_aside", "SERIES_NOT_CHOSEN", OTHERS)
        if not chosen:
            why = ("quarantined", "TIME_POINT_ABSENT", absent(len(stacks), wanted))
        outcomes += [Outcome(p, *why) for s in stacks if s not in chosen for p in s.paths]
        kept += chosen
    return replace(study, stacks=tuple(kept)), outcomes


def _by_series(stacks: Sequence[Stack]) -> Iterator[list[Stack]]:
    """Stacks that are the time points of one series together, every other one alone."""
    groups: defaultdict[object, list[Stack]] = defaultdict(list)
    for stack in stacks:
        place = _time_place(stack)
        alone = id(stack) if place is None else None
        before = stack.part[:place]
        name = None if place is None else stack.part[place].name
        groups[(stack.head.series_uid, before, name, alone)].append(stack)
    for group in groups.values():
        numbers = {_time(stack).number for stack in group} if len(group) > 1 else set()
        same = all(_same_places(group[0], stack) for stack in group[1:])
        if len(group) > 1 and not (same and len(numbers) == len(group)):
            yield from ([stack] for stack in group)
        else:
            yield group


def _time_place(stack: Stack) -> int | None:
    return next((i for i, piece in enumerate(stack.part) if piece.name in TIMES), None)


def _time(stack: Stack) -> Piece:
    place = _time_place(stack)
    assert place is not None
    return stack.part[place]


def _same_places(one: Stack, other: Stack) -> bool:
    here, there = one.geometry, other.geometry
    same = np.allclose(here.affine, there.affine, rtol=0, atol=FORM_TOLERANCE_MM)
    return len(here.places) == len(there.places) and bool(same)


def _one_of(stack: Stack, wanted: int) -> tuple[Stack | None, list[Outcome]]:
    """Of images that only their number tells apart those of one time point."""
    times = by_number(stack)
    if not times:
        return stack, []
    if wanted > len(times):
        why = ("quarantined", "TIME_POINT_ABSENT", absent(len(times), wanted))
        return None, [Outcome(path, *why) for path in stack.paths]
    planes = times[wanted - 1]
    left = sorted(set(stack.paths) - {plane.path for plane in planes})
    places = tuple((i,) for i in range(len(planes)))
    chosen = replace(
        stack,
        planes=tuple(planes),
        geometry=replace(stack.geometry, places=places),
        part=(*stack.part, Piece("time point", wanted, len(times))),
        notes=(*stack.notes, BY_NUMBER),
    )
    return chosen, [Outcome(path, "set_aside", "SERIES_NOT_CHOSEN", OTHERS) for path in left]


def by_number(stack: Stack) -> list[list[Header]]:
    """The planes of each time point, where every place has as many images, in their order.

    Parameters
    ----------
    stack : Stack
        Whose images at one place differ by InstanceNumber, or by the number of their frame.

    Returns
    -------
    list of list of Header
        Time points in the order of these numbers, each with its planes in slice order; empty where
        there are no time points, or their numbers do not say which is which.
    """
    places = []
    for images in images_at_places(stack):
        numbered = sorted((_number(plane), key) for key, plane in images.items())
        places.append([images[key] for _, key in numbered])
        numbers = {number for number, _ in numbered}
        if -1 in numbers or len(numbers) < len(images):
            return []
    counts = {len(images) for images in places}
    if len(counts) != 1 or counts == {1}:
        return []
    return [list(planes) for planes in zip(*places, strict=True)]


def images_at_places(stack: Stack) -> list[dict[str, Header]]:
    """The images of `stack` at each place by instance, whose copies are one image."""
    return [
        {
            (p.plane_id if p.sop_uid else p.path): p
            for i in reversed(place)
            if (p := stack.planes[i])
        }
        for place in stack.geometry.places
    ]


def _number(plane: Header) -> int:
    number = plane.instance_number if plane.frame is None else plane.frame
    return -1 if number is None else number
