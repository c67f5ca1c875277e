"""Heatmaps of the slices that decided, each with the verdict of its exam."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from covidx.explain.background import backgrounds
from covidx.explain.exam import SCORE_FLOOR, Exam, Verdict, clear, examine
from covidx.explain.methods import DEFAULT, Method, method_named
from covidx.explain.placing import bag_affine
from covidx.explain.scorer import SliceScorer
from covidx.imaging import Bag
from covidx.inference import ImagePredictor, Scores
from covidx.inference.image import to_tensor


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where one slice has evidence for the positive class.

    Parameters
    ----------
    place : int
        Index of the slice in its bag.
    heat : ndarray of float32, shape (rows, columns)
        Log-odds, at least 0, on the bag's pixels: the shape is the method's, without its fog
        (`exam.clear`), and the hottest pixel has the evidence of the exam. So maps of different
        slices and patients compare. 0 everywhere in a slice without evidence, and where the hot
        part does not speak for the class.
    score : float
        Probability of the positive class by this slice alone.
    exam : Exam
        How the map was tested, and how it did.
    method : str
        Name in `METHODS`.
    cell : (float, float)
        Rows and columns of the bag's pixels that the method cannot tell apart.
    affine : ndarray of float64, shape (4, 4), optional
        (column, row, slice) of ``heat[None]`` to mm in RAS+; None where nothing proves where the
        image lies.
    """

    place: int
    heat: NDArray[np.float32]
    score: float
    exam: Exam
    method: str = DEFAULT
    cell: tuple[float, float] = (1.0, 1.0)
    affine: NDArray[np.float64] | None = None

    @property
    def verdict(self) -> Verdict:
        """Of the exam."""
        return self.exam.verdict

    @property
    def reason(self) -> str:
        """What decided the exam, in a sentence."""
        return self.exam.reason

    @property
    def cell_mm(self) -> tuple[float, float] | None:
        """Height and width in mm of what the method cannot tell apart; None without a place."""
        if self.affine is None:
            return None
        wide, high = np.linalg.norm(self.affine[:3, :2], axis=0)
        return float(self.cell[0] * high), float(self.cell[1] * wide)


def heatmaps(
    predictor: ImagePredictor,
    bag: Bag,
    scores: Scores,
    *,
    method: str = DEFAULT,
) -> list[Heatmap]:
    """Map the slices with a share in the decision, and examine each map.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    bag : Bag
        Prepared slices of one image. The map is never cut to its lungs; where they are known, the
        exam asks how much of it lies in them.
    scores : Scores
        Of the same bag.
    method : str
        Name in `METHODS`.

    Returns
    -------
    list of Heatmap
        The highest slice score first.

    Raises
    ------
    InvalidInputError
        ``METHOD_UNKNOWN``.
    """
    how = method_named(method)
    positive = predictor.bundle.classes.index(predictor.bundle.positive)
    places = np.nonzero(scores.weights > 0)[0]
    places = places[np.argsort(-scores.slice_probabilities[places, positive], kind="stable")]
    slices = to_tensor(bag.pixels[places])
    known = None if bag.lungs is None else to_tensor(bag.lungs[places])[:, 0]
    hidden = backgrounds(slices, known)
    scorer = SliceScorer(predictor.model, positive)
    alone = scores.slice_probabilities[places, positive]
    evident = torch.from_numpy(np.nonzero(alone >= SCORE_FLOOR)[0])  # others have no map to make
    raw = torch.zeros_like(slices[:, 0])
    if len(evident):
        raw[evident] = how.maps(scorer, slices[evident], hidden[evident])
    made = []
    for n, place in enumerate(places):
        score = float(alone[n])
        lung = None if known is None else known[n]
        exam = examine(scorer, slices[n], hidden[n], raw[n], score, lung)
        made.append(_heatmap(how, bag, int(place), clear(raw[n]).numpy(), score, exam))
    return made


def _heatmap(
    method: Method,
    bag: Bag,
    place: int,
    shown: NDArray[np.float32],
    score: float,
    exam: Exam,
) -> Heatmap:
    peak = float(shown.max())
    evidence = max(exam.evidence or 0.0, 0.0)
    heat = shown * np.float32(evidence / peak) if peak > 0 else np.zeros_like(shown)
    shape = (shown.shape[0], shown.shape[1])
    return Heatmap(
        place,
        heat.astype(np.float32),
        score,
        exam,
        method.name,
        method.cell(shape),
        bag_affine(bag, place, shape),
    )
