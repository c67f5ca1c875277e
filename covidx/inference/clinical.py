"""Scoring rows of clinical tables with a bundle (P2); no network library is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.clinical.apply import numbers_for, read_for
from covidx.clinical.bundle import ClinicalBundle, load_bundle, write_bundle
from covidx.clinical.fit import Fitted
from covidx.clinical.formula import FORMULA
from covidx.domain import outside_ranges
from covidx.errors import CovidxError
from covidx.inference.prediction import InputSource, Payload, Prediction
from covidx.inference.predictor import Predictor, decided
from covidx.inference.reading import Inputs


@dataclass(frozen=True)
class ClinicalPayload(Payload):
    """What is known of a row.

    Parameters
    ----------
    unknown : tuple of str
        Inputs that are unknown in this row.
    """

    unknown: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The unknown inputs, if any."""
        return [f"unknown: {', '.join(self.unknown)}"] if self.unknown else []


@dataclass(frozen=True, eq=False)
class ClinicalPredictor(Predictor):
    """A clinical model (P2) in memory, ready to score.

    Parameters
    ----------
    bundle : ClinicalBundle
        Columns, classes, threshold, and the ranges that were trained on.
    fitted : Fitted
        Scores rows: probability of the positive class, NaN for none.
    """

    bundle: ClinicalBundle
    fitted: Fitted

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> ClinicalPredictor:
        """Read a bundle, and prove that it gives the scores that it gave.

        Parameters
        ----------
        folder : Path
            As `clinical.bundle.load_bundle`.
        device : str
            Not used: the model has no network.

        Raises
        ------
        BundleError
            As `clinical.bundle.load_bundle`.
        """
        return cls(*load_bundle(folder))

    def save(self, folder: Path) -> ClinicalPredictor:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Made if need be; a bundle that it holds is replaced.
        """
        write_bundle(folder, self.bundle, self.fitted)
        return ClinicalPredictor.load(folder)

    def empty_payload(self) -> ClinicalPayload:
        """As `Predictor.empty_payload`."""
        return ClinicalPayload()

    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """A prediction for each row of each table; a table that cannot be read has a problem.

        Parameters
        ----------
        inputs : Inputs
            Its card, where there is one, says whether the patients are simulated.
        """
        for source, path in inputs.each_path():
            try:
                table = read_for(self.bundle, path, inputs.identities)
            except CovidxError as error:
                draft = Prediction(
                    source, threshold=self.bundle.threshold, payload=ClinicalPayload()
                )
                yield replace(draft, problem=error.summary, complete=False)
                continue
            yield from self.of_rows(table, source, simulated=inputs.simulated)

    def of_frame(self, table: pd.DataFrame) -> Iterator[Prediction]:
        """A prediction for each row of a table in memory.

        Parameters
        ----------
        table : DataFrame
            With the columns, codes and units of the training table.

        Raises
        ------
        InvalidTableError
            As `numbers_for`.
        """
        cells = table.reset_index(drop=True)
        cells = cells.astype(str).where(cells.notna(), np.nan)
        rows = numbers_for(self.bundle, cells, None).assign(patient_id=None)
        for number, found in enumerate(self.of_rows(rows, InputSource(0, "", "")), 1):
            yield replace(found, source=InputSource(number, "", ""))

    def of_rows(
        self, table: pd.DataFrame, source: InputSource, *, simulated: bool | None = None
    ) -> Iterator[Prediction]:
        """A prediction for each row.

        Parameters
        ----------
        table : DataFrame
            As `read_for`.
        source : InputSource
            Of the table.
        simulated : bool, optional
            Whether the patients are; None where nothing tells.
        """
        names = [column.name for column in self.bundle.columns]
        other, positive = self.bundle.classes
        for line, score in zip(table.index, self.fitted.score(table), strict=True):
            values = table.loc[line, names].astype(float)
            patient: Any = table.at[line, "patient_id"]
            gaps = tuple(values.index[values.isna()])
            row: dict[str, Any] = {str(name): float(value) for name, value in values.items()}
            draft = Prediction(
                replace(source, row=int(line) + 2, patient_id=patient),
                threshold=self.bundle.threshold,
                outside=tuple(outside_ranges(self.bundle.trained_on, row, simulated=simulated)),
                payload=ClinicalPayload(gaps),
            )
            if np.isnan(score):
                inputs = {c.name for c in self.bundle.columns if c.concept in FORMULA}
                why = ", ".join(name for name in gaps if name in inputs)
                problem = f"INPUT_UNKNOWN: the formula has no answer without {why}"
                yield replace(draft, problem=problem, complete=False)
            else:
                shares = {other: 1 - float(score), positive: float(score)}
                yield decided(self.bundle, draft, shares)
