"""The bundle of a segmenter: a folder from which anyone can segment as this run did. No pickle."""

from __future__ import annotations

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
from torch import nn

from covidx.config import Config
from covidx.constants import RESEARCH_NOTICE, SCHEMA_VERSION
from covidx.errors import BundleError, StoreError
from covidx.files import read_json, replacing_folder, sha256_file, sha256_json, write_json
from covidx.imaging.frames import Framing, RadiographFraming
from covidx.imaging.pairs import Groups
from covidx.models.segmenters import SegmenterShape, channels_last, make_segmenter
from covidx.training.bundle import TrainedOn, need_unchanged

__all__ = [
    "SegmentRecipe",
    "SegmentationBundle",
    "build_network",
    "by_question",
    "load_segmentation_bundle",
    "parity_patches",
    "save_segmentation_bundle",
    "shares_of",
]

PARITY_CASES = 2
NOT_HASHED = {"run_id", "created", "versions", "sha256"}
FILES = ("weights.safetensors", "parity.safetensors")


class SegmentRecipe(Config):
    """What a segmenter is, and how an image reaches it."""

    framing: Framing
    network: SegmenterShape
    patch: tuple[int, ...]
    mirrored: bool = Field(description="the mean of an image's answer and of its mirror's is taken")

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of the working grid; pixels of a radiograph count as 1 mm."""
        if isinstance(self.framing, RadiographFraming):
            return (1.0, 1.0)
        plane = (self.framing.pixel_mm, self.framing.pixel_mm)
        return plane if self.network.dimensions == 2 else (self.framing.slab_mm, *plane)


class SegmentationBundle(Config):
    """``bundle.json`` of a segmenter."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["segmentation"] = "segmentation"
    notice: str = RESEARCH_NOTICE
    recipe: SegmentRecipe
    groups: Groups = Field(description="question -> classes in the order of the logits")
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


def build_network(recipe: SegmentRecipe, groups: Groups) -> nn.Module:
    """The network of a recipe, its weights drawn from torch's generator."""
    outputs = sum(len(names) for names in groups.values())
    return make_segmenter(recipe.network, outputs, recipe.patch, recipe.spacing_mm)


def parity_patches(recipe: SegmentRecipe) -> NDArray[np.float32]:
    """Made-up patches, the same on every machine: smooth noise, shape (cases, 1, *patch)."""
    chance = np.random.default_rng(2020)
    noise = chance.standard_normal((PARITY_CASES, 1, *recipe.patch))
    smooth = gaussian_filter(noise, (0, 0, *(3.0 for _ in recipe.patch)))
    greys: NDArray[np.float32] = np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1).astype(np.float32)
    return greys


def save_segmentation_bundle(
    folder: Path, bundle: SegmentationBundle, model: nn.Module, expected: NDArray[np.float32]
) -> SegmentationBundle:
    """Write a bundle whole or not at all.

    Parameters
    ----------
    folder : Path
        Must not exist: StoreError ``FOLDER_TAKEN`` otherwise.
    bundle : SegmentationBundle
        Without hashes; they are filled in.
    model : Module
    expected : ndarray, shape (cases, classes of all questions)
        Mean class shares of the parity patches.
    """
    with replacing_folder(folder) as new:
        # Cloned: two names of one tensor would not be written.
        state = {
            name: value.detach().clone().contiguous() for name, value in model.state_dict().items()
        }
        save_file(state, new / FILES[0])
        arrays: dict[str, NDArray[Any]] = {"shares": expected}
        save_arrays(arrays, new / FILES[1])
        weights, parity = (sha256_file(new / name) for name in FILES)
        filled = bundle.model_copy(update={"weights_sha256": weights, "parity_sha256": parity})
        filled = filled.model_copy(update={"sha256": filled.digest()})
        write_json(new / "bundle.json", filled.model_dump(mode="json"))
    return filled


def load_segmentation_bundle(
    folder: Path,
) -> tuple[SegmentationBundle, nn.Module, NDArray[np.float32]]:
    """Read a bundle, checking every hash: what it is, its network, its parity answers.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_KIND``, ``BUNDLE_INVALID``, ``BUNDLE_VERSION`` or
        ``BUNDLE_CHANGED``.
    """
    bundle = _read(folder)
    found = {"bundle.json": (bundle.sha256, bundle.digest())}
    for name, recorded in zip(FILES, (bundle.weights_sha256, bundle.parity_sha256), strict=True):
        path = folder / name
        found[name] = (recorded, sha256_file(path) if path.is_file() else "missing")
    need_unchanged(folder, found)
    model = build_network(bundle.recipe, bundle.groups)
    try:
        model.load_state_dict(load_file(folder / FILES[0]), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "The weights do not fit the network.", path=folder, actual=error
        ) from error
    ready = channels_last(model.eval(), bundle.recipe.network.dimensions)
    return bundle, ready, load_arrays(folder / FILES[1])["shares"]


def _read(folder: Path) -> SegmentationBundle:
    path = folder / "bundle.json"
    if not path.is_file():
        raise BundleError(
            "BUNDLE_MISSING",
            "There is no model bundle here.",
            path=folder,
            expected="a folder with bundle.json and weights.safetensors",
            hint="A run's bundle lies in runs/<pipeline>/latest/bundle.",
        )
    try:
        values: Any = read_json(path)
        said = values if isinstance(values, dict) else {}
        if said.get("kind") != "segmentation":
            raise BundleError(
                "BUNDLE_KIND",
                "This bundle segments nothing.",
                path=folder,
                expected="a bundle of train_segmentation",
                actual=str(said.get("kind", "a bundle of an image classifier")),
                hint="covidx predict takes the others.",
            )
        if said.get("schema_version") != SCHEMA_VERSION:
            raise BundleError(
                "BUNDLE_VERSION",
                "The bundle is of another version.",
                path=folder,
                expected=SCHEMA_VERSION,
                actual=said.get("schema_version"),
                hint="Train it again, or use the covidx that wrote it.",
            )
        return SegmentationBundle.model_validate(values)
    except (StoreError, ValidationError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "bundle.json does not hold a bundle.", path=folder, actual=error
        ) from error


def shares_of(logits: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Class shares: a softmax over the classes of each question."""
    return torch.cat([part.softmax(dim=1) for part in by_question(logits, groups)], dim=1)


def by_question(answers: torch.Tensor, groups: Groups, dim: int = 1) -> tuple[torch.Tensor, ...]:
    """The classes of each question, from those of all."""
    return torch.split(answers, [len(names) for names in groups.values()], dim)
