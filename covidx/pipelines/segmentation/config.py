"""The configuration of ``covidx train segmentation``."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from covidx.constants import LATERAL_VIEWS
from covidx.errors import InvalidInputError
from covidx.inference.segmentation_bundle import SegmentationRecipe
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.masked_run import MaskedTraining
from covidx.wording import counted

TRAIN_SEGMENTATION = Path(__file__).with_name("train_segmentation.yaml")


class TrainSegmentation(MaskedTraining):
    """``train_segmentation.yaml``."""

    volume: SegmentationRecipe
    radiograph: SegmentationRecipe

    @model_validator(mode="after")
    def _fits(self) -> TrainSegmentation:
        for name in ("volume", "radiograph"):
            if getattr(self, name).framing.input != name:
                raise ValueError(f"{name}.framing.input must be {name}")
        return self

    def select(self, cohort: Cohort) -> tuple[Cohort, SegmentationRecipe]:
        """The images of `cohort` to segment, with a note on each kind left out, and the recipe.

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
                "None of these images can train a segmenter.",
                expected="CT volumes, or frontal radiographs",
                actual=", ".join(sorted(set(manifest["modality"] + " " + manifest["kind"]))),
                hint=(
                    "Name a folder of CT volumes or frontal radiographs with --data (make: "
                    "DATA=folder)."
                ),
            )
        recipe = self.volume if volume.any() else self.radiograph
        notes = []
        if lateral.any() and not volume.any():
            notes.append(f"{counted(int(lateral.sum()), 'image')} left out: lateral views")
        others = int((~taken).sum()) - (int(lateral.sum()) if not volume.any() else 0)
        if others:
            notes.append(f"{counted(others, 'image')} left out: of another kind")
        return cohort.only(manifest[taken].reset_index(drop=True), notes), recipe
