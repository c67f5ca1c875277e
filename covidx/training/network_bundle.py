"""What bundles of networks on pictures share: fields, hashes, reading, writing. No pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
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
from covidx.training.bundle import TrainedOn, need_unchanged

__all__ = ["NetworkBundle", "made_up_patches", "read_network", "write_network"]

PARITY_CASES = 2
NOT_HASHED = {"run_id", "created", "versions", "sha256"}
FILES = ("weights.safetensors", "parity.safetensors")
TAKES = {
    "segmentation": "covidx segment takes it.",
    "detection": "covidx detect takes it.",
}
"""Kind of bundle -> who takes it; covidx predict takes the others."""


class NetworkBundle(Config):
    """What each ``bundle.json`` has."""

    schema_version: int = SCHEMA_VERSION
    kind: str
    notice: str = RESEARCH_NOTICE
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


Kind = TypeVar("Kind", bound=NetworkBundle)


def made_up_patches(patch: tuple[int, ...]) -> NDArray[np.float32]:
    """Patches that are the same on every machine: smooth noise, shape (cases, 1, *patch)."""
    chance = np.random.default_rng(2020)
    noise = chance.standard_normal((PARITY_CASES, 1, *patch))
    smooth = gaussian_filter(noise, (0, 0, *(3.0 for _ in patch)))
    greys: NDArray[np.float32] = np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1).astype(np.float32)
    return greys


def write_network(
    folder: Path, bundle: Kind, model: nn.Module, expected: Mapping[str, NDArray[Any]]
) -> Kind:
    """Write a bundle whole or not at all.

    Parameters
    ----------
    folder : Path
        Must not exist: StoreError ``FOLDER_TAKEN`` otherwise.
    bundle : NetworkBundle
        Without hashes; they are filled in.
    model : Module
    expected : mapping of ndarray
        The answers to the made-up patches.
    """
    with replacing_folder(folder) as new:
        # Cloned: two names of one tensor would not be written.
        state = {
            name: value.detach().clone().contiguous() for name, value in model.state_dict().items()
        }
        save_file(state, new / FILES[0])
        save_arrays(dict(expected), new / FILES[1])
        weights, parity = (sha256_file(new / name) for name in FILES)
        filled = bundle.model_copy(update={"weights_sha256": weights, "parity_sha256": parity})
        filled = filled.model_copy(update={"sha256": filled.digest()})
        write_json(new / "bundle.json", filled.model_dump(mode="json"))
    return filled


def read_network(
    folder: Path, kind: type[Kind], build: Callable[[Kind], nn.Module]
) -> tuple[Kind, nn.Module, dict[str, NDArray[Any]]]:
    """Read a bundle, checking every hash: what it is, its network, its parity answers.

    Parameters
    ----------
    folder : Path
    kind : type of NetworkBundle
    build : callable
        A bundle -> its network, whose weights are then read.

    Raises
    ------
    BundleError
        ``BUNDLE_MISSING``, ``BUNDLE_KIND``, ``BUNDLE_INVALID``, ``BUNDLE_VERSION`` or
        ``BUNDLE_CHANGED``.
    """
    bundle = _read(folder, kind)
    found = {"bundle.json": (bundle.sha256, bundle.digest())}
    for name, recorded in zip(FILES, (bundle.weights_sha256, bundle.parity_sha256), strict=True):
        path = folder / name
        found[name] = (recorded, sha256_file(path) if path.is_file() else "missing")
    need_unchanged(folder, found)
    model = build(bundle)
    try:
        model.load_state_dict(load_file(folder / FILES[0]), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "The weights do not fit the network.", path=folder, actual=error
        ) from error
    return bundle, model.eval(), load_arrays(folder / FILES[1])


def _read(folder: Path, kind: type[Kind]) -> Kind:
    path = folder / "bundle.json"
    if not path.is_file():
        raise BundleError(
            "BUNDLE_MISSING",
            "There is no model bundle here.",
            path=folder,
            expected="a folder with bundle.json and weights.safetensors",
            hint="A run's bundle lies in runs/<pipeline>/latest/bundle.",
        )
    wanted = kind.model_fields["kind"].default
    try:
        values: Any = read_json(path)
        said = values if isinstance(values, dict) else {}
        if said.get("kind") != wanted:
            raise BundleError(
                "BUNDLE_KIND",
                "This bundle is for something else.",
                path=folder,
                expected=f"a bundle of train_{wanted}",
                actual=str(said.get("kind", "a bundle of an image classifier")),
                hint=TAKES.get(str(said.get("kind")), "covidx predict takes it."),
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
        return kind.model_validate(values)
    except (StoreError, ValidationError) as error:
        raise BundleError(
            "BUNDLE_INVALID", "bundle.json does not hold a bundle.", path=folder, actual=error
        ) from error
