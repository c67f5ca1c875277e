"""Predictions as text: a table for a person, CSV and strict JSON for a program."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from operator import is_
from textwrap import indent
from typing import TYPE_CHECKING, Any, Literal

from covidx.constants import RESEARCH_NOTICE
from covidx.limits import limit_lines
from covidx.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from covidx.bundles import BundleFile
    from covidx.inference.prediction import InputSource, Prediction, Predictions

Format = Literal["table", "csv", "json"]
MARKS = re.compile('[,"\n\r]').search
"""What a cell of CSV holds in quotes alone."""
BATCH = 2000
"""Predictions that become a table at once."""
NOT_INTERPRETABLE = "RESULT NOT INTERPRETABLE"


def format_predictions(found: Predictions, form: Format, *, terminal: bool = False) -> str:
    """Predictions of any kind of model as text.

    Parameters
    ----------
    found : Predictions
        Of one model; a table names its threshold and what it was trained on.
    form : {"table", "csv", "json"}
        JSON is strict: what is not a number is null.
    terminal : bool
        Whether a table may show full paths; what is written to a file may not.

    Returns
    -------
    str
        Without a last line feed.
    """
    text = PredictionText(found.bundle, form, terminal=terminal)
    return "".join(text.of_predictions(found)).rstrip("\n")


@dataclass
class PredictionText:
    """Predictions as text, piece by piece: of millions, none is kept.

    Parameters
    ----------
    bundle : BundleFile, optional
        Of the model.
    form : {"table", "csv", "json"}
        As in `format_predictions`.
    terminal : bool
        As in `format_predictions`.
    complete : bool
        Whether every input so far has a result, and nothing was left out of one.
    """

    bundle: BundleFile | None
    form: Format
    terminal: bool = False
    complete: bool = True

    def of_predictions(self, found: Iterable[Prediction]) -> Iterator[str]:
        """The text of predictions, as they come.

        Parameters
        ----------
        found : iterable of Prediction
            Of one model.
        """
        if self.form == "csv":
            yield from self.of_frames(self._frames(self._noted(found)))
        elif self.form == "json":
            yield from self._json(self._noted(found))
        else:
            for one in self._noted(found):
                lines = [_title(one.source, self.terminal)]
                lines += [f"  {line}" for line in _result(one, self.bundle)]
                yield "\n".join(lines) + "\n"
            yield "\n".join(["", *_model(self.bundle), RESEARCH_NOTICE])

    def of_frames(self, frames: Iterable[pd.DataFrame]) -> Iterator[str]:
        """The CSV of tables with the columns of `Predictions.to_frame`, as they come.

        Parameters
        ----------
        frames : iterable of DataFrame
            Each with the same columns.
        """
        header = True
        for frame in frames:
            self.complete &= bool(frame["problem"].isna().all()) if "problem" in frame else True
            yield csv_text(frame, header=header)
            header = False

    def _noted(self, found: Iterable[Prediction]) -> Iterator[Prediction]:
        for one in found:
            self.complete &= not one.problem
            yield one

    def _frames(self, found: Iterable[Prediction]) -> Iterator[pd.DataFrame]:
        from covidx.inference.prediction import Predictions

        rest = iter(found)
        while batch := list(islice(rest, BATCH)):
            yield Predictions(batch, self.bundle).to_frame()

    def _json(self, found: Iterable[Prediction]) -> Iterator[str]:
        from covidx.inference.prediction import Predictions

        before = "[\n"
        for one in found:
            (value,) = Predictions([one], self.bundle).to_json()
            text = json.dumps(_strict(value), indent=2, allow_nan=False)
            yield before + indent(text, "  ")
            before = ",\n"
        yield "[]" if before == "[\n" else "\n]"


def csv_text(frame: pd.DataFrame, *, header: bool) -> str:
    """A table as CSV, as pandas writes it, and several times as fast for columns of one value.

    Parameters
    ----------
    frame : DataFrame
        Cells are text, numbers, booleans or missing.
    header : bool
        Whether the names of the columns come first.
    """
    lines = [",".join(map(_quoted, map(str, frame)))] if header else []
    parts: list[str | Iterable[str]] = []
    for place in range(frame.shape[1]):
        cells = _cells(frame.iloc[:, place])
        if isinstance(cells, str) and parts and isinstance(parts[-1], str):
            parts[-1] += f",{cells}"  # neighbours that all rows share are one text
        else:
            parts.append(cells)
    columns = [repeat(part) if isinstance(part, str) else part for part in parts]
    lines += map(",".join, islice(zip(*columns, strict=False), len(frame)))
    return "".join(f"{line}\n" for line in lines)


def _cells(column: pd.Series) -> str | Iterable[str]:
    """A column as cells; one text where one value fills it."""
    values = column.tolist()
    if not values or all(map(is_, values, repeat(values[0]))):  # as what all rows share is
        return _cell(values[0] if values else None)
    kinds = {float} if column.dtype.kind == "f" else set(map(type, values))
    if kinds <= {str, type(None)}:
        distinct = set(values)
        if kinds == {str} and not MARKS("".join(distinct)):
            return values
        texts = {value: _cell(value) for value in distinct}
        return map(texts.__getitem__, values)
    if kinds <= {float, int, bool}:
        return ["" if value != value else repr(value) for value in values]
    return map(_cell, values)


def _cell(value: Any) -> str:
    if value is None or type(value).__name__ == "NAType" or value != value:
        return ""
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    if MARKS(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _title(source: InputSource, terminal: bool) -> str:
    """Which image, row or patient: nothing that another one could be meant by."""
    where = source.path if terminal else f"input {source.number}: {source.place}"
    parts = [] if not where or where == "input 0: " else [where]
    if source.files > 1:
        parts[-1] += f" ({counted(source.files, 'file')})"
    if source.row is not None:
        parts.append(f"row {source.row}")
    if source.patient_id is not None:
        parts.append(f"patient {source.patient_id}")
    return ", ".join(parts)


def _identity(source: InputSource) -> list[str]:
    """Study, series and image, as far as they are known."""
    named = [("study", source.study_uid), ("series", source.series_uid)]
    lines = [f"{name} {uid}" for name, uid in named if uid]
    if source.series_number is not None or source.series_description:
        number = "without number" if source.series_number is None else source.series_number
        described = f": {source.series_description}" if source.series_description else ""
        lines.append(f"series number {number}{described}")
    return lines + ([f"image {source.image_id}"] if source.image_id else [])


def _result(one: Prediction, bundle: BundleFile | None) -> list[str]:
    lines, why = _identity(one.source), "; ".join(one.outside)
    if not one.complete:
        lines.append(f"no result: {one.problem}")
        return lines + ([f"besides: {why}"] if why else []) + _origins(one)
    lines += [f"{NOT_INTERPRETABLE}: {why}"] if why else []
    if one.score is not None and bundle is not None:
        would = "would be predicted" if why else "predicted"
        lines.append(f"score for {bundle.positive} {one.score:.3f}: {would} {one.decision}")
        shares = (f"{name} {value:.3f}" for name, value in one.probabilities.items())
        lines.append(f"every class: {', '.join(shares)}")
    lines += one.payload.lines()
    lines += [f"an image does not count: {one.problem}"] if one.problem else []
    return lines + _origins(one)


def _origins(one: Prediction) -> list[str]:
    """How each image came about: the series, its units, and what was done to its voxels."""
    lines = []
    for receipt in one.receipts:
        lines.append(f"chosen: {receipt['series']}")
        lines.append(f"values: {receipt['units_from']}")
        lines += [f"voxels: {receipt['resampled']}"] if receipt["resampled"] else []
    return lines


def _model(bundle: BundleFile | None) -> list[str]:
    """Threshold, what the model was trained on, and what its score is not."""
    if bundle is None:
        return []
    lines, point, trained = [], bundle.threshold, bundle.trained_on
    if point is not None:
        what = f"is predicted {bundle.positive}" if bundle.positive else "counts"
        lines.append(
            f"threshold  {point.value:.3f}: a score of this or more {what}; "
            f"chosen by {point.provenance}"
        )
    counts = ", ".join(f"{n} {name}" for name, n in trained.patients.items())
    seen = f", a {trained.kind} each, values in {trained.units}" if trained.kind else ""
    lines.append(f"trained on {trained.summary}{seen}; patients: {counts}")
    lines += bundle.closing_lines()
    lines += limit_lines(bundle.limits)
    if bundle.positive:
        lines.append(
            "The score lies between 0 and 1 and is not a patient's probability of disease."
        )
    return lines


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
