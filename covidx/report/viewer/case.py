"""What a case page shows: an image and what is known of it; any kind of model fills it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from covidx.constants import EVIDENCE_COLOURS
from covidx.volume import Volume

Verdict = Literal["passed", "failed", "no evidence", "cannot tell"]
"""Of a heatmap's exam. Maps that failed start hidden, those without evidence are never coloured."""

BoolArray = NDArray[np.bool_]
Windows = Sequence[tuple[str, float, float]]
"""Name, level and width of each window that a key chooses."""

CT_WINDOWS: Windows = (
    ("lung", -600.0, 1500.0),
    ("mediastinum", 40.0, 400.0),
    ("bone", 400.0, 1800.0),
)
"""HU. Lung as `constants.LUNG_WINDOW`; the others as scanners' consoles have them."""
GREY_WINDOWS: Windows = (
    ("as stored", 127.5, 255.0),
    ("dark", 80.0, 160.0),
    ("bright", 180.0, 150.0),
)
"""Of pictures, in greys from 0 to 255."""


@dataclass(frozen=True, eq=False)
class HeatLayer:
    """A heatmap with where it lies, and what its exam found.

    Parameters
    ----------
    name : str
        What it is of, such as ``slice 12 of 52``.
    heat : ndarray of float, shape (slices, rows, columns)
        Evidence; NaN outside of the model's input. Its grid need not be that of the image.
    affine : ndarray, shape (4, 4)
        (column, row, slice) of `heat` to mm in RAS+; of an image without a geometry to its
        (column, row, slice).
    verdict : Verdict
        Of its exam.
    reason : str
        What was tested and what came out, for a reader.
    levels : sequence of float
        At which contours are drawn, ascending, in the unit of `heat`.
    unit : str
        What `heat` is counted in.
    cell_mm : tuple of float, optional
        Height and width of a cell of the network's own map; None where it is not known.

    Raises
    ------
    ValueError
        If shape, verdict or levels are not as above.
    """

    name: str
    heat: NDArray[np.floating]
    affine: NDArray[np.float64]
    verdict: Verdict
    reason: str
    levels: Sequence[float]
    unit: str
    cell_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.heat.ndim != 3 or self.affine.shape != (4, 4):
            raise ValueError(f"A heatmap is (slices, rows, columns): {self.heat.shape}")
        if self.verdict not in get_args(Verdict):
            raise ValueError(f"A verdict is one of {get_args(Verdict)}: {self.verdict}")
        if list(self.levels) != sorted(self.levels) or len(self.levels) > len(EVIDENCE_COLOURS):
            raise ValueError(f"Levels ascend, at most {len(EVIDENCE_COLOURS)}: {self.levels}")

    @property
    def colours(self) -> Sequence[str]:
        """Of the levels; the highest always has the same."""
        return EVIDENCE_COLOURS[len(EVIDENCE_COLOURS) - len(self.levels) :]


@dataclass(frozen=True, eq=False)
class MaskLayer:
    """A mask on the image's grid, drawn as an outline.

    Parameters
    ----------
    name : str
        What it is of, such as ``true lesion``.
    mask : ndarray of bool, shape (slices, rows, columns)
        On the grid of the case's image.
    of : {"lesion", "organ"}
        What it marks; an organ is drawn thinner.
    truth : bool
        Whether it is the truth, which blind readers do not see, rather than a model's.
    """

    name: str
    mask: BoolArray
    of: Literal["lesion", "organ"] = "lesion"
    truth: bool = True

    @property
    def style(self) -> str:
        """By which the page's style sheet and scripts draw it."""
        return f"{'true' if self.truth else 'model'}-{self.of}"


@dataclass(frozen=True)
class SeenSlice:
    """A slice that the model scored.

    Parameters
    ----------
    index : int
        In the case's image, from 0 (caudal).
    score : float
        Probability of the positive class by this slice alone, 0 to 1.
    weight : float
        Share in the decision; 0 where it did not decide.
    first, last : int
        The slices that were averaged into it.
    """

    index: int
    score: float
    weight: float
    first: int
    last: int


@dataclass(frozen=True)
class Section:
    """A box beside the image with what models made of it; blind readers do not see it.

    Parameters
    ----------
    title : str
        Its heading.
    facts : sequence of (str, str)
        Name and value.
    notes : sequence of str
        What a reader has to know of them.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Result:
    """A classifier's result of a case.

    Parameters
    ----------
    positive : str
        The positive class.
    score : float
        Of the positive class, 0 to 1.
    threshold : float
        From which score on the case is predicted positive.
    label : str, optional
        The true class; None where it is not known.
    """

    positive: str
    score: float
    threshold: float
    label: str | None = None

    @property
    def called(self) -> bool:
        """Whether it is predicted positive."""
        return self.score >= self.threshold

    @property
    def error(self) -> str | None:
        """``missed`` or ``false alarm``; None where it is right, or nobody knows."""
        if self.label is None or self.called == (self.label == self.positive):
            return None
        return "false alarm" if self.called else "missed"

    @property
    def decision(self) -> str:
        """The predicted class in words, and whether that is right."""
        decision = f"predicted {'' if self.called else 'not '}{self.positive}"
        if self.label is None:
            return decision
        return f"{decision}: {self.error or 'correct'}"


@dataclass(frozen=True, eq=False)
class ViewerCase:
    """One image, or patient, as the case page shows it.

    Parameters
    ----------
    name : str
        The patient, and the image where there may be several; pseudonymous unless public.
    unit_id : str
        As in the predictions table: what a reader's table names.
    image : Volume
        As ``canonical()`` gives it, so that what is left on the screen is the patient's right.
    windows : sequence of (str, float, float)
        Name, level and width; the first is shown at first.
    masks : sequence of MaskLayer
        Truth and segmentations.
    heat : sequence of HeatLayer
        None of them where no map could be made.
    seen : sequence of SeenSlice
        Empty for models that score no slices.
    result : Result, optional
        None for models that do not classify.
    facts : sequence of (str, str)
        What stands beside the image; nothing that gives the model's result away.
    sections : sequence of Section
        Further results of models.
    warnings : sequence of str
        Why the result may not be interpreted.
    simulated : bool
        Whether the patient is simulated.
    instances : sequence of int or None
        DICOM InstanceNumber of each slice; empty where not known.
    receipt : mapping of str to object
        How the image came about, as `ingest.receipt` writes it; empty where not known.
    scanner : str
        Manufacturer or source, for filters; empty where not known.
    note : str
        What else the labels state; may be empty.
    limits : sequence of str
        Known limits of the model, where no run's folder around the page has them.
    """

    name: str
    unit_id: str
    image: Volume
    windows: Windows
    masks: Sequence[MaskLayer] = ()
    heat: Sequence[HeatLayer] = ()
    seen: Sequence[SeenSlice] = ()
    result: Result | None = None
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = ()
    warnings: Sequence[str] = ()
    simulated: bool = False
    instances: Sequence[int | None] = ()
    receipt: dict[str, object] = field(default_factory=dict)
    scanner: str = ""
    note: str = ""
    limits: Sequence[str] = ()

    @property
    def truth(self) -> BoolArray | None:
        """The true lesion, as the first such mask; None where there is none."""
        true = (layer.mask for layer in self.masks if layer.truth and layer.of == "lesion")
        return next(true, None)

    @property
    def lesion_ml(self) -> float | None:
        """Volume of the true lesion; None where it, or the voxels' size, is not known."""
        if self.truth is None or self.image.voxel_ml is None:
            return None
        return float(self.truth.sum()) * self.image.voxel_ml
