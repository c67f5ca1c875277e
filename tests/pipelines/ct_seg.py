"""The layout of COVID-19-CT-Seg, made of phantoms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from covidx.cards import load_card
from covidx.phantom import PhantomScan, draw_patient, render
from covidx.pipelines.source import Source

SCANS = {  # name of the scan as on Kaggle -> name of its masks, an ill patient of seed 5
    "coronacases_org_001": ("coronacases_001", 2),
    "coronacases_org_case007": ("coronacases_007", 4),
    "radiopaedia_org_covid-19-pneumonia-10_85902_1-dcm": ("radiopaedia_10_85902_1", 7),
}

TINY_SEGMENTATION = [
    "parts=3",
    "volume.network.channels=[4,8]",
    "volume.learning.patch=[48,48]",
    "volume.learning.samples=2",
    "volume.learning.epochs=1",
    "volume.framing.pixel_mm=6",
    "volume.mirrored=false",
]
TINY_DETECTION = [
    "parts=3",
    "volume.network.channels=8",
    "volume.network.hidden=8",
    "volume.network.most_boxes=3",
    "volume.learning.patch=[64,64]",
    "volume.learning.samples=2",
    "volume.learning.epochs=1",
    "volume.framing.pixel_mm=6",
    "volume.smallest=2",
]


def write(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), affine), path)


@dataclass(frozen=True)
class Layout:
    folder: Path
    scans: dict[str, PhantomScan]


def lay(folder: Path) -> Layout:
    """Three scans and one without masks; the sides numbered one way here and the other there."""
    scans = {}
    for scan, (mask, index) in SCANS.items():
        made = render(draw_patient(5, index), distractors=True)
        ill = ((made.lesion == 1) | (made.lesion == 2)).astype(np.uint8)
        sides = np.array([0, 2, 1] if scan.startswith("corona") else [0, 1, 2], np.uint8)
        hu = made.hu
        if scan.startswith("radio"):
            hu = np.clip((made.hu.astype(float) + 1250) / 1500 * 255, 0, 255).astype(np.uint8)
        write(folder / "ct_scans" / f"{scan}.nii", hu, made.affine)
        write(folder / "lung_mask" / f"{mask}.nii", sides[made.lung], made.affine)
        write(folder / "infection_mask" / f"{mask}.nii.gz", ill, made.affine)
        scans[scan] = made
    lonely = render(draw_patient(5, 0))
    write(folder / "ct_scans" / "coronacases_org_002.nii", lonely.hu, lonely.affine)
    return Layout(folder, scans)


def source(layout: Layout) -> Source:
    return Source(layout.folder, None, load_card(Path("covid-19-ct-seg")))
