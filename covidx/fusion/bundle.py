"""P3 on disk: P1's bundle, P2's, how they are fused, and what must be known of it. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from covidx.bundles import AGAIN, BundleFile, Threshold, need_unchanged, read_bundle
from covidx.cards import Column
from covidx.clinical import ClinicalBundle, Fitted, load_bundle, parity_rows
from covidx.errors import BundleError
from covidx.files import replacing
from covidx.fusion.arms import PATTERNS, Arms, FloatArray
from covidx.fusion.joint import JointFusion
from covidx.fusion.late import LateFusion, Line
from covidx.fusion.learn import Joint
from covidx.fusion.network import FusionNetwork
from covidx.fusion.recipe import FusionRecipe
from covidx.inference.image import PARITY_TOLERANCE, ImagePredictor
from covidx.models import BagClassifier, BagModel

Fuser = LateFusion | JointFusion
IMAGE_FOLDER, CLINICAL_FOLDER = "image", "clinical"
NETWORK = "network.safetensors"


class FusionBundle(BundleFile):
    """``bundle.json`` of P3."""

    FILES: ClassVar = {NETWORK: "network_sha256"}

    schema_version: int = 2
    kind: Literal["fusion"] = "fusion"
    recipe: FusionRecipe
    lines: dict[str, Line] = Field(description="pattern of arms -> its logistic regression")
    scale: Line = Field(description="calibrates P1's log odds; fitted on out-of-fold ones")
    prior: float | None = Field(None, description="of a network: log odds without any arm")
    classes: list[str] = Field(description="the rest, and the positive class")
    positive: str
    threshold: Threshold
    image_sha256: str
    clinical_sha256: dict[str, str] = Field(description="clinical model -> bundle, P2 first")
    network_sha256: str | None = None
    parity: list[float] = Field(default_factory=list, description="scores of `parity_arms`")


@dataclass(frozen=True, eq=False, repr=False)
class FusionParts:
    """P3 in memory: the models of both arms, and how they are fused.

    Parameters
    ----------
    bundle : FusionBundle
        Recipe, lines, threshold and digests of the parts.
    image : ImagePredictor
        P1.
    rows : ClinicalBundle
        P2's: how clinical rows are read.
    clinical : dict
        Clinical models by name, P2 first.
    fuser : LateFusion or JointFusion
        Makes log odds of the outputs of both arms.
    """

    bundle: FusionBundle
    image: ImagePredictor
    rows: ClinicalBundle
    clinical: dict[str, Fitted]
    fuser: Fuser

    @property
    def reader(self) -> BagModel:
        """The networks whose features are fused: P1's, or P1's as they were trained on."""
        own = self.fuser.bag if isinstance(self.fuser, JointFusion) else None
        return self.image.model if own is None else own

    def score(self, arms: Arms) -> FloatArray:
        """Probability of the positive class, shape (n,); NaN for a patient without any arm.

        Parameters
        ----------
        arms : Arms
            Outputs and inputs of both arms, n patients; NaN where an arm is missing.
        """
        return score(self.fuser, arms)


def read_parts(folder: Path, device: str = "auto") -> FusionParts:
    """Read a bundle and the bundles in it, and prove that it gives the scores that it gave.

    Parameters
    ----------
    folder : Path
        P3's ``bundle.json``, P1's bundle in ``image``, and each clinical one in
        ``clinical/<name>``.
    device : str
        Of P1's network.

    Raises
    ------
    BundleError
        As `read_bundle`, or ``PARITY_LOST``; or as the parts' bundles.
    """
    bundle = read_bundle(folder, FusionBundle)
    image = ImagePredictor.load(folder / IMAGE_FOLDER, device)
    parts, clinical = {}, {}
    found = {IMAGE_FOLDER: (bundle.image_sha256, image.bundle.sha256)}
    for name, digest in bundle.clinical_sha256.items():
        parts[name], clinical[name] = load_bundle(folder / CLINICAL_FOLDER / name)
        found[f"{CLINICAL_FOLDER}/{name}"] = (digest, parts[name].sha256)
    need_unchanged(folder, found)
    rows = next(iter(parts.values()))
    fuser = _fuser(folder, bundle, image, rows.columns)
    read = FusionParts(bundle, image, rows, clinical, fuser)
    again = read.score(_parity_arms(image, clinical))
    bundle.need_parity(folder, again, bundle.parity, PARITY_TOLERANCE)
    return read


def score(fuser: Fuser, arms: Arms) -> FloatArray:
    """Probability of the positive class, shape (n,); NaN for a patient without any arm.

    Parameters
    ----------
    fuser : LateFusion or JointFusion
        Makes log odds of the outputs of both arms.
    arms : Arms
        Outputs and inputs of both arms, n patients; NaN where an arm is missing.
    """
    return fuser.contributions(arms).scores(arms.available)


def write_parts(
    folder: Path,
    draft: FusionBundle,
    fuser: Fuser,
    image: ImagePredictor,
    clinical: Mapping[str, Fitted],
) -> None:
    """Write how the arms are fused beside the arms' own bundles.

    Parameters
    ----------
    folder : Path
        With P1's bundle in ``image`` and each clinical one in ``clinical/<name>``.
    draft : FusionBundle
        Without hash of network, parity, time and versions.
    fuser : LateFusion or JointFusion
        Of a `JointFusion`, the network's weights are written too.
    image : ImagePredictor
        As it was saved.
    clinical : mapping
        Name -> model, as it was saved.
    """
    if isinstance(fuser, JointFusion):
        state = {
            f"{number}.{name}": values.detach().contiguous()
            for number, network in enumerate(fuser.networks)
            for name, values in network.state_dict().items()
        }
        with replacing(folder / NETWORK) as temporary:
            save_file(state, temporary)
    expected = score(fuser, _parity_arms(image, clinical))
    draft.model_copy(update={"parity": [round(float(p), 9) for p in expected]}).write(folder)


def _fuser(
    folder: Path, bundle: FusionBundle, image: ImagePredictor, columns: list[Column]
) -> Fuser:
    if bundle.network_sha256 is None:
        return LateFusion(list(bundle.clinical_sha256), bundle.lines)
    assert bundle.prior is not None
    try:
        state = load_file(folder / NETWORK)
        networks = [
            _network(
                bundle.recipe,
                image,
                {
                    name.removeprefix(f"{number}."): values
                    for name, values in state.items()
                    if name.startswith(f"{number}.")
                },
            )
            for number in range(image.bundle.recipe.architecture.members)
        ]
    except (RuntimeError, KeyError, SafetensorError) as error:
        raise BundleError(
            "BUNDLE_INVALID",
            "The network does not fit its recipe.",
            path=folder,
            actual=error,
            hint=AGAIN,
        ) from error
    return JointFusion(networks, columns, bundle.lines, bundle.prior)


def _network(recipe: FusionRecipe, image: ImagePredictor, state: dict[str, torch.Tensor]) -> Joint:
    """One network with its weights; P1's as it was trained on lies where P1 lies."""
    how, architecture = recipe.learning, image.model.architecture
    assert how is not None
    medians, gaps = state["network.medians"], state["network.gaps"]
    width = image.model.width // image.bundle.recipe.architecture.members
    own = None
    if how.end_to_end:
        own = BagClassifier(architecture, len(image.bundle.classes), pretrained=False)
    joint = Joint(FusionNetwork(recipe.kind, how, width, medians, gaps), own)
    joint.load_state_dict(state, strict=True)
    if own is not None:
        own.to(image.device).to(memory_format=torch.channels_last)
    return joint.eval()


def _parity_arms(image: ImagePredictor, clinical: Mapping[str, Fitted]) -> Arms:
    """Synthetic patients, nothing of a person: three of each pattern of arms."""
    first = next(iter(clinical.values()))
    width = image.model.width
    values = parity_rows(first.features)
    said = np.array([-2.0, 0.5, 3.0])
    features = np.abs(np.sin(np.arange(3)[:, None] + np.arange(width)[None, :]))
    whole = Arms(
        pd.DataFrame({"patient_id": ["low", "high", "gaps"]}),
        said,
        features,
        pd.DataFrame(dict.fromkeys(clinical, said * 0.7)),
        values,
    )
    parts = [whole.restricted(pattern) for pattern in PATTERNS]
    return Arms(
        pd.concat([part.patients for part in parts], ignore_index=True),
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.features for part in parts]),
        pd.concat([part.clinical for part in parts], ignore_index=True),
        pd.concat([part.values for part in parts], ignore_index=True),
    )
