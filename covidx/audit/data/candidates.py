"""Which pictures may be copies of each other: an inverted index of visual words, not all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import MiniBatchKMeans

from covidx.audit.data.features import Features, View, viewed

VIEWS: tuple[View, ...] = ((False, False), (True, False), (False, True), (True, True))
NEIGHBOURS = 6
"""Candidates looked at of each picture."""
PER_WORD = 8
"""Descriptors that share a word, about; sets the size of the vocabulary."""
ALL_PAIRS = 40
"""Pictures up to which every pair is looked at, in the view in which it shares most: of a small
vocabulary some pairs that belong together share little."""
MOST_CENTRES = 1024
SAMPLE = 100_000
"""Descriptors that the vocabulary is learnt from."""
COMMON = 64
"""Pictures from which a word is uninformative: a letter, a marker, the edge of a frame."""
FEWEST_SHARED = 3
BLOCK = 2_000

Codebooks = tuple[NDArray[np.float32], NDArray[np.float32]]


def candidates(features: Sequence[Features]) -> Iterator[tuple[int, int, View]]:
    """Pairs among `features` that share rare words, best first for each picture.

    A word is the nearest centre of either half of a descriptor (Babenko and Lempitsky, CVPR 2012);
    pictures that share words are found as texts are (Sivic and Zisserman, ICCV 2003), so that time
    and memory grow with the number of pictures, not with its square.

    Yields
    ------
    first, second, view
        Indices, first < second, and the view of the first that matches the second.
    """
    if sum(len(one.points) for one in features) < 2:
        return
    books = _codebooks(features)
    size = len(books[0]) * len(books[1])
    index = _counts(features, books, size)
    frequency = np.asarray((index > 0).sum(axis=0)).ravel()
    weight = np.where(frequency <= COMMON, np.log(len(features) / np.maximum(frequency, 1)), 0)
    weight = np.maximum(weight, 0).astype(np.float32)
    turned = csr_array((index * weight).T)
    few = len(features) <= ALL_PAIRS
    most = None if few else NEIGHBOURS
    yielded: set[tuple[int, int, View]] = set()
    for start in range(0, len(features), BLOCK):
        part = features[start : start + BLOCK]
        shared = [
            csr_array((_counts([viewed(one, view) for one in part], books, size)) @ turned)
            for view in VIEWS
        ]
        floor = 0.0 if few else FEWEST_SHARED * float(np.median(weight[frequency > 0]))
        for row in range(len(part)):
            closest = _best(shared, row, start + row, floor, most)
            if few:  # each other picture once, in its best view
                closest = list(dict(reversed(closest)).items())
            for other, place in closest:
                a, b = sorted((start + row, other))
                if (a, b, VIEWS[place]) not in yielded:
                    yielded.add((a, b, VIEWS[place]))
                    yield a, b, VIEWS[place]


def _best(
    shared: Sequence[csr_array], row: int, itself: int, floor: float, most: int | None
) -> list[tuple[int, int]]:
    """The closest pictures of one row, at most so many: (index, place of the view)."""
    columns, scores, places = [], [], []
    for place, table in enumerate(shared):
        ends = slice(table.indptr[row], table.indptr[row + 1])
        columns.append(table.indices[ends])
        scores.append(table.data[ends])
        places.append(np.full(ends.stop - ends.start, place))
    column, score = np.concatenate(columns), np.concatenate(scores)
    views = np.concatenate(places)
    ok = (score >= floor) & (column != itself)
    column, score, views = column[ok], score[ok], views[ok]
    order = np.argsort(-score, kind="stable")[:most]
    return [(int(column[i]), int(views[i])) for i in order]


def _codebooks(features: Sequence[Features]) -> Codebooks:
    """Centres of either half of the descriptors, learnt from a part of them."""
    ends = np.cumsum([len(one.points) for one in features])
    total = int(ends[-1])
    step = max(1, total // SAMPLE)
    # Every step-th of all, without a second copy of all of them.
    parts = [
        one.descriptors[(len(one.points) - end) % step :: step]
        for one, end in zip(features, ends, strict=True)
    ]
    sample = np.concatenate(parts).astype(np.float32)
    n = int(np.clip(np.sqrt(total / PER_WORD), 1, min(MOST_CENTRES, len(sample))))
    halves = (sample[:, :64], sample[:, 64:])
    first, second = (
        MiniBatchKMeans(n, batch_size=4096, n_init=1, max_iter=20, random_state=0)
        .fit(half)
        .cluster_centers_.astype(np.float32)
        for half in halves
    )
    return first, second


def _counts(features: Sequence[Features], books: Codebooks, size: int) -> csr_array:
    """Words of each picture, once each; shape (pictures, words)."""
    lengths = [len(one.points) for one in features]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    words = np.concatenate([_words(one.descriptors, books) for one in features])
    table = csr_array((np.ones(len(words), np.float32), words, ends), shape=(len(features), size))
    table.sum_duplicates()
    table.data[:] = 1
    return table


def _words(descriptors: NDArray[np.uint8], books: Codebooks) -> NDArray[np.int64]:
    wide = descriptors.astype(np.float32)
    near = [
        np.argmax(half @ book.T - (book**2).sum(axis=1) / 2, axis=1)
        for half, book in zip((wide[:, :64], wide[:, 64:]), books, strict=True)
    ]
    return np.asarray(near[0] * len(books[1]) + near[1], dtype=np.int64)
