"""Lungs, opacities and how much lung is opaque, by a segmenter beside a classifier's result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from covidx.errors import CovidxError
from covidx.inference.masks import OPACITY, LabelMaps, segmentation_payload
from covidx.inference.predictor import outside_image
from covidx.inference.segmenter import Segmenter
from covidx.ingest.records import ReadImage
from covidx.report.viewer import MaskLayer, Section
from covidx.segmentation import Masks, OpacityBurden, Region, measure_burden
from covidx.segmentation.burden import MAX_SCORE
from covidx.volume import Volume

TITLE = "Lungs and opacities"
CLASSES = ["ground-glass", "consolidation"]


@dataclass(frozen=True, eq=False)
class Opacities:
    """What a segmenter made of an image, for its page.

    Parameters
    ----------
    section : Section
        Volumes, shares and scores; where there are none, the reason.
    masks : sequence of MaskLayer
        On the image's canonical grid; empty where there are none.
    """

    section: Section
    masks: Sequence[MaskLayer] = ()


def find_opacities(segmenter: Segmenter, image: ReadImage) -> Opacities:
    """Segment an image, and measure how much lung is opaque.

    Parameters
    ----------
    segmenter : Segmenter
        Of lungs; of opacities, too, where it was trained on them.
    image : ReadImage
        Decoded. What it cannot be segmented or measured for stands in the section's notes.
    """
    bundle, wanted = segmenter.bundle, [OPACITY] if OPACITY in segmenter.bundle.groups else []
    notes = [f"Not interpretable: {reason}." for reason in outside_image(bundle, image)]
    notes.append(f"Segmenter {bundle.sha256[:12]}, trained on {bundle.trained_on.summary}.")
    try:
        maps = segmenter.label_maps(image.volume, wanted)
        payload = segmentation_payload(maps, bundle.groups, image.volume)
    except CovidxError as error:
        return Opacities(Section(TITLE, [], [f"No masks: {error.summary}", *notes]))
    facts = [(name.replace("-", " "), amount) for name, amount in payload.amounts.items()]
    notes = [*(f"{flag}." for flag in payload.flags), *notes]
    if wanted and image.volume.modality == "CT":
        try:
            burden = _burden(maps, bundle.groups[OPACITY], image.volume)
        except CovidxError as error:
            notes.insert(0, f"Opacity burden not measured: {error.summary}")
        else:
            facts = burden_facts(burden)
            flags = [f"{flag}." for flag in burden.flags if flag not in payload.flags]
            ways = f"Ground glass from consolidation by {burden.split_by}; CT severity score by "
            notes = [f"{ways}{burden.zones_are}.", *flags, *notes]
    return Opacities(Section(TITLE, facts, notes), _layers(maps, image.volume))


def burden_facts(burden: OpacityBurden) -> list[tuple[str, str]]:
    """The opacity burden in the words and units of `covidx opacity-burden`.

    Parameters
    ----------
    burden : OpacityBurden
        Of a CT.
    """
    both, right, left = burden.parts[:3]
    facts = [
        ("Lungs", f"{both.lung_ml:.0f} ml"),
        ("Opacity", f"{both.opacity_ml:.1f} ml, {both.share:.1f} % of the lungs"),
    ]
    facts += [(part.name.capitalize(), _share(part.share)) for part in (right, left)]
    facts += [
        ("Ground glass", f"{both.ground_glass_ml:.1f} ml"),
        ("Consolidation", f"{both.consolidation_ml:.1f} ml"),
        ("CT severity score", f"{burden.score} of {MAX_SCORE} points"),
        ("Corona score", f"{burden.corona_cm3:.1f} cm³, weighted by {burden.corona_weights}"),
    ]
    regions = {
        "outer third": burden.peripheral,
        "posterior half": burden.posterior,
        "lower third": burden.lower,
    }
    if both.opacity_ml:
        facts += [(f"In the {name}", _preference(region)) for name, region in regions.items()]
    return facts


def _share(share: float) -> str:
    return "not in view" if math.isnan(share) else f"{share:.1f} % opaque"


def _preference(region: Region) -> str:
    return f"{region.opacity_share:.0f} % of the opacities, {region.lung_share:.0f} % of the lungs"


def _burden(maps: LabelMaps, names: Sequence[str], volume: Volume) -> OpacityBurden:
    labels = {name: _on_grid(values, volume) for name, values in maps.labels.items()}
    classes = list(names[1:3]) == CLASSES
    opacities = labels[OPACITY]
    if not classes:
        opacities = replace(opacities, array=(opacities.array > 0).astype(np.uint8))
    probability = _on_grid(maps.probabilities[OPACITY], volume)
    return measure_burden(volume, Masks(labels["lung"], opacities, classes, None, probability))


def _layers(maps: LabelMaps, volume: Volume) -> list[MaskLayer]:
    upright = {
        name: _on_grid(values, volume).canonical().array > 0 for name, values in maps.labels.items()
    }
    layers = [MaskLayer("lungs by the segmenter", upright["lung"], "organ", truth=False)]
    if OPACITY in upright:
        layers.append(MaskLayer("opacities by the segmenter", upright[OPACITY], truth=False))
    return layers


def _on_grid(values: NDArray[np.generic], volume: Volume) -> Volume:
    return Volume(values, "OT", "unproven", volume.geometry, volume.affine, volume.resampled)
