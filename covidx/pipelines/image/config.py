"""The configuration of the image pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
from pydantic import Field

from covidx.config import Config
from covidx.constants import LATERAL_VIEWS
from covidx.errors import InvalidInputError
from covidx.evaluate import OperatingRule
from covidx.inference.image_bundle import ImageRecipe
from covidx.pipelines.source import SAY_PICTURES, PhantomCohort, PictureModality
from covidx.wording import counted

TRAIN_CT = Path(__file__).with_name("train_ct.yaml")
TRAIN_CXR = Path(__file__).with_name("train_cxr.yaml")


class TrainImage(Config):
    """What the image pipelines share."""

    pipeline: ClassVar[str]
    modalities: ClassVar[tuple[str, ...]]
    phantom_cohort: ClassVar[Literal["ct", "cxr"]]

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    parts: int = Field(ge=3)
    unmatched: Literal["refuse", "exclude"]
    operating_point: OperatingRule
    modality: PictureModality | None = Field(
        None, description="of PNG and JPEG that no card describes; CXR is DX"
    )
    images: Literal["all", "thumbnails", "none"] = Field(
        "all", description="what the report's pages show of the test patients' images"
    )

    def select(self, manifest: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The rows of `manifest` that the pipeline is for, and a line for each kind left out.

        Raises
        ------
        InvalidInputError
            ``MODALITY_ABSENT``: there is none.
        """
        view = manifest["view"].astype("string").str.upper()
        fits = manifest["modality"].isin(self.modalities)
        lateral = fits & view.isin(LATERAL_VIEWS).fillna(False)
        if not fits.any():
            unsaid = "OT" in set(manifest["modality"])
            raise InvalidInputError(
                "MODALITY_ABSENT",
                f"No image of this cohort is one that {self.pipeline} trains on.",
                expected=" or ".join(self.modalities),
                actual=", ".join(sorted(set(manifest["modality"]))),
                hint=SAY_PICTURES
                if unsaid
                else "Name a folder of such images with --data (make: DATA=folder).",
            )
        left_out = {
            f"of another modality than {' or '.join(self.modalities)}": int((~fits).sum()),
            "lateral views": int(lateral.sum()),
        }
        notes = [f"{counted(n, 'image')} left out: {what}" for what, n in left_out.items() if n]
        return manifest[fits & ~lateral].reset_index(drop=True), notes

    def recipe(self, manifest: pd.DataFrame) -> ImageRecipe:
        """The recipe that fits the images of `manifest`."""
        raise NotImplementedError


class TrainCT(TrainImage):
    """``train_ct.yaml``."""

    pipeline = "train_ct"
    modalities = ("CT",)
    phantom_cohort = "ct"

    volume: ImageRecipe
    slice: ImageRecipe

    def recipe(self, manifest: pd.DataFrame) -> ImageRecipe:
        """For volumes where `manifest` has any, else for single slices."""
        return self.volume if (manifest["kind"] == "volume").any() else self.slice


class TrainCXR(TrainImage):
    """``train_cxr.yaml``."""

    pipeline = "train_cxr"
    modalities = ("CR", "DX")
    phantom_cohort = "cxr"

    radiograph: ImageRecipe

    def recipe(self, manifest: pd.DataFrame) -> ImageRecipe:
        """The one for radiographs, whatever is in `manifest`."""
        return self.radiograph
