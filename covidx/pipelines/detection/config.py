"""The configuration of ``covidx train detection``."""

from __future__ import annotations

from pathlib import Path

from covidx.errors import InvalidInputError
from covidx.inference.detection_bundle import DetectionRecipe
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.masked_run import MaskedTraining
from covidx.wording import counted

TRAIN_DETECTION = Path(__file__).with_name("train_detection.yaml")


class TrainDetection(MaskedTraining):
    """``train_detection.yaml``."""

    volume: DetectionRecipe

    def select(self, cohort: Cohort) -> tuple[Cohort, DetectionRecipe]:
        """The CT volumes of `cohort` with a note on what is left out, and the recipe for them.

        Raises
        ------
        InvalidInputError
            ``MODALITY_ABSENT``: no volume; ``OPACITIES_UNMASKED``: no masks of opacities.
        """
        volume = cohort.manifest["kind"] == "volume"
        if not volume.any():
            raise InvalidInputError(
                "MODALITY_ABSENT",
                "None of these images can train a detector.",
                expected="CT volumes",
                actual=", ".join(sorted(cohort.manifest["modality"].unique())),
                hint=(
                    "Name a folder of CT volumes and their masks with --data (make: DATA=folder)."
                ),
            )
        if "opacity" not in cohort.groups:
            raise InvalidInputError(
                "OPACITIES_UNMASKED",
                "These images have no masks of opacities to learn boxes from.",
                expected="masks of kind opacity in the card",
                actual=", ".join(cohort.groups),
            )
        left = int((~volume).sum())
        notes = [f"{counted(left, 'image')} left out: no CT volumes"] if left else []
        return cohort.only(cohort.manifest[volume].reset_index(drop=True), notes), self.volume
