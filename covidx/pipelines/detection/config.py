"""The configuration of ``covidx train detection``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.imaging.frames import VolumeFraming
from covidx.inference.detection_bundle import DetectRecipe
from covidx.models.detectors import DetectorShape
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.masked_run import MaskedTraining
from covidx.training.patch_learning import PatchLearning

__all__ = ["TRAIN_DETECTION", "TrainDetection", "WayToDetect"]

TRAIN_DETECTION = Path(__file__).with_name("train_detection.yaml")


class DetectLearning(PatchLearning):
    """How training goes, slice by slice."""

    patch: tuple[int, int] = Field(description="pixels: rows, columns")


class WayToDetect(Config):
    """How CT is learnt from."""

    framing: VolumeFraming
    network: DetectorShape
    learning: DetectLearning
    smallest: int = Field(ge=1, description="working pixels below which a piece is no instance")
    false_rate: float = Field(gt=0, description="false positives a validation scan, at most")

    @property
    def dimensions(self) -> int:
        """Of the network: it sees slices."""
        return 2

    @property
    def recipe(self) -> DetectRecipe:
        """What goes into the bundle."""
        return DetectRecipe(
            framing=self.framing,
            network=self.network,
            patch=self.learning.patch,
            smallest=self.smallest,
        )


class TrainDetection(MaskedTraining):
    """``train_detection.yaml``."""

    volume: WayToDetect

    def select(self, cohort: Cohort) -> tuple[Cohort, WayToDetect]:
        """The CT volumes, with a note on what is left out.

        Raises
        ------
        InvalidInputError
            ``MODALITY_ABSENT``: no volume; ``OPACITIES_UNMASKED``: no masks of opacities.
        """
        volume = cohort.manifest["kind"] == "volume"
        if not volume.any():
            raise InvalidInputError(
                "MODALITY_ABSENT",
                "There is no image here that a detector trains on.",
                expected="CT volumes",
                actual=", ".join(sorted(cohort.manifest["modality"].unique())),
            )
        if "opacity" not in cohort.groups:
            raise InvalidInputError(
                "OPACITIES_UNMASKED",
                "These images have no masks of opacities to learn boxes from.",
                expected="masks of kind opacity in the card",
                actual=", ".join(cohort.groups),
            )
        left = int((~volume).sum())
        notes = [f"{left} images left out: no CT volumes"] if left else []
        return cohort.only(cohort.manifest[volume].reset_index(drop=True), notes), self.volume
