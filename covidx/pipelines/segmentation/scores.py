"""How well a segmenter did on each image, and on all patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate import Estimate
from covidx.imaging.pairs import Groups
from covidx.inference.segmenter import Segmenter
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.progress import Bar
from covidx.segmentation import MaskScores, compare_masks, on_grid, summarise
from covidx.segmentation.threshold import choose_threshold, threshold_opacities
from covidx.volume import Volume

CONTROL = "opacity by threshold"
"""In the lungs as they truly are: more than a method without a network would know."""
WHOLE = {"lung": "lungs", "opacity": "opacity"}
"""Kind of mask -> what all its classes together are called."""
SUMMARISED = (
    "dice",
    "nsd",
    "hd95_mm",
    "missed",
    "volume_error_pct",
    "lesion_sensitivity",
    "false_positives",
)
Row = dict[str, Any]


def structures_of(groups: Groups) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What is scored of `groups`: name -> kind of mask, and the class numbers that count."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for kind, names in groups.items():
        numbers = tuple(range(1, len(names)))
        found[WHOLE[kind]] = (kind, numbers)
        if len(numbers) > 1:
            found |= {names[number]: (kind, (number,)) for number in numbers}
    return found


@dataclass(frozen=True, eq=False)
class TestImage:
    """A test image, segmented, with its truth.

    Parameters
    ----------
    row : dict
        Of the manifest.
    stored, upright : Volume
        The image as it was stored, and in reading order.
    predicted, truth : mapping of str to ndarray, shape (slices, rows, columns)
        Kind of mask -> class numbers, on the grid of `upright`.
    scores : mapping of str to MaskScores
        Structure -> how far they agree.
    """

    __test__: ClassVar[bool] = False  # no test, whatever pytest makes of its name

    row: Row
    stored: Volume
    upright: Volume
    predicted: Mapping[str, NDArray[Any]]
    truth: Mapping[str, NDArray[Any]]
    scores: Mapping[str, MaskScores]

    @property
    def table(self) -> list[Row]:
        """Rows of scores.csv: image_id, patient_id, structure, and the fields of `MaskScores`."""
        known = {name: self.row[name] for name in ("image_id", "patient_id")}
        return [
            {**known, "structure": name, **asdict(score)} for name, score in self.scores.items()
        ]


def segment_images(
    segmenter: Segmenter,
    cohort: Cohort,
    rows: pd.DataFrame,
    tolerance: float,
    threshold: float | None,
    bar: Bar,
) -> Iterator[TestImage]:
    """Segment images and compare them with their truth, on their own grids, one at a time.

    Parameters
    ----------
    segmenter : Segmenter
        Whose masks are scored.
    cohort : Cohort
        Loads the images and their true masks.
    rows : DataFrame
        Manifest rows; they are read in the order of image_id.
    tolerance : float
        Of the NSD, in mm; in pixels where there is no spacing.
    threshold : float, optional
        HU of the control; None where there is none.
    bar : callable
        Called with (done, total) after each image.
    """
    for done, record in enumerate(rows.sort_values("image_id").to_dict("records"), 1):
        row = {str(name): value for name, value in record.items()}
        volume = cohort.load(row)
        found = segmenter.segment(volume)
        upright = volume.canonical()
        truth = cohort.mask_labels(str(row["image_id"]), upright)
        turned = {name: in_reading_order(labels, volume) for name, labels in found.items()}
        spacing = upright.spacing_mm or (1.0, 1.0, 1.0)
        pairs = _pairs(turned, truth, segmenter.bundle.groups)
        if threshold is not None:
            lungs = truth["lung"] > 0
            opaque = threshold_opacities(upright.array, lungs, threshold)
            pairs[CONTROL] = (opaque, truth["opacity"] > 0)
        scores = {
            name: compare_masks(one, other, spacing, tolerance_mm=tolerance)
            for name, (one, other) in pairs.items()
        }
        yield TestImage(row, volume, upright, turned, truth, scores)
        bar(done, len(rows))


def in_reading_order(labels: NDArray[np.uint8], volume: Volume) -> NDArray[Any]:
    """The `labels` on the grid of `volume`, (slices, rows, columns), in reading order."""
    if volume.geometry != "proven":
        return labels
    return on_grid(Volume(labels, "SEG", "unproven", "proven", volume.affine), volume, "network")


def _pairs(
    found: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]], groups: Groups
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    return {
        name: (np.isin(found[kind], numbers), np.isin(truth[kind], numbers))
        for name, (kind, numbers) in structures_of(groups).items()
    }


def estimates_of(scores: pd.DataFrame, seed: int) -> dict[str, Estimate]:
    """Means by patient with intervals: ``lungs.dice``, ``opacity.nsd`` and so on.

    Of `scores`, the rows of `TestImage.table`; `seed` is the jackknife's. Opacities are scored in
    scans that truly have them; for the others ``…false_ml`` is the mean volume of what was found in
    them.
    """
    found: dict[str, Estimate] = {}
    for name, part in scores.groupby("structure", sort=False):
        of = str(name)
        there = part["truth_ml"] > 0
        if there.any():
            summary = _summary(part[there], seed)
            found |= {f"{of}.{key}": summary[key] for key in SUMMARISED}
        if (~there).any():
            found[f"{of}.false_ml"] = _summary(part[~there], seed)["volume_error_ml"]
    return found


def _summary(part: pd.DataFrame, seed: int) -> dict[str, Estimate]:
    columns = list(MaskScores.__dataclass_fields__)
    rows = part[columns].itertuples(index=False, name=None)
    scores = [MaskScores(*row) for row in rows]
    return summarise(scores, part["patient_id"].to_numpy(), by_patient=True, seed=seed)


def tune_threshold(cohort: Cohort, rows: pd.DataFrame) -> float:
    """The control's threshold in HU, by `rows` of the manifest of `cohort`: training patients."""
    load: Callable[[Row], Volume] = cohort.load

    def scans() -> Any:
        for row in rows.to_dict("records"):
            volume = load({str(k): v for k, v in row.items()}).canonical()
            truth = cohort.mask_labels(str(row["image_id"]), volume)
            yield volume.array, truth["lung"] > 0, truth["opacity"] > 0

    return choose_threshold(scans())
