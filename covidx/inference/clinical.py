"""Scoring rows of clinical tables with a bundle (P2); no network library is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.clinical.apply import blocks_for, numbers_for
from covidx.clinical.bundle import ClinicalBundle, load_bundle, write_bundle
from covidx.clinical.fit import Fitted
from covidx.clinical.formula import FORMULA
from covidx.constants import PROBABILITY_PREFIX
from covidx.domain import outside_ranges, outside_rows
from covidx.errors import CovidxError
from covidx.inference.prediction import InputSource, Payload, Prediction, Predictions
from covidx.inference.predictor import Predictor, decided
from covidx.inference.reading import Inputs

Scores = npt.NDArray[np.float64]


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


@dataclass(frozen=True, eq=False, repr=False)
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
                for table in blocks_for(self.bundle, path, inputs.identities):
                    yield from self.of_rows(table, source, simulated=inputs.simulated)
            except CovidxError as error:
                yield self._unread(source, error)

    def frames(self, inputs: Inputs) -> Iterator[pd.DataFrame]:
        """As `predictions`, as tables with the columns of `Predictions.to_frame`, a block each.

        Parameters
        ----------
        inputs : Inputs
            As for `predictions`.
        """
        for source, path in inputs.each_path():
            try:
                for table in blocks_for(self.bundle, path, inputs.identities):
                    yield self._frame(table, source, simulated=inputs.simulated)
            except CovidxError as error:
                yield Predictions([self._unread(source, error)], self.bundle).to_frame()

    def _unread(self, source: InputSource, error: CovidxError) -> Prediction:
        return Prediction(
            source,
            threshold=self.bundle.threshold,
            payload=ClinicalPayload(),
            problem=error.summary,
            complete=False,
        )

    def _frame(self, table: pd.DataFrame, source: InputSource, *, simulated: bool) -> pd.DataFrame:
        """A row a row of the table; what all rows share is taken from one prediction."""
        other, positive = self.bundle.classes
        scores, rows = self._scored(table)
        marks = outside_rows(self.bundle.trained_on, table[self._names], simulated=simulated)
        draft = Prediction(source, threshold=self.bundle.threshold, payload=ClinicalPayload())
        one = Predictions([draft], self.bundle).to_frame().astype(object)
        known = ~np.isnan(scores)
        at = self.bundle.threshold.value
        called = pd.Series(np.where(scores >= at, positive, f"not {positive}"), dtype=object)
        problems = pd.Series([problem for _, problem in rows], dtype=object)
        found = one.loc[one.index.repeat(len(table))].reset_index(drop=True)
        return found.assign(
            **{
                "row": table.index.to_numpy() + 2,
                "patient_id": table["patient_id"].to_numpy(object),
                "score": scores,
                "decision": called.where(known, None),
                "interpretable": known & (marks == ""),
                f"{PROBABILITY_PREFIX}{other}": 1 - scores,
                f"{PROBABILITY_PREFIX}{positive}": scores,
                "outside": marks,
                "problem": problems.where(~known, None),
                "unknown": ["; ".join(gaps) for gaps, _ in rows],
            }
        )

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.bundle.columns]

    def _scored(self, table: pd.DataFrame) -> tuple[Scores, list[tuple[tuple[str, ...], str]]]:
        """Scores, and by row which inputs are unknown and what follows where there is no score."""
        names, needed = self._names, {c.name for c in self.bundle.columns if c.concept in FORMULA}
        unknown = table[names].isna().to_numpy()
        codes = [row.tobytes() for row in np.packbits(unknown, axis=1)]
        which, _ = pd.factorize(pd.Series(codes, dtype=object))
        patterns = unknown[np.unique(which, return_index=True)[1]]
        texts = []
        for pattern in patterns:
            gaps = tuple(name for name, gap in zip(names, pattern, strict=True) if gap)
            why = ", ".join(name for name in gaps if name in needed)
            texts.append((gaps, f"INPUT_UNKNOWN: the formula has no answer without {why}"))
        scores = np.asarray(self.fitted.score(table), dtype=np.float64)
        return scores, [texts[place] for place in which]

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
        other, positive = self.bundle.classes
        scores, rows = self._scored(table)
        records = table[self._names].astype(float).to_dict("records")
        for place, (line, patient) in enumerate(zip(table.index, table["patient_id"], strict=True)):
            score, (gaps, problem) = float(scores[place]), rows[place]
            row: dict[str, Any] = {str(name): value for name, value in records[place].items()}
            draft = Prediction(
                replace(source, row=int(line) + 2, patient_id=patient),
                threshold=self.bundle.threshold,
                outside=tuple(outside_ranges(self.bundle.trained_on, row, simulated=simulated)),
                payload=ClinicalPayload(gaps),
            )
            if np.isnan(score):
                yield replace(draft, problem=problem, complete=False)
            else:
                shares = {other: 1 - score, positive: score}
                yield decided(self.bundle, draft, shares)
