"""How tables name the images of a data set: pictures a row each, or labels of a path or patient."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from covidx.config import Config

PICTURES = {"CT": "CT", "CR": "CR", "DX": "DX", "CXR": "DX"}
"""What pictures may be, by the names that people use -> DICOM Modality."""
Modality = Literal["CT", "CR", "DX"]
Kind = Literal["slice", "radiograph"]


def picture_kind(modality: str) -> Kind:
    """What a picture of a `modality` is: a radiograph, or one slice of a volume."""
    return "radiograph" if PICTURES.get(modality) in ("CR", "DX") else "slice"


class ImageNames(Config):
    """How the names of images in a table become paths."""

    prefix: str = Field("", description="stands before each image name, such as scans/")
    extension: str = Field("", description="ends each image name that has it not, such as .png")

    def name(self, image: str) -> str:
        """The path of an image below the data's root, with slashes.

        Parameters
        ----------
        image : str
            As it stands in the table; the same where the cell is empty.
        """
        if not image:
            return image
        whole = f"{self.prefix}{image}".replace("\\", "/")
        wanted = f".{self.extension.lstrip('.')}" if self.extension else ""
        return whole if whole.lower().endswith(wanted.lower()) else f"{whole}{wanted}"


class ImageTable(ImageNames):
    """How a CSV names the images of a data set, one row an image.

    `image`, `label`, `patient`, `group`, the keys of `where` and the values of `manifest` name
    columns of that CSV.
    """

    table: str = Field(description="the CSV, relative to the data's root")
    image: str = Field(description="column: image path relative to the data's root")
    label: str | None = None
    labels: dict[str, str | None] = Field(
        default_factory=dict,
        description="value in the table -> class; a value of no class (null) is set aside",
    )
    where: dict[str, list[str]] = Field(
        default_factory=dict,
        description="column -> the values that are read; rows of any other are set aside",
    )
    patient: str | None = Field(None, description="by default each picture is of a patient apart")
    group: str | None = Field(None, description="column: what must not be divided")
    kind: Kind = Field("slice", description="by default what pictures of the modality are")
    modality: Modality = Field("CT", description="of the pictures; CXR is DX")
    manifest: dict[str, str] = Field(
        default_factory=dict, description="manifest column -> column of the table"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        """CXR is DX; a kind that is left out is that of the modality."""
        if not isinstance(values, dict):
            return values
        named = str(values.get("modality", "CT"))
        modality = PICTURES.get(named.upper(), named)
        return {"kind": picture_kind(modality), **values, "modality": modality}


class LabelTable(ImageNames):
    """How a table names the labels of DICOM or NIfTI images, as ``--labels`` takes it.

    `patient` and `path` name columns; of both, the path names the image, the other its patient.
    """

    table: str = Field(description="CSV, TSV, XLSX or parquet, relative to the data's root")
    patient: str | None = Field(None, description="column: the DICOM PatientID")
    path: str | None = Field(None, description="column: a file or folder below the data's root")
    label: str = Field(description="column")
    labels: dict[str, str | None] = Field(
        default_factory=dict,
        description="value in the table -> class; rows of no class (null) are left out",
    )

    @model_validator(mode="after")
    def _fits(self) -> LabelTable:
        if self.patient is None and self.path is None:
            raise ValueError("name the column of the patient, that of the path, or both")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Column that covidx knows -> its name in the table, where that is another."""
        named = {"patient_id": self.patient, "path": self.path, "label": self.label}
        return {ours: theirs for ours, theirs in named.items() if theirs not in (None, ours)}
