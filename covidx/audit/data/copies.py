"""The same exposure twice: exact and near copies, by pixels alone."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TypeVar

import cv2
import numpy as np

from covidx.audit.data.alignment import MIN_CORRELATION, MIN_OVERLAP, Aligned, aligned, transform
from covidx.audit.data.candidates import candidates
from covidx.audit.data.features import Features, View, describe, viewed
from covidx.audit.data.pictures import Grey
from covidx.errors import CovidxError
from covidx.evaluate.estimate import CONFIDENCE
from covidx.files import sha256_bytes

Reader = Callable[[int], Grey]
Progress = Callable[[int, int], None]
BATCH = 4096
MOST_ALIKE = 32
"""Images with the same pixels of which each is paired with each: a placeholder that stands for
thousands of images would make millions of pairs. Beyond, with the first 32 only."""
FEWEST_UNRELATED = 50
"""Pairs that could be laid upon each other, and are no copies, from which a set has a limit of its
own. Modelling choice: among 120 radiographs of as many patients there are 14, of phantoms 176."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Copy:
    """Two images that show one exposure.

    Parameters
    ----------
    first, second : int
        Places in the list of images, first < second.
    kind : str
        ``exact`` (the same pixels at 256 x 256) or ``near``.
    view : (mirrored, negative)
        The view of the first that matches the second.
    correlation, overlap : float
        Of fine structure where they overlap; share of the smaller one that does.
    """

    first: int
    second: int
    kind: str
    view: View
    correlation: float
    overlap: float

    @property
    def text(self) -> str:
        """What was done to it, in words.

        >>> Copy(0, 1, "near", (True, False), 0.91, 0.99).text
        'mirrored, correlation 0.91'
        """
        if self.kind == "exact":
            return "the same pixels"
        marks = [word for word, on in zip(("mirrored", "negative"), self.view, strict=True) if on]
        return ", ".join([*marks, f"correlation {self.correlation:.2f}"])


@dataclass(frozen=True, eq=False)
class Described:
    """Features of every image, or why it could not be read.

    Parameters
    ----------
    features : list of Features
        A place an image; empty of one that was refused.
    digests : list of str
        SHA-256 of the pixels; empty of a plain or refused image.
    refused : dict of int to CovidxError
        Place -> error.
    """

    features: list[Features]
    digests: list[str]
    refused: dict[int, CovidxError]


def describe_all(n: int, read: Reader, progress: Progress | None = None) -> Described:
    """Read and describe images 0 to n - 1; one that cannot be read is refused, not fatal.

    Parameters
    ----------
    n : int
        Images.
    read : callable
        Place -> picture; called from several threads.
    progress : callable, optional
        Called with (done, total).
    """

    def one(place: int) -> tuple[Features, str] | CovidxError:
        try:
            picture = read(place)
        except CovidxError as error:
            return error
        if picture.min() == picture.max():  # an empty picture is no copy of another one
            return nothing, ""
        shape = str(picture.shape).encode()
        return describe(picture), sha256_bytes(shape + picture.tobytes())

    nothing = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), 1)
    found = Described([], [], {})
    for place, answer in enumerate(_threads(one, range(n))):
        if isinstance(answer, CovidxError):
            found.refused[place] = answer
            answer = (nothing, "")
        found.features.append(answer[0])
        found.digests.append(answer[1])
        if progress is not None:
            progress(place + 1, n)
    return found


def find_copies(described: Described, read: Reader, patients: Sequence[object] = ()) -> list[Copy]:
    """All pairs of copies; whoever has the pixels of a near copy is one as well.

    Parameters
    ----------
    described : Described
        Of all images.
    read : callable
        As for `describe_all`: the pixels of candidates are read again.
    patients : sequence, optional
        Of each image: pairs of different ones show what unrelated pictures reach; see `limit_of`.
    """
    alike: dict[str, list[int]] = {}
    for place, digest in enumerate(described.digests):
        if digest:
            alike.setdefault(digest, []).append(place)
    groups = {places[0]: places for places in alike.values()}
    # In the order of their pixels: the same images give the same pairs, however they are listed.
    kept = sorted(groups, key=lambda place: described.digests[place])
    features = [described.features[place] for place in kept]

    def confirm(pair: tuple[int, int, View]) -> Copy | None:
        a, b, view = pair
        start = transform(viewed(features[a], view), features[b])
        if start is None:
            return None
        fit = aligned(_viewed(read(kept[a]), view), read(kept[b]), start)
        if fit.overlap < MIN_OVERLAP:
            return None
        return Copy(kept[a], kept[b], "near", view, fit.correlation, fit.overlap)

    laid = [copy for copy in _threads(confirm, candidates(features)) if copy is not None]
    unrelated = [
        copy.correlation
        for copy in laid
        if len(patients) and patients[copy.first] != patients[copy.second]
    ]
    limit = limit_of(unrelated)
    best: dict[tuple[int, int], Copy] = {}
    for copy in laid:
        if copy.correlation >= limit:
            known = best.get((copy.first, copy.second), copy)
            best[copy.first, copy.second] = max(known, copy, key=lambda one: one.correlation)
    exact = [
        Copy(a, b, "exact", (False, False), 1.0, 1.0)
        for places in groups.values()
        for i, a in enumerate(places[:MOST_ALIKE], 1)
        for b in places[i:]
    ]
    near = [
        replace(copy, first=min(a, b), second=max(a, b))
        for copy in best.values()
        for a, b in product(groups[copy.first][:MOST_ALIKE], groups[copy.second][:MOST_ALIKE])
    ]
    return sorted([*exact, *near], key=lambda one: (one.first, one.second))


def limit_of(correlations: Sequence[float]) -> float:
    """Correlation from which a pair of this set is a copy: more than unrelated pairs of it reach.

    Pictures of different real patients can seldom be laid upon each other at all, and then
    `MIN_CORRELATION` does. Those of one simulator can, and two that are built alike may correlate
    better than any two exposures of one real patient: there a copy must stand out from the set.
    The greatest Fisher z of the pairs that are no copies is taken to follow Gumbel's distribution
    with an exponential tail of their standard deviation, since few pairs are far more alike than
    the rest; it exceeds the limit with a chance of 5 %, as far as that is true.

    Parameters
    ----------
    correlations : sequence of float
        Of the pairs of different patients that could be laid upon each other.
    """
    found = np.asarray(correlations, dtype=np.float64)
    z = np.arctanh(found[found < MIN_CORRELATION])
    if len(z) < FEWEST_UNRELATED:
        return MIN_CORRELATION
    scale = z.std(ddof=1) * math.sqrt(6) / math.pi
    greatest = math.log(len(z)) - math.log(-math.log(CONFIDENCE)) - np.euler_gamma
    return max(MIN_CORRELATION, float(np.tanh(z.mean() + scale * greatest)))


def match(first: Grey, second: Grey, view: View) -> bool:
    """Whether two pictures show one exposure.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (rows, columns)
        Greys, as `pictures.read_picture`.
    view : (mirrored, negative)
        How the first is changed before they are compared.
    """
    start = transform(viewed(describe(first), view), describe(second))
    return start is not None and _enough(aligned(_viewed(first, view), second, start))


def _enough(fit: Aligned) -> bool:
    return fit.correlation >= MIN_CORRELATION and fit.overlap >= MIN_OVERLAP


def _viewed(picture: Grey, view: View) -> Grey:
    mirrored, negative = view
    picture = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
    return np.asarray(255 - picture if negative else picture, dtype=np.uint8)


def _threads(work: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Map over threads in order, a batch at a time: OpenCV and Pillow leave Python's lock."""
    cv2.setNumThreads(1)
    source = iter(items)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(islice(source, BATCH)):
            yield from pool.map(work, batch)
