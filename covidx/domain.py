"""The domain of validity: what a model was trained on, and why an input lies outside of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from covidx.chest_view import ChestView
from covidx.config import Config
from covidx.constants import LATERAL_VIEWS, OTHER_PARTS, RESOLUTION_FACTOR, SPACING_TOLERANCE

NO_CHEST = "no chest from the front is in view"
SIMULATED = "covidx phantom"
"""How the manufacturer of a simulated scan begins."""


class ColumnRange(Config):
    """The known values of one column in the training rows."""

    low: float
    high: float
    values: list[float] | None = Field(
        None, description="of a flag, code or category: each value that occurs"
    )

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside of what training had.

        Parameters
        ----------
        value : float
            In the column's unit; NaN (unknown) is never outside.

        Returns
        -------
        bool
        """
        if math.isnan(value):
            return False
        return not self.low <= value <= self.high or (
            self.values is not None and value not in self.values
        )


class TrainedOn(Config):
    """What a model was trained on; an input unlike it is marked. Other kinds' fields are empty."""

    dataset: str
    domain: Literal["real", "simulated"]
    card_sha256: str | None = None
    split_sha256: str | None = Field(None, description="None where each patient is left out once")
    manifest_sha256: str | None = Field(None, description="of images")
    table_sha256: str | None = Field(None, description="of clinical rows or readers' scores")
    patients: dict[str, int] = Field(description="class -> patients of role train")
    modalities: list[str] = Field(default_factory=list)
    kind: str = Field("", description="of image: volume, slice or radiograph")
    units: str = ""
    manufacturers: list[str] = Field(default_factory=list)
    slice_thickness_mm: tuple[float, float] | None = Field(None, description="least and greatest")
    contrast: bool = Field(False, description="whether there were scans with contrast medium")
    body_parts: list[str] = Field(default_factory=list, description="as DICOM names them")
    pixel_mm: tuple[float, float] | None = Field(None, description="least and greatest, in plane")
    step_mm: tuple[float, float] | None = Field(None, description="between slices, likewise")
    chest: ChestView | None = Field(None, description="of frontal radiographs")
    columns: dict[str, ColumnRange] = Field(default_factory=dict)
    unknown_share: float | None = Field(
        None, ge=0, le=1, description="99 % of the training rows have at most this share unknown"
    )

    @property
    def modality(self) -> str:
        """The modalities in words."""
        return " and ".join(self.modalities)

    @property
    def summary(self) -> str:
        """Data set, domain and kind of input, in a few words."""
        rows = ["clinical rows"] if self.columns or not self.modalities else []
        return f"{self.dataset}: {self.domain} {' and '.join([*self.modalities, *rows])}"


class HasDomain(Protocol):
    """Whatever records what it was trained on, such as a bundle."""

    @property
    def trained_on(self) -> TrainedOn: ...


def outside_domain(bundle: HasDomain, facts: Mapping[str, object]) -> list[str]:
    """Why a result of this bundle on this image may not be interpreted.

    Parameters
    ----------
    bundle : BundleFile
        Of any kind that takes images.
    facts : mapping
        Manifest fields of the image: modality, units, kind, view, body_part, manufacturer,
        contrast, slice_thickness_mm, pixel_spacing_mm, slice_spacing_mm.

    Returns
    -------
    list of str
        A sentence each; empty where nothing speaks against the result.
    """
    trained = bundle.trained_on
    simulated = str(facts.get("manufacturer") or "").startswith(SIMULATED)
    reasons = _other_domain(trained, simulated, "scans")
    if facts["modality"] not in trained.modalities:
        reasons.append(f"trained on {trained.modality}, this is {facts['modality']}")
    if facts["units"] != trained.units:
        reasons.append(f"trained on values in {trained.units}, these are {facts['units']}")
    if facts.get("kind") and facts["kind"] != trained.kind:
        reasons.append(f"trained on a {trained.kind}, this is a {facts['kind']}")
    if trained.kind == "radiograph" and str(facts.get("view")).upper() in LATERAL_VIEWS:
        reasons.append("trained on frontal views, this is a lateral one")
    if facts.get("contrast") == "given" and not trained.contrast:
        reasons.append("contrast medium was given; the model was trained on scans without")
    part = facts.get("body_part")
    if part in OTHER_PARTS and part not in trained.body_parts:
        reasons.append(f"trained on chests; by its header this image shows {str(part).lower()}")
    for name, known, share, what in (
        ("slice_thickness_mm", trained.slice_thickness_mm, 1 + SPACING_TOLERANCE, "slices"),
        ("pixel_spacing_mm", trained.pixel_mm, RESOLUTION_FACTOR, "pixels"),
        ("slice_spacing_mm", trained.step_mm, RESOLUTION_FACTOR, "steps between slices"),
    ):
        reasons += _outside_mm(facts.get(name), known, share, what)
    return reasons


def _outside_mm(
    value: object, known: tuple[float, float] | None, factor: float, what: str
) -> list[str]:
    """Whether a length in mm lies beyond those of the training by more than a factor."""
    if known is None or not isinstance(value, Real) or not math.isfinite(value) or value <= 0:
        return []
    (low, high), mm = known, float(value)
    if low / factor <= mm <= high * factor:
        return []
    return [f"trained on {what} of {low:.3g} to {high:.3g} mm, these are {mm:.3g}"]


def outside_view(trained: TrainedOn, thumbnail: NDArray[np.uint8]) -> list[str]:
    """Whether a radiograph shows no chest, as far as it is unlike all that was trained on.

    Parameters
    ----------
    trained : TrainedOn
        Of the model; one that did not record what its radiographs look like marks nothing.
    thumbnail : ndarray of uint8, shape (64, 64)
        Of the radiograph, as `cohort.thumbnail`.

    Returns
    -------
    list of str
        A sentence, or none.
    """
    if trained.chest is None:
        return []
    likeness = trained.chest.likeness(thumbnail)
    if likeness >= trained.chest.lowest:
        return []
    return [
        f"{NO_CHEST}: its likeness to the training radiographs is {likeness:.2f}, a chest's is at "
        f"least {trained.chest.lowest:.2f}"
    ]


def outside_ranges(
    trained: TrainedOn, row: Mapping[str, float], *, simulated: bool | None
) -> list[str]:
    """Why a score of a clinical row may not be interpreted.

    Parameters
    ----------
    trained : TrainedOn
        Of the clinical model. One whose ranges were not recorded is judged by its domain alone.
    row : mapping
        Column -> value in the model's unit; NaN is unknown.
    simulated : bool, optional
        Whether the patient is simulated; None where something else than the row tells.

    Returns
    -------
    list of str
        A sentence each; empty where nothing speaks against the score.
    """
    reasons = [] if simulated is None else _other_domain(trained, simulated, "patients")
    for name, value in row.items():
        known = trained.columns.get(name)
        if known is None or not known.excludes(value):
            continue
        if known.values is None:
            reasons.append(f"{name} {value:g}: trained on {known.low:g} to {known.high:g}")
        else:
            reasons.append(f"{name}: no training row has this value")
    unknown = sum(math.isnan(value) for value in row.values()) / max(len(row), 1)
    if trained.unknown_share is not None and unknown > trained.unknown_share:
        reasons.append(
            f"{unknown:.0%} of the values are unknown, of nearly all training rows at most "
            f"{trained.unknown_share:.0%}"
        )
    return reasons


def outside_rows(
    trained: TrainedOn, table: pd.DataFrame, *, simulated: bool | None
) -> NDArray[np.object_]:
    """As `outside_ranges` of each row of a table, its sentences joined by semicolons.

    Parameters
    ----------
    trained : TrainedOn
        Of the clinical model.
    table : DataFrame
        Its columns, in the model's units; NaN is unknown.
    simulated : bool, optional
        Whether the patients are; None where nothing tells.

    Returns
    -------
    ndarray of str, shape (rows,)
        Empty where nothing speaks against the score.
    """
    values = table.to_numpy(np.float64)
    marked = np.zeros(len(table), np.bool_)
    for place, name in enumerate(map(str, table)):
        known = trained.columns.get(name)
        if known is not None:
            column = values[:, place]
            there = (column >= known.low) & (column <= known.high)
            if known.values is not None:
                there &= np.isin(column, known.values)
            marked |= ~there & ~np.isnan(column)
    if trained.unknown_share is not None:
        marked |= np.isnan(values).mean(axis=1) > trained.unknown_share
    everyone = [] if simulated is None else _other_domain(trained, simulated, "patients")
    found = np.full(len(table), "; ".join(everyone), dtype=object)
    for place in np.flatnonzero(marked).tolist():  # few: most rows are like those of the training
        row = dict(zip(map(str, table), values[place].tolist(), strict=True))
        found[place] = "; ".join(outside_ranges(trained, row, simulated=simulated))
    return found


def _other_domain(trained: TrainedOn, simulated: bool, what: str) -> list[str]:
    if trained.domain == "simulated" and not simulated:
        return [f"the model was trained on simulated {what}, this is not one"]
    if trained.domain == "real" and simulated:
        return [f"the model was trained on real {what}, this one is simulated"]
    return []
