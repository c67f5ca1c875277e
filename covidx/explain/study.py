"""Heatmaps of studies that are named by path: volumes on their own grids, exam and table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.bundles import need_kind
from covidx.constants import RESEARCH_NOTICE
from covidx.explain.heatmap import Heatmap, heatmaps
from covidx.explain.methods import DEFAULT, method_named
from covidx.explain.placing import heat_volume
from covidx.files import make_folder, replacing, write_json
from covidx.imaging import Bag
from covidx.inference import ImageBundle, ImagePredictor
from covidx.inference.prediction import Payload, Prediction, Predictions
from covidx.inference.predictor import decided, image_predictions
from covidx.inference.reading import Inputs
from covidx.ingest.nifti import write_nifti
from covidx.volume import Volume

if TYPE_CHECKING:
    from covidx.ingest.records import ReadImage

EXAM, TABLE = "exam.json", "heatmaps.csv"
IMAGE_ARM = "image"
"""Folder of P1's bundle in that of a fusion."""


@dataclass(frozen=True)
class MapRecord:
    """One map as it is written.

    Parameters
    ----------
    slice : int
        From 1, caudal to cranial.
    position_mm : tuple of float, optional
        Middle of the model's input in this slice: x, y, z in DICOM's patient coordinates (LPS).
    score : float
        Probability of the positive class by this slice alone.
    peak : float
        Log-odds at the hottest pixel.
    peak_mm : tuple of float, optional
        Where that is, in DICOM's patient coordinates (LPS).
    cell_mm : tuple of float, optional
        Height and width of what the method cannot tell apart.
    exam : dict
        As `Exam.to_json`.
    """

    slice: int
    position_mm: tuple[float, ...] | None
    score: float
    peak: float
    peak_mm: tuple[float, ...] | None
    cell_mm: tuple[float, float] | None
    exam: dict[str, Any]

    def __str__(self) -> str:
        return f"slice {self.slice}, score {self.score:.3f}: {self.exam['verdict']}. " + str(
            self.exam["reason"]
        )


@dataclass(frozen=True, eq=False)
class HeatmapPayload(Payload):
    """The maps of one image.

    Parameters
    ----------
    heatmap : str, optional
        Name of the NIfTI file; None until it is written.
    method : str
        In `METHODS`.
    maps : tuple of MapRecord
        The highest slice score first.
    volume : Volume, optional
        Log-odds on the grid of the image; let go once it is written.
    """

    heatmap: str | None = None
    method: str = DEFAULT
    maps: tuple[MapRecord, ...] = ()
    volume: Volume | None = None
    HIDDEN: ClassVar[tuple[str, ...]] = ("volume",)

    def columns(self) -> dict[str, Any]:
        """File, method and the verdict of each map."""
        return {
            "heatmap": self.heatmap,
            "method": self.method,
            "maps": "; ".join(map(str, self.maps)),
        }

    def lines(self) -> list[str]:
        """The verdict of each map."""
        return [*map(str, self.maps), *([f"heatmap {self.heatmap}"] if self.heatmap else [])]


@dataclass(frozen=True, eq=False)
class Explainer:
    """Maps images one by one, whatever they were read from.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    method : str
        In `METHODS`.
    """

    predictor: ImagePredictor
    method: str = DEFAULT

    @property
    def bundle(self) -> ImageBundle:
        """Of the classifier."""
        return self.predictor.bundle

    def empty_payload(self) -> HeatmapPayload:
        """The payload of an image without maps."""
        return HeatmapPayload(method=self.method)

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Score a decoded `image`, map it, and complete its `draft`."""
        predictor, volume = self.predictor, image.volume
        how = predictor.bundle.recipe.preprocessing
        bag, scores = predictor.score_volume(volume)
        maps = heatmaps(predictor, bag, scores, method=self.method)
        named = dict(zip(self.bundle.classes, map(float, scores.probabilities), strict=True))
        payload = HeatmapPayload(
            method=self.method,
            maps=tuple(_record(one, bag) for one in maps),
            volume=heat_volume(maps, bag, volume, how),
        )
        return replace(decided(self.bundle, draft, named), payload=payload)


def load_explainer(folder: Path, method: str = DEFAULT, device: str = "auto") -> Explainer:
    """Read the bundle of an image classifier, or of a fusion, whose image arm is then mapped.

    Parameters
    ----------
    folder : Path
        The bundle.
    method : str
        In `METHODS`.
    device : str
        As `Predictor.load`.

    Raises
    ------
    InvalidInputError
        ``METHOD_UNKNOWN``.
    BundleError
        As `ImagePredictor.load`; ``BUNDLE_KIND``: a model of another kind.
    """
    method_named(method)
    kind = need_kind(folder, ("image", "fusion"))
    arm = folder / IMAGE_ARM if kind == "fusion" else folder
    return Explainer(ImagePredictor.load(arm, device), method)


def explain_images(explainer: Explainer, inputs: Inputs, out: Path) -> Predictions:
    """Map every image, and write each as it comes.

    Writes ``<image_id>_heatmap.nii.gz`` an image, ``exam.json`` with all that the exams found, and
    ``heatmaps.csv`` with a row a map.

    Parameters
    ----------
    explainer : Explainer
        Of `load_explainer`.
    inputs : Inputs
        Images by path.
    out : Path
        A folder, made if need be.

    Returns
    -------
    Predictions
        A prediction an image, with a `HeatmapPayload` or a problem.
    """
    make_folder(out)
    written = Predictions(
        [_written(one, out) for one in image_predictions(explainer, inputs)], explainer.bundle
    )
    write_json(out / EXAM, written.to_json())
    with replacing(out / TABLE) as temporary:
        _table(written).to_csv(temporary, index=False, lineterminator="\n")
    return written


def _record(heatmap: Heatmap, bag: Bag) -> MapRecord:
    positions, affine = bag.positions_mm, heatmap.affine
    peak = None
    if affine is not None and heatmap.heat.max() > 0:
        row, column = np.unravel_index(int(heatmap.heat.argmax()), heatmap.heat.shape)
        peak = _lps(affine @ [column, row, 0, 1])
    return MapRecord(
        slice=int(bag.slices[heatmap.place]) + 1,
        position_mm=None if positions is None else _rounded(positions[heatmap.place]),
        score=heatmap.score,
        peak=float(heatmap.heat.max()),
        peak_mm=peak,
        cell_mm=heatmap.cell_mm,
        exam=heatmap.exam.to_json(),
    )


def _lps(ras: NDArray[np.float64]) -> tuple[float, ...]:
    return _rounded(ras[:3] * [-1.0, -1.0, 1.0])


def _rounded(place: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(mm), 2) for mm in place)


def _written(one: Prediction, out: Path) -> Prediction:
    found = one.payload
    if not isinstance(found, HeatmapPayload) or found.volume is None:
        return one
    name = f"{one.source.image_id}_heatmap.nii.gz"
    write_nifti(found.volume, out / name)
    return replace(one, payload=replace(found, heatmap=name, volume=None))


def _table(written: Iterable[Prediction]) -> pd.DataFrame:
    """A row a map; images without one have a row with their problem."""
    rows: list[dict[str, Any]] = []
    for one in written:
        source = {"patient_id": one.source.patient_id, "image_id": one.source.image_id}
        maps = one.payload.maps if isinstance(one.payload, HeatmapPayload) else ()
        rows += [
            {**source, "score": one.score, **_cells(record), "problem": one.problem}
            for record in maps or (None,)
        ]
    return pd.DataFrame(rows).assign(notice=RESEARCH_NOTICE)


def _cells(record: MapRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    exam = record.exam
    return {
        "slice": record.slice,
        "slice_score": record.score,
        "verdict": exam["verdict"],
        "reason": exam["reason"],
        "peak": record.peak,
        **{
            f"peak_{axis}_mm": None if record.peak_mm is None else record.peak_mm[n]
            for n, axis in enumerate("xyz")
        },
        **{key: exam[key] for key in ("evidence", "p", "in_lungs", "lung_area")},
    }
