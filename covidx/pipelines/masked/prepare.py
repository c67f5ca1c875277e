"""What the runs on true masks begin with: cohort, working grid, groups, splits, hand-overs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd
from pydantic import Field

from covidx.cohort import Splits, cut_groups, find_duplicates, group_images, thumbnail
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.files import make_folder
from covidx.imaging.frames import RadiographFraming, VolumeFraming
from covidx.imaging.pairs import PairCache, build_pairs
from covidx.pipelines.handovers import trained_on
from covidx.pipelines.masked.cohort import (
    MaskedCohort,
    PhantomScans,
    phantom_scans,
    read_masked,
)
from covidx.pipelines.masked.results import write_masked_tables
from covidx.pipelines.progress import Bars
from covidx.pipelines.remembered import remember
from covidx.pipelines.sources import Source
from covidx.runs import RunFolder
from covidx.tables import table_digest
from covidx.tracking import Tracker
from covidx.training.fit import Fit, fit_learner
from covidx.training.learner import Learner
from covidx.training.patches import PatchData, PatchPlan

__all__ = ["Laid", "MaskedTraining", "Told", "fit_patches", "lay_out", "of_run"]


class MaskedWay(Protocol):
    """How a kind of image is learnt from: what lays it out."""

    @property
    def framing(self) -> VolumeFraming | RadiographFraming:
        """The working grid."""

    @property
    def dimensions(self) -> int:
        """Of the network."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As plain values."""


Way = TypeVar("Way", bound=MaskedWay)
Told = tuple[RunFolder, Tracker, Bars]
"""Who is told of each step."""


class MaskedTraining(Config):
    """What the YAML of each training on masks holds."""

    seed: int = Field(ge=0)
    phantom: PhantomScans
    parts: int = Field(ge=3, description="of the patients: one validation, one test")


@dataclass(frozen=True, eq=False)
class Laid(Generic[Way]):
    """Images and labels on the working grid, divided."""

    cohort: MaskedCohort
    cache: PairCache
    rows: pd.DataFrame
    splits: Splits
    way: Way
    digests: dict[str, str]

    @property
    def patients(self) -> dict[str, int]:
        """Role -> how many."""
        counts = self.rows.groupby("role")["patient_id"].nunique()
        return {str(role): int(n) for role, n in counts.items()}

    @property
    def said(self) -> str:
        """Images and patients of each role, in words."""
        images = self.rows.groupby("role").size()
        return "; ".join(
            f"{role}: {images[role]} images of {n} patients" for role, n in self.patients.items()
        )


def lay_out(
    source: Source | None,
    work: Path,
    config: MaskedTraining,
    select: Callable[[MaskedCohort], tuple[MaskedCohort, Way]],
    told: Told,
) -> Laid[Way]:
    """Ingest images and masks, lay them onto the working grid, and divide the patients.

    Parameters
    ----------
    source : Source, optional
        The phantom with distractors if not given.
    work : Path
    config : MaskedTraining
    select : callable
        A cohort -> the images that are learnt from, and how.
    told : Told
    """
    folder, tracker, bars = told
    with folder.step("cohort"):
        given = source or phantom_scans(work, config.phantom, bars)
    with folder.step("ingest"):
        cohort, way = select(read_masked(given, work, bars))
        remember(folder, work, source)
    tracker.config({"seed": config.seed, **way.model_dump(mode="json")})
    with folder.step("prepare"), bars("prepare") as bar:
        layout = (way.framing, way.dimensions, cohort.groups)
        read = (cohort.load, cohort.truth)
        cache = build_pairs(
            cohort.manifest, cohort.masks, read, layout, work / "cache", progress=bar
        )
    with folder.step("split"):
        grouped = _grouped(cohort.manifest, cache)
        splits = cut_groups(grouped, seed=config.seed, parts=config.parts)
        rows = splits.assign(grouped, fold=0)
        digests = write_masked_tables(folder, cohort, cache, rows, splits)
    for role, part in rows.groupby("role"):
        tracker.dataset(part, cohort.source.name, table_digest(part), str(role))
    tracker.tags(digests)
    return Laid(cohort, cache, rows, splits, way, digests)


def fit_patches(
    laid: Laid[Any],
    learner: Learner,
    seed: int,
    folder: Path,
) -> Fit:
    """Train on patches of the rows of role train; those of role validation choose the epoch.

    Parameters
    ----------
    laid : Laid
        Its way has ``learning``, a `PatchLearning`.
    learner : Learner
    seed : int
    folder : Path
        Of its checkpoints; the caller removes it once the result is safe.
    """
    how, rows = laid.way.learning, laid.rows
    train, validation = (
        sorted(rows.loc[rows["role"] == role, "image_id"]) for role in ("train", "validation")
    )
    plan = PatchPlan(how.patch, how.samples, how.batch, seed)
    data = PatchData(laid.cache, train, validation, plan, how.augmentation, laid.cohort.groups)
    make_folder(folder)
    return fit_learner(learner, data, how.epochs, how.patience, folder)


def _grouped(manifest: pd.DataFrame, cache: PairCache) -> pd.DataFrame:
    """The images that could be prepared, grouped by patient, source and near-duplicates."""
    usable = manifest[manifest["image_id"].isin(list(cache.index))].reset_index(drop=True)
    if usable.empty:
        reasons = pd.Series([code for code, _ in cache.refused.values()]).value_counts()
        raise InvalidInputError(
            "NOTHING_USABLE",
            "None of the images can be learnt from.",
            expected="CT volumes in HU, or radiographs, with masks on their grids",
            actual=", ".join(f"{code}: {n} images" for code, n in reasons.items()),
        )
    images = {name: cache.image(name) for name in usable["image_id"]}
    pairs = find_duplicates({name: thumbnail(one[len(one) // 2]) for name, one in images.items()})
    return group_images(usable, pairs)


def of_run(laid: Laid[Any], run_id: str) -> dict[str, Any]:
    """The fields of a bundle that say what it was trained on, and by which run."""
    seen = trained_on(laid.cohort.source, laid.rows, laid.splits)
    return {"trained_on": seen, "run_id": run_id}
