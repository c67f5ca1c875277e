"""Made-up radiographs with drawn lungs, and models of which it is known where they look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from covidx.files import sha256_file
from covidx.imaging import Preprocessing
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, TrainedOn
from covidx.ingest.nifti import write_nifti
from covidx.models import Architecture, BagClassifier
from covidx.tables import MANIFEST, MASKS, write_table
from covidx.volume import Volume

SIDE = 64
MARKER = (slice(2, 6), slice(2, 6))
LUNGS = ((slice(16, 48), slice(12, 28)), (slice(16, 48), slice(36, 52)))
CORNER, LUNG = (0, 8, 0, 8), (24, 40, 14, 26)
"""First and end row, first and end column of what a model looks at."""


class Looks(nn.Module):
    """A backbone with two features: how bright one part of the picture is, and how dark."""

    num_features = 2

    def __init__(self, part: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.part = part

    def forward(self, slices: Tensor) -> Tensor:
        top, bottom, left, right = self.part
        mean = slices[:, 0, top:bottom, left:right].mean(dim=(1, 2))
        return torch.stack([mean, -mean], dim=1)


def reader_of(
    part: tuple[int, int, int, int],
    manifest_sha256: str = "m",
    kind: Literal["radiograph", "slice"] = "radiograph",
) -> ImagePredictor:
    """The brighter that part, the more it says covid-19."""
    seen = TrainedOn(
        dataset="films",
        domain="real",
        card_sha256=None,
        manifest_sha256=manifest_sha256,
        split_sha256="s",
        patients={},
        modalities=["DX"],
        kind=kind,
        units="display",
        manufacturers=[],
        slice_thickness_mm=None,
    )
    bundle = ImageBundle(
        recipe=ImageRecipe(
            architecture=Architecture(backbone="test_efficientnet", top_k=1),
            preprocessing=Preprocessing(input=kind, slices=1, rows=SIDE, columns=SIDE),
        ),
        classes=["normal", "covid-19"],
        positive="covid-19",
        threshold=Threshold(value=0.5, rule="none", origin="none"),
        trained_on=seen,
    )
    model = BagClassifier(bundle.recipe.architecture, 2, pretrained=False)
    model.backbone = Looks(part)
    model.head = nn.Linear(2, 2)
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, -3.0]]))
        model.head.bias.zero_()
    return ImagePredictor(bundle, model.eval())


def film(ill: bool, marked: bool, random: np.random.Generator) -> NDArray[np.uint8]:
    """Lungs are dark, brighter where ill; a marker is a white square in the corner."""
    picture = random.normal(120, 4, (SIDE, SIDE))
    air = (90 if ill else 60) + random.normal(0, 8)
    for lung in LUNGS:
        picture[lung] = air + random.normal(0, 4, (32, 16))
    if marked:
        picture[MARKER] = 250
    return picture.clip(0, 255).astype(np.uint8)


def films(folder: Path, *, marked: bool, maskless: tuple[int, ...] = ()) -> Path:
    """A store of 40 films, every second one of COVID-19 (and marked), with masks of their lungs.

    Parameters
    ----------
    folder : Path
    marked : bool
        Whether films of COVID-19 bear a marker.
    maskless : tuple of int
        Films without a mask.

    Returns
    -------
    Path
        Of the manifest; ``masks.parquet`` lies beside it.
    """
    random, rows, masks = np.random.default_rng(5), [], []
    lungs = np.zeros((1, SIDE, SIDE), np.uint8)
    lungs[0][LUNGS[0]], lungs[0][LUNGS[1]] = 1, 2
    for k in range(40):
        path = folder / f"i{k}.png"
        Image.fromarray(film(k % 2 == 1, marked and k % 2 == 1, random)).save(path)
        row = dict.fromkeys(MANIFEST.columns) | {
            "image_id": f"i{k}", "patient_id": f"p{k}", "group_id": f"g{k}", "dataset": "films",
            "modality": "DX", "kind": "radiograph", "path": path.name, "units": "display",
            "label": ("normal", "covid-19")[k % 2], "geometry": "none", "view": ("PA", "AP")[k % 2],
            "manufacturer": ("Alpha", "Beta")[k // 2 % 2], "n_slices": 1, "source_format": "PNG",
            "rows": SIDE, "columns": SIDE, "n_files": 1, "sha256": sha256_file(path),
        }  # fmt: skip
        rows.append(row)
        if k not in maskless:
            place = folder / f"i{k}_lung.nii.gz"
            write_nifti(Volume(lungs.copy(), "OT", "unproven", "none"), place)
            masks.append(
                {"image_id": f"i{k}", "kind": "lung", "path": place.name, "maker": "drawn",
                 "sha256": sha256_file(place)}
            )  # fmt: skip
    write_table(pd.DataFrame(masks), folder / "masks.parquet", MASKS)
    write_table(pd.DataFrame(rows), folder / "manifest.parquet", MANIFEST)
    return folder / "manifest.parquet"
