"""What trainings on true masks share: the working grid, groups, splits, patches, warnings, card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import pandas as pd
import torch
from pydantic import Field

from covidx.cohort import Splits, cut_groups, thumbnail
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate
from covidx.files import make_folder
from covidx.imaging.frames import RadiographFraming, VolumeFraming
from covidx.imaging.pairs import PairCache, build_pairs
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.segmentation_bundle import SegmentationBundle
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.handovers import hand_over, source_warnings, trained_on
from covidx.pipelines.masked_cohort import link_masks
from covidx.pipelines.masks import TrueMasks
from covidx.pipelines.model_card import FINDS_OPACITIES, write_model_card
from covidx.pipelines.run import TrainingRun
from covidx.pipelines.source import PhantomCohort, Source, phantom_source
from covidx.runs import provenance
from covidx.training.fit import Fit, fit_learner
from covidx.training.learner import Learner
from covidx.training.patches import PatchData, PatchPlan
from covidx.wording import counted

PIXELS = "surface distances and the NSD's tolerance are in pixels: radiographs here have no spacing"


class PatchRecipe(Protocol):
    """What lays images out for a network that learns from patches."""

    @property
    def framing(self) -> VolumeFraming | RadiographFraming:
        """The working grid."""

    @property
    def dimensions(self) -> int:
        """Of the network."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """As plain values; `mode` is pydantic's, such as ``json``."""


Recipe = TypeVar("Recipe", bound=PatchRecipe)


class MaskedTraining(Config):
    """What the YAML of each training on masks holds."""

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    parts: int = Field(ge=3, description="of the patients: one validation, one test")
    images: Literal["all", "thumbnails", "none"] = Field(
        "all", description="what the report's pages show of the test patients' images"
    )


@dataclass(frozen=True, eq=False)
class Prepared(Generic[Recipe]):
    """Images and labels on the working grid, divided.

    Parameters
    ----------
    cohort : Cohort
        Images and masks that were selected.
    cache : PairCache
        Images and label maps on the working grid.
    rows : DataFrame
        Manifest rows with fold and role.
    splits : Splits
        The roles of `rows`.
    recipe : PatchRecipe
        Framing, network and learning.
    """

    cohort: Cohort
    cache: PairCache
    rows: pd.DataFrame
    splits: Splits
    recipe: Recipe

    @property
    def patients(self) -> dict[str, int]:
        """Role -> number of patients."""
        counts = self.rows.groupby("role")["patient_id"].nunique()
        return {str(role): int(n) for role, n in counts.items()}

    @property
    def summary(self) -> str:
        """Images and patients of each role, in words."""
        images = self.rows.groupby("role").size()
        return "; ".join(
            f"{role}: {counted(images[role], 'image')} of {counted(n, 'patient')}"
            for role, n in self.patients.items()
        )

    def of_role(self, role: str) -> pd.DataFrame:
        """The rows of one `role`."""
        return self.rows[self.rows["role"] == role]

    def bundle_fields(self, run_id: str) -> dict[str, Any]:
        """The fields of a bundle that say what it was trained on, and by the run `run_id`."""
        return {
            "trained_on": trained_on(self.cohort.source, self.rows, self.splits),
            "run_id": run_id,
        }

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before any figure."""
        tested = self.of_role("test")["patient_id"].nunique()
        notes = list(self.cohort.notes)
        if (self.rows["geometry"] == "none").all():
            notes.append(PIXELS)
        return source_warnings(self.cohort.source, tested, notes)


def check_masks(source: Source) -> None:
    """Find mistakes in what a user named before anything is ingested or written.

    Parameters
    ----------
    source : Source
        What the user named.

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING``, or as `TrueMasks.of`.
    """
    _, folder = TrueMasks.of(source)
    if not folder.exists():
        raise InvalidInputError(
            "SOURCE_MISSING",
            "There is no such file or folder.",
            path=folder,
            hint="Correct the path of --data (make: DATA=folder).",
        )


def prepare(
    run: TrainingRun,
    config: MaskedTraining,
    select: Callable[[Cohort], tuple[Cohort, Recipe]],
) -> Prepared[Recipe]:
    """Ingest images and masks, lay them onto the working grid, and divide the patients.

    Parameters
    ----------
    run : TrainingRun
        Whose source is learnt from; the phantom with distractors where it has none.
    config : MaskedTraining
        Seed, parts of the split, and the phantom cohort.
    select : callable
        A cohort -> the images that are learnt from, and the recipe for them.
    """
    work = run.work
    with run.step("cohort"):
        source = run.source or phantom_source("distracted", config.phantom, work, run.bars)
    with run.step("ingest"):
        cohort, recipe = select(link_masks(source, work, run.bars))
    run.tracker.config({"seed": config.seed, **recipe.model_dump(mode="json")})
    with run.step("prepare") as bar:
        cache = build_pairs(cohort, recipe.framing, recipe.dimensions, work / "cache", bar)
    with run.step("split"):
        middles = {n: thumbnail(cache.image(n)[cache.image(n).shape[0] // 2]) for n in cache.index}
        grouped = group_prepared(cohort.manifest, middles, cache.refused, cohort.store)
        splits = cut_groups(grouped, seed=config.seed, parts=config.parts)
        rows = splits.assign(grouped, fold=0)
        hand_over(run, cohort, cache.refused, rows, splits)
    return Prepared(cohort, cache, rows, splits, recipe)


def fit_patches(
    run: TrainingRun, prepared: Prepared[Any], make: Callable[[], Learner], seed: int
) -> Fit:
    """Train on patches of the rows of role train; those of role validation choose the epoch.

    Parameters
    ----------
    run : TrainingRun
        Takes checkpoints and curves; an interrupted training goes on from there.
    prepared : Prepared
        Its recipe has ``learning``, a `PatchLearning`.
    make : callable
        Gives the network with its loss, made once the seed is set.
    seed : int
        Of the network and of the patches that are drawn.
    """
    learning = prepared.recipe.learning
    assert learning is not None  # only an upgraded bundle lacks it
    with run.step("train"):
        folder = make_folder(run.checkpoints(prepared.recipe, seed, prepared.rows))
        torch.manual_seed(seed)
        learner = make()
        train, validation = (
            sorted(prepared.of_role(role)["image_id"]) for role in ("train", "validation")
        )
        plan = PatchPlan(learning.patch, learning.samples, learning.batch, seed)
        data = PatchData(
            prepared.cache, train, validation, plan, learning.augmentation, prepared.cohort.groups
        )
        fitted = fit_learner(learner, data, learning.epochs, learning.patience, folder)
        run.record.resumed_from_epoch = fitted.resumed_from
    run.tracker.curves(fitted.curves, fitted.best_epoch)
    return fitted


def write_card(
    run: TrainingRun,
    bundle: SegmentationBundle | DetectionBundle,
    name: str,
    *,
    task: str,
    parts: str,
    estimates: Mapping[str, Estimate],
    warnings: Sequence[str],
) -> None:
    """Write the model card of a network that was trained on true masks.

    Parameters
    ----------
    run : TrainingRun
        Whose bundle takes the card.
    bundle : SegmentationBundle or DetectionBundle
        As it was saved.
    name : str
        What the model is called; its modality is added.
    task : str
        What the research is on.
    parts : str
        What the network has besides, or gives.
    estimates : mapping
        Figures by name.
    warnings : sequence of str
        What a reader must know besides.
    """
    modality = bundle.trained_on.modality
    write_model_card(
        run.bundle,
        bundle,
        f"{name} on {modality}",
        use=FINDS_OPACITIES.format(task),
        architecture=f"{bundle.recipe.network}; {parts}",
        inputs=modality,
        preprocessing=[f"{k}: {v}" for k, v in bundle.recipe.framing.model_dump().items()],
        estimates=estimates,
        tested="test patients of the same data set, by patient",
        limits=warnings,
    )


def method_facts(
    run: TrainingRun,
    prepared: Prepared[Any],
    bundle: SegmentationBundle | DetectionBundle,
    fitted: Fit,
    more: Sequence[tuple[str, str]],
) -> list[tuple[str, str]]:
    """The method section of the report.

    Parameters
    ----------
    run : TrainingRun
        With its record.
    prepared : Prepared
        Cohort and division.
    bundle : SegmentationBundle or DetectionBundle
        As it was saved.
    fitted : Fit
        The training.
    more : sequence of (name, value)
        What only this training has.
    """
    return [
        ("Data set", prepared.cohort.source.name),
        ("Cohort", prepared.summary),
        ("Working grid", str(bundle.recipe.framing.model_dump())),
        ("Network", str(bundle.recipe.network.model_dump())),
        *more,
        ("Training", f"{len(fitted.curves)} epochs, that of number {fitted.best_epoch} kept"),
        *provenance(run.record, bundle.sha256),
    ]
