"""Where the true masks of a data set lie, and what their values mean."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from covidx.config import Config


class MaskFiles(Config):
    """Where the true masks of one kind lie, and what their values mean."""

    kind: Literal["lung", "opacity"]
    path: str = Field(
        description=(
            "relative to the data's root; {stem} is the image's name without suffixes, renamed; "
            ".nii is taken where there is no .nii.gz"
        )
    )
    values: dict[int, str] = Field(
        default_factory=dict, description="value -> class; 0, and what is called none, is nothing"
    )
    sides_by_place: tuple[int, int] | None = Field(
        None, description="the values of the two lungs, in any order: their place decides which"
    )
    empty: Literal["nothing", "unlabelled"] = Field(
        "nothing", description="what a mask without any value means for its image"
    )

    @model_validator(mode="after")
    def _fits(self) -> MaskFiles:
        if bool(self.values) == bool(self.sides_by_place) or 0 in self.values:
            raise ValueError("a mask needs values (above 0), or sides_by_place; not both")
        if self.sides_by_place and self.kind != "lung":
            raise ValueError("sides_by_place is of lungs")
        return self

    @property
    def classes(self) -> list[str]:
        """The classes that it distinguishes, that of nothing first."""
        if self.sides_by_place:
            return ["none", "right-lung", "left-lung"]
        return list(dict.fromkeys(["none", *self.values.values()]))


class MaskSet(Config):
    """The masks of a data set's images."""

    images: str = Field(".", description="folder of the images, relative to the data's root")
    windowed: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="pattern of image names -> HU that their authors made 0 and 255",
    )
    rename: dict[str, str] = Field(
        default_factory=dict,
        description="text in an image's name -> what the masks' names have instead, in this order",
    )
    files: list[MaskFiles] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> MaskSet:
        if len({masks.kind for masks in self.files}) < len(self.files):
            raise ValueError("each kind of mask is named once")
        return self
