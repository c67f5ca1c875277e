"""The configuration of ``covidx train segmentation``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from covidx.config import Config
from covidx.constants import LATERAL_VIEWS
from covidx.errors import InvalidInputError
from covidx.imaging.frames import Framing
from covidx.inference.segmentation_bundle import SegmentRecipe
from covidx.models.segmenters import SegmenterShape
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.masked_run import MaskedTraining
from covidx.training.segment_learner import SegmentLearning

__all__ = ["TRAIN_SEGMENTATION", "TrainSegmentation", "WayToSegment"]

TRAIN_SEGMENTATION = Path(__file__).with_name("train_segmentation.yaml")


class WayToSegment(Config):
    """What depends on the kind of image."""

    framing: Framing
    network: SegmenterShape
    learning: SegmentLearning
    mirrored: bool
    tolerance: float = Field(ge=0, description="of the NSD: mm, or pixels of a radiograph")

    @model_validator(mode="after")
    def _fits(self) -> WayToSegment:
        dimensions, patch = self.network.dimensions, self.learning.patch
        if len(patch) != dimensions:
            raise ValueError(f"a {dimensions}D network needs a patch of {dimensions} edges")
        if any(edge % self.network.multiple for edge in patch):
            raise ValueError(f"edges of the patch must be multiples of {self.network.multiple}")
        if self.framing.input == "radiograph" and dimensions != 2:
            raise ValueError("a radiograph has two dimensions")
        return self

    @property
    def dimensions(self) -> int:
        """Of the network."""
        return self.network.dimensions

    @property
    def recipe(self) -> SegmentRecipe:
        """What goes into the bundle."""
        return SegmentRecipe(
            framing=self.framing,
            network=self.network,
            patch=self.learning.patch,
            mirrored=self.mirrored,
        )


class TrainSegmentation(MaskedTraining):
    """``train_segmentation.yaml``."""

    volume: WayToSegment
    radiograph: WayToSegment

    @model_validator(mode="after")
    def _fits(self) -> TrainSegmentation:
        for name in ("volume", "radiograph"):
            if getattr(self, name).framing.input != name:
                raise ValueError(f"{name}.framing.input must be {name}")
        return self

    def select(self, cohort: Cohort) -> tuple[Cohort, WayToSegment]:
        """The images to segment, with a note on each kind that is left out, and how.

        Volumes where there are any, else frontal radiographs.

        Raises
        ------
        InvalidInputError
            ``MODALITY_ABSENT``: there is none.
        """
        manifest = cohort.manifest
        volume = manifest["kind"] == "volume"
        view = manifest["view"].astype("string").str.upper()
        film = manifest["modality"].isin(("CR", "DX"))
        lateral = film & view.isin(LATERAL_VIEWS).fillna(False)
        taken = volume if volume.any() else film & ~lateral
        if not taken.any():
            raise InvalidInputError(
                "MODALITY_ABSENT",
                "There is no image here that a segmenter trains on.",
                expected="CT volumes, or frontal radiographs",
                actual=", ".join(sorted(set(manifest["modality"] + " " + manifest["kind"]))),
            )
        way = self.volume if volume.any() else self.radiograph
        notes = []
        if lateral.any() and not volume.any():
            notes.append(f"{int(lateral.sum())} images left out: lateral views")
        others = int((~taken).sum()) - (int(lateral.sum()) if not volume.any() else 0)
        if others:
            notes.append(f"{others} images left out: of another kind")
        return cohort.only(manifest[taken].reset_index(drop=True), notes), way
