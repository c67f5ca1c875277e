"""The memory-mapped cache: every bag of a cohort in one array of bytes on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from covidx import segmentation
from covidx.errors import CovidxError, InvalidInputError, InvalidSeriesError
from covidx.files import locked, read_json, replacing, sha256_file, sha256_json, write_json
from covidx.imaging.preparation import Bag, Preprocessing, prepare
from covidx.ingest import load_image

__all__ = ["BagCache", "build_cache"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class BagCache:
    """Bags on disk.

    Parameters
    ----------
    folder : Path
    index : dict
        image_id -> first row, end row, slices, box.
    refused : dict
        image_id -> code and reason of what could not be prepared.
    """

    folder: Path
    index: dict[str, dict[str, list[int]]]
    refused: dict[str, list[str]]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All slices, memory-mapped, shape (slices of all bags, rows, columns)."""
        mapped: NDArray[np.uint8] = np.load(self.folder / "pixels.npy", mmap_mode="r")
        return mapped

    def bag(self, image_id: str, pixels: NDArray[np.uint8] | None = None) -> Bag:
        """The bag of one image; hand over `pixels` to map the file once for many bags."""
        entry = self.index[image_id]
        start, end = entry["rows"]
        stack = (self.pixels if pixels is None else pixels)[start:end]
        top, bottom, left, right = entry["box"]
        return Bag(np.asarray(stack), np.array(entry["slices"]), (top, bottom, left, right))

    def __contains__(self, image_id: str) -> bool:
        return image_id in self.index


def build_cache(
    store: Path,
    manifest: pd.DataFrame,
    how: Preprocessing,
    folder: Path,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BagCache:
    """Prepare every image of `manifest` once; a cache of the same images is reused.

    An image that cannot be prepared (no lungs, not a CT) is refused by itself and listed. A store
    that lacks an image, or holds another one, is an error.

    Parameters
    ----------
    store : Path
        The folder that `covidx.ingest` wrote.
    manifest : DataFrame
    how : Preprocessing
    folder : Path
        Parent of the caches; each lies in a folder named by its content's digest.
    workers : int, optional
        Processes; all cores by default.
    progress : callable, optional
        Called with (done, total).
    """
    rows = manifest.sort_values("image_id", ignore_index=True)
    key = sha256_json({"how": how.model_dump(), "by": _maker(), "images": _inputs(rows)})[:16]
    place = folder / key
    with locked(place):
        if not (place / "index.json").exists():
            _write(place, store, rows, how, workers, progress)
    found = read_json(place / "index.json")
    return BagCache(place, found["index"], found["refused"])


def _maker() -> list[str]:
    """Digests of the code that prepares: a cache made by other code is not reused."""
    lungs = sorted(Path(segmentation.__file__).parent.glob("*.py"))
    return [sha256_file(path) for path in (Path(__file__).with_name("prepare.py"), *lungs)]


def _inputs(rows: pd.DataFrame) -> list[list[str]]:
    """What `load_image` takes from the manifest."""
    return rows[["image_id", "sha256", "modality", "units", "geometry"]].astype(str).values.tolist()


def _write(
    place: Path,
    store: Path,
    rows: pd.DataFrame,
    how: Preprocessing,
    workers: int | None,
    progress: Progress | None,
) -> None:
    index: dict[str, dict[str, list[int]]] = {}
    refused: dict[str, list[str]] = {}
    with replacing(place / "pixels.npy") as temporary:
        room = (len(rows) * how.slices, how.rows, how.columns)
        pixels = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=room)
        end = 0
        for image_id, result in _prepared(store, rows, how, workers, progress):
            if isinstance(result, CovidxError):
                refused[image_id] = [result.code, result.reason]
                continue
            start, end = end, end + len(result.pixels)
            pixels[start:end] = result.pixels
            index[image_id] = {
                "rows": [start, end],
                "slices": result.slices.tolist(),
                "box": list(result.box),
            }
        pixels.flush()
    write_json(place / "index.json", {"index": index, "refused": refused})


def _prepared(
    store: Path,
    rows: pd.DataFrame,
    how: Preprocessing,
    workers: int | None,
    progress: Progress | None,
) -> Iterator[tuple[str, Bag | CovidxError]]:
    jobs = [(store, row, how) for row in rows.to_dict("records")]
    # Not forked: a fork of a process that runs torch threads may hang.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        for done, (job, result) in enumerate(
            zip(jobs, pool.map(_prepare_one, jobs), strict=True), 1
        ):
            yield str(job[1]["image_id"]), result
            if progress is not None:
                progress(done, len(jobs))


def _one_thread() -> None:
    torch.set_num_threads(1)


def _prepare_one(job: tuple[Path, dict[str, object], Preprocessing]) -> Bag | CovidxError:
    store, row, how = job
    try:
        return prepare(load_image(store, row), how)
    except (InvalidInputError, InvalidSeriesError) as error:
        return error
