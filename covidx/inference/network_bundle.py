"""What bundles of networks on images share: weights and reference cases. No pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch import nn

from covidx.bundles import AGAIN, BundleFile, read_bundle
from covidx.errors import BundleError
from covidx.files import replacing_folder

PARITY_CASES = 2
WEIGHTS, PARITY = "weights.safetensors", "parity.safetensors"


class NetworkBundle(BundleFile):
    """``bundle.json`` of a network on images."""

    FILES: ClassVar = {WEIGHTS: "weights_sha256", PARITY: "parity_sha256"}

    weights_sha256: str = ""
    parity_sha256: str = ""


Kind = TypeVar("Kind", bound=NetworkBundle)
Net = TypeVar("Net", bound=nn.Module)


def synthetic_patches(patch: tuple[int, ...]) -> NDArray[np.float32]:
    """Patches that are the same on every machine: smooth noise, shape (cases, 1, *patch).

    Parameters
    ----------
    patch : tuple of int
        Edges in pixels.
    """
    from scipy.ndimage import gaussian_filter

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
        Its state is written as safetensors, on whichever device it lies.
    expected : mapping of ndarray
        The parity cases: what the network gives for synthetic inputs.
    """
    with replacing_folder(folder) as new:
        # Cloned: two names of one tensor would not be written.
        state = {
            name: value.detach().clone().contiguous() for name, value in model.state_dict().items()
        }
        save_file(state, new / WEIGHTS)
        save_arrays(dict(expected), new / PARITY)
        return bundle.write(new)


def read_network(
    folder: Path, kind: type[Kind], build: Callable[[Kind], Net], device: torch.device
) -> tuple[Kind, Net, dict[str, NDArray[Any]]]:
    """Read a bundle, checking every hash: what it is, its network, its parity cases.

    Parameters
    ----------
    folder : Path
        With ``bundle.json``, ``weights.safetensors`` and ``parity.safetensors``.
    kind : type of NetworkBundle
        The bundle's class: its fields are validated, and its files looked for.
    build : callable
        A bundle -> its network, whose weights are then read.
    device : torch.device
        Where the network is to lie.

    Raises
    ------
    BundleError
        As `read_bundle`; ``BUNDLE_INVALID`` also for weights of another network.
    """
    bundle = read_bundle(folder, kind)
    model = build(bundle)
    try:
        model.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID",
            "The weights do not fit the network.",
            path=folder,
            actual=error,
            hint=AGAIN,
        ) from error
    return bundle, model.eval().to(device), load_arrays(folder / PARITY)
