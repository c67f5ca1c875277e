"""The bundle: a folder from which anyone can score an image as this run did. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from scipy.ndimage import gaussian_filter

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import BundleError, StoreError
from covidx.evaluate import OperatingPoint
from covidx.files import read_json, replacing_folder, sha256_file, sha256_json, write_json
from covidx.imaging import Bag, Preprocessing
from covidx.models import Architecture, BagClassifier

__all__ = [
    "Bundle",
    "Threshold",
    "TrainedOn",
    "load_bundle",
    "need_unchanged",
    "parity_bags",
    "save_bundle",
]

PARITY_CASES = 4
VERSION = 2
"""1 cropped to lungs found in another way (before `segmentation.segment_lungs`)."""
NOT_HASHED = {"run_id", "created", "versions", "sha256"}


class Threshold(Config):
    """A score at or above which a patient is called positive, and where it came from."""

    value: float
    rule: str
    origin: str

    @classmethod
    def of(cls, point: OperatingPoint) -> Threshold:
        """A threshold that evaluation chose."""
        return cls(value=point.threshold, rule=point.rule, origin=point.origin)

    @property
    def operating_point(self) -> OperatingPoint:
        """The same in evaluation's terms."""
        return OperatingPoint(self.value, self.rule, self.origin)


class TrainedOn(Config):
    """What the model saw; an input unlike it is marked."""

    dataset: str
    domain: Literal["real", "simulated"]
    card_sha256: str | None
    manifest_sha256: str
    split_sha256: str
    patients: dict[str, int] = Field(description="class -> patients of role train")
    modalities: list[str]
    kind: str
    units: str
    manufacturers: list[str]
    slice_thickness_mm: tuple[float, float] | None

    @property
    def modality(self) -> str:
        """The modalities in words."""
        return " and ".join(self.modalities)


class Bundle(Config):
    """``bundle.json``."""

    schema_version: int = VERSION
    notice: str = RESEARCH_NOTICE
    architecture: Architecture
    preprocessing: Preprocessing
    classes: list[str] = Field(description="in the order of the logits, the reference first")
    positive: str
    threshold: Threshold
    trained_on: TrainedOn
    weights_sha256: str = ""
    parity_sha256: str = ""
    run_id: str = ""
    created: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    sha256: str = Field("", description="of all the above but run, time and versions")

    def digest(self) -> str:
        """Hash of what the bundle does, leaving out when and by which run it was made."""
        return sha256_json(self.model_dump(mode="json", exclude=NOT_HASHED))

    @property
    def operating_point(self) -> OperatingPoint:
        """The threshold in evaluation's terms."""
        return self.threshold.operating_point


def parity_bags(how: Preprocessing) -> list[Bag]:
    """Made-up bags, the same on every machine: smooth noise of growing contrast."""
    chance = np.random.default_rng(2020)
    bags = []
    for number in range(PARITY_CASES):
        n = how.slices if how.input == "volume" else 1
        noise = chance.standard_normal((n, how.rows, how.columns))
        smooth = gaussian_filter(noise, (0, 2 + number, 2 + number))
        grey = np.clip(smooth / smooth.std() * (20 + 15 * number) + 110, 0, 255)
        bags.append(Bag(grey.astype(np.uint8), np.arange(n), (0, how.rows, 0, how.columns)))
    return bags


def save_bundle(
    folder: Path,
    bundle: Bundle,
    model: BagClassifier,
    expected: NDArray[np.float64],
) -> Bundle:
    """Write a bundle whole or not at all.

    Parameters
    ----------
    folder : Path
        Must not exist: StoreError ``FOLDER_TAKEN`` otherwise.
    bundle : Bundle
        Without hashes; they are filled in.
    model : BagClassifier
    expected : ndarray, shape (parity cases, classes)
        The probabilities of the parity bags.

    Returns
    -------
    Bundle
        With its hashes.
    """
    with replacing_folder(folder) as new:
        state = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
        save_file(state, new / "weights.safetensors")
        cases = [bag.pixels for bag in parity_bags(bundle.preprocessing)]
        arrays: dict[str, NDArray[Any]] = {"pixels": np.stack(cases), "probabilities": expected}
        save_arrays(arrays, new / "parity.safetensors")
        hashes = {
            "weights_sha256": sha256_file(new / "weights.safetensors"),
            "parity_sha256": sha256_file(new / "parity.safetensors"),
        }
        filled = bundle.model_copy(update=hashes)
        filled = filled.model_copy(update={"sha256": filled.digest()})
        write_json(new / "bundle.json", filled.model_dump(mode="json"))
    return filled


def load_bundle(folder: Path) -> tuple[Bundle, BagClassifier]:
    """Read a bundle, checking every hash.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_INVALID``, ``BUNDLE_VERSION`` or ``BUNDLE_CHANGED``.
    """
    if not (folder / "bundle.json").is_file():
        raise BundleError(
            "BUNDLE_MISSING",
            "There is no model bundle here.",
            path=folder,
            expected="a folder with bundle.json and weights.safetensors",
            hint="A run's bundle lies in runs/<pipeline>/latest/bundle.",
        )
    try:
        values: Any = read_json(folder / "bundle.json")
    except StoreError as error:
        raise BundleError(
            "BUNDLE_INVALID", "bundle.json is not JSON.", path=folder, actual=error.actual
        ) from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != VERSION:
        raise BundleError(
            "BUNDLE_VERSION",
            "The bundle is of another version.",
            path=folder,
            expected=VERSION,
            actual=version,
            hint="Train it again, or use the covidx that wrote it.",
        )
    try:
        bundle = Bundle.model_validate(values)
    except ValidationError as error:
        raise BundleError(
            "BUNDLE_INVALID", "bundle.json does not hold a bundle.", path=folder, actual=error
        ) from error
    _check_hashes(folder, bundle)
    model = BagClassifier(bundle.architecture, len(bundle.classes), pretrained=False)
    try:
        model.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "The weights do not fit the architecture.", path=folder, actual=error
        ) from error
    return bundle, _ready(model)


def load_parity(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The parity cases: pixels (cases, n, rows, columns) and probabilities (cases, classes)."""
    arrays = load_arrays(folder / "parity.safetensors")
    return arrays["pixels"], arrays["probabilities"]


def _ready(model: BagClassifier) -> BagClassifier:
    return model.eval().to(memory_format=torch.channels_last)


def _check_hashes(folder: Path, bundle: Bundle) -> None:
    found = {"bundle.json": (bundle.sha256, bundle.digest())}
    for name, recorded in (
        ("weights.safetensors", bundle.weights_sha256),
        ("parity.safetensors", bundle.parity_sha256),
    ):
        path = folder / name
        found[name] = (recorded, sha256_file(path) if path.is_file() else "missing")
    need_unchanged(folder, found)


def need_unchanged(folder: Path, found: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a bundle with a part whose digest is not the recorded one.

    Parameters
    ----------
    folder : Path
    found : mapping
        Part -> (recorded, actual) digest.

    Raises
    ------
    BundleError
        ``BUNDLE_CHANGED``.
    """
    for name, (expected, actual) in found.items():
        if expected != actual:
            raise BundleError(
                "BUNDLE_CHANGED",
                "The bundle is not as it was saved.",
                path=folder / name,
                expected=expected,
                actual=actual,
                hint="Take an undamaged copy.",
            )
