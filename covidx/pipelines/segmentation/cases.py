"""A page a test image of a segmenter: its masks beside the true ones, and how far they agree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from covidx.inference.predictor import outside_volume
from covidx.inference.segmentation_bundle import SegmentationBundle
from covidx.pipelines.case import known_image, write_plain_case
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.segmentation.scores import WHOLE, TestImage
from covidx.report import CaseRow
from covidx.report.viewer import Images, MaskLayer, Section
from covidx.segmentation import MaskScores

ORGANS = ("lung",)


def write_case(
    bundle: SegmentationBundle,
    cohort: Cohort,
    image: TestImage,
    folder: Path,
    *,
    level: str,
    run: str,
    images: Images,
) -> CaseRow:
    """Write the page of a test image.

    Parameters
    ----------
    bundle : SegmentationBundle
        Of the segmenter: whether the image lies in its domain.
    cohort : Cohort
        Of the image.
    image : TestImage
        With its masks and their scores.
    folder : Path
        Of this case alone.
    level : {"patient", "image"}
        What a case is: patients may have several images.
    run : str
        Which run it is of.
    images : {"all", "thumbnails", "none"}
        What the page shows of the image.

    Returns
    -------
    CaseRow
        Its agreement is the Dice of the last structure, the rarest.
    """
    known = replace(
        known_image(cohort.store, image.row, level, image.stored, simulated=cohort.simulated),
        warnings=outside_volume(bundle, image.row, image.stored),
        masks=_layers(image),
        sections=[agreement_section(image.scores)],
    )
    row = write_plain_case(known, image.upright, folder, run=run, images=images)
    rarest = image.scores[WHOLE[list(image.truth)[-1]]]
    there = rarest.truth_ml > 0 and math.isfinite(rarest.dice)
    return replace(row, agreement=rarest.dice if there else None)


def agreement_section(scores: Mapping[str, MaskScores]) -> Section:
    """How the masks of one image agree with the truth.

    Parameters
    ----------
    scores : mapping of str to MaskScores
        Structure -> its scores.
    """
    return Section(
        "Agreement with the true masks",
        [(name.replace("-", " "), _words(score)) for name, score in scores.items()],
        ["Dice; 95th percentile of surface distances (HD95); volume predicted / true."],
    )


def _words(score: MaskScores) -> str:
    volumes = f"{_ml(score.volume_ml)} / {_ml(score.truth_ml)} ml"
    if not score.truth_ml:
        return volumes
    far = f"; {score.hd95_mm:.1f} mm" if math.isfinite(score.hd95_mm) else ""
    return f"{score.dice:.3f}{far}; {volumes}"


def _ml(volume: float) -> str:
    return f"{volume:.1f}" if volume < 100 else f"{volume:.0f}"


def _layers(image: TestImage) -> list[MaskLayer]:
    """True and predicted masks; the true opacities first, since the page measures along them."""
    layers = []
    for kind in reversed(list(image.truth)):
        of: Literal["organ", "lesion"] = "organ" if kind in ORGANS else "lesion"
        for truth, labels in ((True, image.truth[kind]), (False, image.predicted[kind])):
            name = f"{'true' if truth else 'predicted'} {WHOLE[kind]}"
            layers.append(MaskLayer(name, np.asarray(labels) > 0, of, truth))
    return layers
