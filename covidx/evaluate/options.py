"""Options of an evaluation, and the tables beside the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from covidx.errors import InvalidInputError
from covidx.evaluate.prevalence import PREVALENCES
from covidx.evaluate.readers import READ_CUT
from covidx.evaluate.recalibrate import Method


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of the same patients besides the predictions.

    Parameters
    ----------
    manifest : DataFrame, optional
        A row an image, as `covidx.tables.MANIFEST` has it.
    clinical : DataFrame, optional
        A row a patient, from `read_clinical`.
    reads : DataFrame, optional
        Readers' decisions, from `read_reads`.
    """

    manifest: pd.DataFrame | None = None
    clinical: pd.DataFrame | None = None
    reads: pd.DataFrame | None = None


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate.

    Parameters
    ----------
    calibrate : str, optional
        Method of recalibration, fitted on validation rows.
    prevalences : sequence of float
        At which PPV and NPV are given; each between 0 and 1.
    normal_ct : str, optional
        ``column=value`` of a clinical table that marks a normal CT.
    read_cut : int
        Rating from 1 to 5 from which a read is positive.
    exact : bool
        Clopper and Pearson's interval in place of Wilson's.
    seed, resamples : int
        As in `compute`.

    Raises
    ------
    InvalidInputError
        ``PREVALENCE_RANGE`` or ``RESAMPLES_RANGE``.
    """

    calibrate: Method | None = None
    prevalences: Sequence[float] = PREVALENCES
    normal_ct: str | None = None
    read_cut: int = READ_CUT
    exact: bool = False
    seed: int = 0
    resamples: int = 2000

    @property
    def drawing(self) -> dict[str, int]:
        """Seed and resamples, as keyword arguments of each part of the evaluation."""
        return {"seed": self.seed, "resamples": self.resamples}

    def __post_init__(self) -> None:
        if not all(0 < p < 1 for p in self.prevalences):
            raise InvalidInputError(
                "PREVALENCE_RANGE",
                "A prevalence lies between 0 and 1.",
                actual=", ".join(f"{p:g}" for p in self.prevalences),
            )
        if self.resamples < 100:
            raise InvalidInputError(
                "RESAMPLES_RANGE",
                "An interval needs at least 100 parts to leave out.",
                actual=self.resamples,
                hint="Use 2000, the default.",
            )
