"""The memory-mapped cache: every bag of a cohort in one array of bytes on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from covidx import segmentation
from covidx.errors import CovidxError, InvalidInputError, InvalidSeriesError
from covidx.files import locked, read_json, replacing, sha256_file, sha256_json, write_json
from covidx.forecast import need_disk
from covidx.imaging.bags import Bag, Preprocessing, prepare
from covidx.ingest import load_image
from covidx.workers import Workers

Progress = Callable[[int, int], None]
LUNGS = "lungs.npy"


@dataclass(frozen=True, eq=False)
class BagCache:
    """Bags on disk.

    Parameters
    ----------
    folder : Path
        That holds ``pixels.npy``, and ``lungs.npy`` of the same shape.
    index : dict
        image_id -> first row, end row, slices, box, and whether its lungs are known.
    refused : dict
        image_id -> code and reason of what could not be prepared.
    """

    folder: Path
    index: dict[str, dict[str, Any]]
    refused: dict[str, list[str]]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All slices, memory-mapped, shape (slices of all bags, rows, columns)."""
        mapped: NDArray[np.uint8] = np.load(self.folder / "pixels.npy", mmap_mode="r")
        return mapped

    def bag(self, image_id: str, pixels: NDArray[np.uint8] | None = None) -> Bag:
        """The bag of the image `image_id`; pass `pixels` to map the file once for many bags."""
        entry = self.index[image_id]
        start, end = entry["rows"]
        stack = (self.pixels if pixels is None else pixels)[start:end]
        top, bottom, left, right = entry["box"]
        return Bag(np.asarray(stack), np.array(entry["slices"]), (top, bottom, left, right))

    def lungs(self, image_id: str) -> NDArray[np.uint8] | None:
        """`Bag.lungs` of the image `image_id`; apart, as training reads bags without them."""
        entry = self.index[image_id]
        if not entry["lungs"]:
            return None
        start, end = entry["rows"]
        return np.array(np.load(self.folder / LUNGS, mmap_mode="r")[start:end])

    def __contains__(self, image_id: str) -> bool:
        return image_id in self.index


def build_cache(
    store: Path,
    manifest: pd.DataFrame,
    preprocessing: Preprocessing,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BagCache:
    """Prepare every image of `manifest` once; a cache of the same images is reused.

    An image that cannot be prepared (no lungs, not a CT) is refused on its own and listed. A store
    that lacks an image, or holds another one, is an error.

    Parameters
    ----------
    store : Path
        The folder that `covidx.ingest` wrote.
    manifest : DataFrame
        As `tables.MANIFEST`.
    preprocessing : Preprocessing
        What every bag is prepared by.
    folder : Path
        Parent of the caches; each lies in a folder named by its content's digest.
    workers : int, optional
        Processes; all cores by default.
    progress : callable, optional
        Called with (done, total).
    """
    rows = manifest.sort_values("image_id", ignore_index=True)
    key = sha256_json(
        {"preprocessing": preprocessing.model_dump(), "code": _code(), "images": _inputs(rows)}
    )[:16]
    return BagCache(
        *write_once(
            folder / key, lambda place: _write(place, store, rows, preprocessing, workers, progress)
        )
    )


def write_once(
    place: Path, write: Callable[[Path], tuple[dict[str, Any], dict[str, list[str]]]]
) -> tuple[Path, dict[str, Any], dict[str, list[str]]]:
    """Fill the folder `place` by `write` unless it is complete; return it, its index and refusals.

    `write` returns the index and the refusals, each by image_id.
    """
    with locked(place):
        if not (place / "index.json").exists():
            index, refused = write(place)
            write_json(place / "index.json", {"index": index, "refused": refused})
    record = read_json(place / "index.json")
    return place, record["index"], record["refused"]


def _code() -> list[str]:
    """Digests of the code that prepares: a cache made by other code is not reused."""
    lungs = sorted(Path(segmentation.__file__).parent.glob("*.py"))
    return [sha256_file(path) for path in (Path(__file__).with_name("bags.py"), *lungs)]


def _inputs(rows: pd.DataFrame) -> list[list[str]]:
    """The columns of the manifest that `load_image` reads."""
    return rows[["image_id", "sha256", "modality", "units", "geometry"]].astype(str).values.tolist()


def _write(
    place: Path,
    store: Path,
    rows: pd.DataFrame,
    preprocessing: Preprocessing,
    workers: int | None,
    progress: Progress | None,
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    index: dict[str, Any] = {}
    refused: dict[str, list[str]] = {}
    room = (len(rows) * preprocessing.slices, preprocessing.rows, preprocessing.columns)
    need_disk(place, 2 * prod(room), "the cache of prepared slices")
    with replacing(place / "pixels.npy") as temporary, replacing(place / LUNGS) as of_lungs:
        pixels = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=room)
        lungs = open_memmap(of_lungs, mode="w+", dtype=np.uint8, shape=room)
        end = 0
        for image_id, result in _prepared(store, rows, preprocessing, workers, progress):
            if isinstance(result, CovidxError):
                refused[image_id] = [result.code, result.reason]
                continue
            start, end = end, end + len(result.pixels)
            pixels[start:end] = result.pixels
            if result.lungs is not None:  # else nothing is written: the file has a hole there
                lungs[start:end] = result.lungs
            index[image_id] = {
                "rows": [start, end],
                "slices": result.slices.tolist(),
                "box": list(result.box),
                "lungs": result.lungs is not None,
            }
        pixels.flush()
        lungs.flush()
    return index, refused


def _prepared(
    store: Path,
    rows: pd.DataFrame,
    preprocessing: Preprocessing,
    workers: int | None,
    progress: Progress | None,
) -> Iterator[tuple[str, Bag | CovidxError]]:
    jobs = [(store, row, preprocessing) for row in rows.to_dict("records")]
    with Workers(workers, initializer=_one_thread) as pool:
        for done, (job, result) in enumerate(
            zip(jobs, pool.map(_prepare_one, jobs), strict=True), 1
        ):
            yield str(job[1]["image_id"]), result
            if progress is not None:
                progress(done, len(jobs))


def _one_thread() -> None:
    torch.set_num_threads(1)


def _prepare_one(job: tuple[Path, dict[str, object], Preprocessing]) -> Bag | CovidxError:
    store, row, preprocessing = job
    try:
        return prepare(load_image(store, row), preprocessing)
    except (InvalidInputError, InvalidSeriesError) as error:
        return error
