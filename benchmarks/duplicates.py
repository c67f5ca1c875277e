"""The finder of copies: on planted ones, on two public sets that share images, and on 100,000."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.planted import WAYS, Grey, plant
from benchmarks.results import RESULTS, Result, commit_now, record, result_of
from covidx.audit.data import Copy, describe_all, find_copies, read_picture, shrunk
from covidx.evaluate import wilson_estimate

__all__ = ["audit_100k", "cross_set", "planted"]

COMMAND = "python -m benchmarks duplicates"
SEED = 1
MANY = 100_000
AMONG_MANY = 500
"""Planted copies among the 100,000."""


@dataclass(frozen=True)
class Made:
    """Pictures with, for each, the place of its original and how it was made (or nothing)."""

    pictures: list[Grey]
    origin: list[int]
    way: list[str]


def planted(data: Path, results: Path = RESULTS) -> None:
    """Copies of one radiograph a patient, NIH and Hannover: recall and precision.

    The limits of `covidx.audit.data.alignment` were chosen on every other picture; copies are made
    of the others, and all are searched.
    """
    made = _made(data)
    read = made.pictures.__getitem__
    copies = find_copies(describe_all(len(made.pictures), read), read)
    pairs = {(copy.first, copy.second) for copy in copies}
    true = {(made.origin[i], i) for i, way in enumerate(made.way) if way}
    missed = Counter(made.way[copy] for _, copy in true - pairs)
    said = ", ".join(f"{n} {way}" for way, n in missed.items()) or "none"
    recall = wilson_estimate(len(pairs & true), len(true), "no copies")
    precision = wilson_estimate(len(pairs & true), len(pairs), "no pairs")
    originals = len(made.pictures) - len(true)
    ways, among = ", ".join(WAYS), f"{originals} radiographs of as many patients and their copies"
    found = {
        "duplicate_recall": result_of(recall, f"at least 0.95; {ways}; missed: {said}", COMMAND),
        "duplicate_precision": result_of(precision, f"at least 0.99; among {among}", COMMAND),
    }
    record(found, results)


def _made(data: Path) -> Made:
    nih = pd.read_csv(data / "darkcovidnet" / "images.csv")
    nih = nih[nih["label"] != "covid-19"].drop_duplicates("patient_id")
    hannover = pd.read_csv(data / "hannover" / "data.csv").drop_duplicates("patient_id")
    paths = [data / "darkcovidnet" / name for name in nih["image"]]
    paths += [data / "hannover" / name for name in hannover["image"]]
    raw = [np.asarray(Image.open(path).convert("L")) for path in paths]
    made = Made([shrunk(one) for one in raw], list(range(len(raw))), [""] * len(raw))
    random = np.random.default_rng(SEED)
    for place in range(1, len(raw), 2):
        way = list(WAYS)[place // 2 % len(WAYS)]
        made.pictures.append(shrunk(plant(raw[place], way, random)))
        made.origin.append(place)
        made.way.append(way)
    return made


def cross_set(data: Path, results: Path = RESULTS) -> None:
    """DarkCovidNet and covid-chestxray share 120 images, known by file name; pixels alone."""
    dark = pd.read_csv(data / "darkcovidnet" / "images.csv")
    chest = pd.read_csv(data / "covid-chestxray" / "metadata.csv").dropna(subset=["image"])
    chest = chest.drop_duplicates("image")
    paths = [data / "darkcovidnet" / name for name in dark["image"]]
    paths += [data / "covid-chestxray" / name for name in chest["image"]]
    stems = [Path(name).stem for name in [*dark["original_file"], *chest["filename"]]]
    first = len(dark)

    def read(place: int) -> Grey:
        return read_picture(paths[place])

    copies = find_copies(describe_all(len(paths), read), read)
    cross = [(copy.first, copy.second) for copy in copies if copy.first < first <= copy.second]
    within = _within(copies, first)
    shared = set(stems[:first]) & set(stems[first:])
    found = {stems[a] for a, b in cross if stems[a] == stems[b]}
    alike = {(a, b): _family(a, within) | _family(b, within) for a, b in cross}
    false = [
        pair
        for pair, family in alike.items()
        if not {stems[i] for i in family if i < first} & {stems[i] for i in family if i >= first}
    ]
    n, sets = len(shared), f"{len(dark)} and {len(chest)} images"
    known = f"{n}, which file names show to be in both; 63 of them cropped by hand"
    wanted = f"0; pairs of {sets} without a name in common, by a copy within its set if not itself"
    record(
        {
            "cross_set_duplicates_found": _count(len(found & shared), n, known),
            "cross_set_false_pairs": _count(len(false), len(cross), wanted),
        },
        results,
    )


def _within(copies: list[Copy], first: int) -> dict[int, set[int]]:
    """Each image, with its copies within its own set."""
    found: dict[int, set[int]] = {}
    for copy in copies:
        if (copy.first < first) == (copy.second < first):
            found.setdefault(copy.first, set()).add(copy.second)
            found.setdefault(copy.second, set()).add(copy.first)
    return found


def _family(place: int, within: dict[int, set[int]]) -> set[int]:
    return {place} | within.get(place, set())


def _count(value: float, n: int, against: str, command: str = COMMAND) -> Result:
    return Result(
        value=value,
        low=value,
        high=value,
        n=n,
        against=against,
        command=command,
        commit=commit_now(),
    )


def audit_100k(results: Path = RESULTS, n: int = MANY) -> None:
    """Minutes that the finder takes for 100,000 made-up pictures, made, described and compared."""
    originals = n - AMONG_MANY

    def read(place: int) -> Grey:
        if place < originals:
            return _made_up(place)
        return shrunk(plant(_made_up(place - originals), "all", np.random.default_rng(place)))

    start = time.perf_counter()
    copies = find_copies(describe_all(n, read), read)
    minutes = (time.perf_counter() - start) / 60
    true = {(place, originals + place) for place in range(AMONG_MANY)}
    pairs = {(copy.first, copy.second) for copy in copies}
    said = f"{len(pairs & true)} of {AMONG_MANY} planted copies found, {len(pairs - true)} false"
    against = f"no all-pairs; {said}; one run, 2 cores shared with other work"
    found = _count(round(minutes, 1), n, against, "python -m benchmarks audit-100k")
    record({"audit_100k_images_minutes": found}, results)


def _made_up(seed: int) -> Grey:
    """Clouds: coarse ones that all pictures share, and finer ones of its own."""
    common, own = np.random.default_rng(0), np.random.default_rng([1, seed])
    picture = np.zeros((256, 256), np.float32)
    for random, sides in ((common, (4, 8)), (own, (8, 16, 32, 64))):
        for side in sides:
            noise = random.standard_normal((side, side)).astype(np.float32)
            large = cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)
            picture += large * (8 / side) ** 0.5
    return shrunk(picture)
