"""What each pipeline that trains leaves in a run's folder, and what of it must come out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from covidx.bundles import BundleFile
from covidx.clinical import ClinicalBundle
from covidx.fusion import FusionBundle
from covidx.inference import ImageBundle
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.segmentation_bundle import SegmentationBundle
from covidx.radiograph_severity import RadiographSeverityBundle

__all__ = ["KINDS", "Kind", "figures_of"]

SPLIT = ("splits.parquet", "splits.json")
CLASSIFIED = (*SPLIT, "confusion.json")
IMAGES = ("manifest.parquet", "masks.parquet", "quarantine.parquet")
NETWORK = ("bundle/weights.safetensors", "bundle/parity.safetensors")
PICTURED = (*CLASSIFIED, *IMAGES, "thumbnails.npz")
PREDICTED = {"predictions.parquet": ("arm", "fold", "role", "unit_id")}


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Parameters
    ----------
    name : str
    bundle : type of BundleFile
    parts : tuple of str
        Its files, besides those that every run has and `tables`.
    tables : mapping
        What it found, by file -> the columns that name a row. Without any the rows themselves were
        found, such as boxes: they are compared in their order.
    headline : tuple of str
        Patterns of the figure that the run claims first; the first that occurs counts.
    arm : str, optional
        The arm of the predictions that the metrics of a classifier are of.
    seeded : bool
        Whether its figure depends on the seed.
    """

    name: str
    bundle: type[BundleFile]
    parts: tuple[str, ...]
    tables: Mapping[str, tuple[str, ...]]
    headline: tuple[str, ...] = ("auroc",)
    arm: str | None = None
    seeded: bool = True

    def headline_of(self, metrics: Mapping[str, Any]) -> str | None:
        """The name of the figure that a run with these metrics claims first; None without one."""
        names = figures_of(metrics)
        return next((n for wanted in self.headline for n in names if fnmatch(n, wanted)), None)


def figures_of(metrics: Mapping[str, Any], place: str = "") -> dict[str, dict[str, Any]]:
    """The estimates of a ``metrics.json`` by name, however deep they lie.

    >>> figures_of({"extent": {"mae": {"value": 1.0}}})
    {'extent.mae': {'value': 1.0}}
    """
    found: dict[str, dict[str, Any]] = {}
    for key, one in metrics.items():
        name = f"{place}.{key}".lstrip(".")
        if isinstance(one, dict):
            found |= {name: one} if "value" in one else figures_of(one, name)
    return found


IMAGE = Kind("image", ImageBundle, (*PICTURED, *NETWORK), PREDICTED, arm="p1")
KINDS: Mapping[str, Kind] = {
    "train_ct": IMAGE,
    "train_cxr": IMAGE,
    "train_clinical": Kind(
        "clinical",
        ClinicalBundle,
        (*CLASSIFIED, "clinical.parquet", "models.json", "bundle/pipeline.skops"),
        PREDICTED,
        arm="p2",
    ),
    "train_fusion": Kind(
        "fusion",
        FusionBundle,
        (*PICTURED, "clinical.parquet", "arms.json", "bundle/image/bundle.json"),
        PREDICTED,
        arm="p3",
    ),
    "train_segmentation": Kind(
        "segmentation",
        SegmentationBundle,
        (*SPLIT, *IMAGES, *NETWORK),
        {"scores.csv": ("image_id", "structure")},
        ("opacity.dice", "lungs.dice", "opacity.false_ml"),
    ),
    "train_detection": Kind(
        "detection",
        DetectionBundle,
        (*SPLIT, *IMAGES, *NETWORK),
        {"boxes.csv": (), "truth.csv": ()},
        ("map50",),
    ),
    "train_severity": Kind(
        "severity",
        RadiographSeverityBundle,
        ("manifest.parquet", "bundle/weights.safetensors"),
        {"predictions.csv": ("image_id",)},
        ("*.mae",),
        seeded=False,  # each patient is left out in turn: the seed moves intervals alone
    ),
}
"""By pipeline."""
