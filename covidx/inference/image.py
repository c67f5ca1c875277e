"""Scoring images with a bundle: the one path for evaluation, ``covidx predict`` and MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from covidx.constants import LATERAL_VIEWS, SPACING_TOLERANCE
from covidx.imaging import Bag, BagCache, prepare
from covidx.inference.image_bundle import Bundle, load_bundle
from covidx.inference.network_bundle import TrainedOn
from covidx.models import BagClassifier
from covidx.tables import PROBABILITY_PREFIX
from covidx.volume import Volume

__all__ = [
    "PARITY_TOLERANCE",
    "Predictor",
    "Scores",
    "outside_domain",
    "predict_cache",
    "to_tensor",
]

PARITY_TOLERANCE = 1e-5
"""Largest difference in a probability between training, evaluation and prediction."""
SIMULATED = "covidx phantom"
"""How the manufacturer of a simulated scan begins."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a bundle says of one image.

    Parameters
    ----------
    probabilities : ndarray, shape (classes,)
    slice_probabilities : ndarray, shape (n, classes)
    weights : ndarray, shape (n,)
        Share of each slice of the bag in the decision.
    """

    probabilities: NDArray[np.float64]
    slice_probabilities: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A bundle in memory, ready to score."""

    bundle: Bundle
    model: BagClassifier

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Read a bundle and make sure that it scores its parity cases as when it was saved.

        Raises
        ------
        BundleError
            As `load_bundle`, or ``PARITY_LOST``.
        """
        bundle, model, parity = load_bundle(folder)
        predictor, pixels = cls(bundle, model), parity["pixels"]
        whole = (0, pixels.shape[2], 0, pixels.shape[3])
        found = [predictor.score(Bag(p, np.arange(len(p)), whole)).probabilities for p in pixels]
        bundle.need_parity(folder, found, parity["probabilities"], PARITY_TOLERANCE)
        return predictor

    @torch.inference_mode()
    def score(self, bag: Bag) -> Scores:
        """Score one bag, by itself, so that no other image can matter."""
        slices = to_tensor(bag.pixels)
        output = self.model(slices, [len(slices)])
        # Softmax in double precision: the probabilities then sum to 1 to the last digit kept.
        return Scores(
            output.logits[0].double().softmax(dim=0).numpy(),
            output.slice_logits.double().softmax(dim=1).numpy(),
            output.weights.double().numpy(),
        )

    def score_volume(self, volume: Volume) -> tuple[Bag, Scores]:
        """Prepare an image as in training, and score it."""
        bag = prepare(volume, self.bundle.preprocessing)
        return bag, self.score(bag)

    def positive_score(self, scores: Scores) -> float:
        """Probability of the positive class."""
        return float(scores.probabilities[self.bundle.classes.index(self.bundle.positive)])


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Bytes of shape (n, rows, columns) -> floats 0..1 of shape (n, 1, rows, columns).

    Channels last in memory: convolutions on a CPU are several times faster so.
    """
    floats = torch.from_numpy(np.array(pixels)).float().div_(255)[:, None]
    return floats.contiguous(memory_format=torch.channels_last)


def predict_cache(
    predictor: Predictor,
    cache: BagCache,
    rows: pd.DataFrame,
    run_id: str,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Score cached bags into a predictions table.

    Parameters
    ----------
    predictor : Predictor
    cache : BagCache
    rows : DataFrame
        Manifest rows with fold and role.
    run_id : str
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    DataFrame
        As `tables.PREDICTIONS`; level is patient where each patient has one image.
    """
    level = "image" if rows["patient_id"].duplicated().any() else "patient"
    bundle, pixels = predictor.bundle, cache.pixels
    table = []
    for done, row in enumerate(rows.sort_values("image_id").to_dict("records"), 1):
        scores = predictor.score(cache.bag(str(row["image_id"]), pixels))
        named = zip(bundle.classes, scores.probabilities, strict=True)
        table.append(
            {
                "run_id": run_id,
                "arm": "p1",
                "unit_id": row["image_id"] if level == "image" else row["patient_id"],
                "level": level,
                "patient_id": row["patient_id"],
                "group_id": row["group_id"],
                "fold": row["fold"],
                "role": row["role"],
                "split_sha256": bundle.trained_on.split_sha256,
                "bundle_sha256": bundle.sha256,
                "arms_used": "p1",
                "label": row["label"],
                **{f"{PROBABILITY_PREFIX}{name}": float(value) for name, value in named},
            }
        )
        if progress is not None:
            progress(done, len(rows))
    return pd.DataFrame(table)


class _Trained(Protocol):
    """Whatever says what it was trained on."""

    @property
    def trained_on(self) -> TrainedOn: ...


def outside_domain(bundle: _Trained, facts: Mapping[str, object]) -> list[str]:
    """Why a score of this bundle on this image may not be interpreted; empty where nothing speaks.

    Parameters
    ----------
    bundle : Bundle, or another that says what it was trained on
    facts : mapping
        Manifest fields of the image: modality, units, kind, view, manufacturer, contrast,
        slice_thickness_mm.
    """
    seen, reasons = bundle.trained_on, []
    maker = str(facts.get("manufacturer") or "")
    simulated = maker.startswith(SIMULATED)
    if seen.domain == "simulated" and not simulated:
        reasons.append("the model was trained on simulated scans, this is not one")
    if seen.domain == "real" and simulated:
        reasons.append("the model was trained on real scans, this one is simulated")
    if facts["modality"] not in seen.modalities:
        reasons.append(f"trained on {seen.modality}, this is {facts['modality']}")
    if facts["units"] != seen.units:
        reasons.append(f"trained on values in {seen.units}, these are {facts['units']}")
    if facts.get("kind") and facts["kind"] != seen.kind:
        reasons.append(f"trained on a {seen.kind}, this is a {facts['kind']}")
    if seen.kind == "radiograph" and str(facts.get("view")).upper() in LATERAL_VIEWS:
        reasons.append("trained on frontal views, this is a lateral one")
    if facts.get("contrast") == "given" and not seen.contrast:
        reasons.append("contrast medium was given; the model was trained on scans without")
    thickness = facts.get("slice_thickness_mm")
    if seen.slice_thickness_mm and isinstance(thickness, Real) and np.isfinite(float(thickness)):
        low, high = seen.slice_thickness_mm
        mm = float(thickness)
        if not low * (1 - SPACING_TOLERANCE) <= mm <= high * (1 + SPACING_TOLERANCE):
            reasons.append(f"trained on slices of {low:g} to {high:g} mm, these are {mm:g}")
    return reasons
