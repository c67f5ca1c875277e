"""What a trained model gives for one input: one `Prediction` for every kind of model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from covidx.constants import PROBABILITY_PREFIX, RESEARCH_NOTICE
from covidx.html import table
from covidx.limits import limits_in_short

if TYPE_CHECKING:
    import pandas as pd

    from covidx.bundles import BundleFile, Threshold

PREDICTION_SCHEMA = 2
"""Version of the columns and keys of predictions; 1 was another layout for each kind of model."""


@dataclass(frozen=True)
class InputSource:
    """Which image, row or patient a prediction is of.

    Parameters
    ----------
    number : int
        Of the path among those that were named, from 1.
    path : str
        The file, or the folder of the files, in full. It may name a patient: for a terminal only,
        never written.
    place : str
        The same below what was named; pseudonymous unless the data set's ids are public.
    files : int
        How many the image was read from; 0 where it is not known.
    row : int, optional
        Line of a table, where the header is line 1.
    patient_id : str, optional
        Pseudonym, or a public id; None where nobody knows whose an unreadable input is.
    image_id, study_uid, series_uid : str, optional
        Pseudonymous unless public.
    series_number : int, optional
        SeriesNumber of DICOM; None of other formats, or where it is not known.
    series_description : str, optional
        None where a pseudonymous header may not be shown as written.
    """

    number: int
    path: str
    place: str
    files: int = 0
    row: int | None = None
    patient_id: str | None = None
    image_id: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    series_number: int | None = None
    series_description: str | None = None

    @property
    def short(self) -> str:
        """Its place, else patient, image or row."""
        if self.row is not None:
            return f"row {self.row}"
        place = self.place if self.place != "." else ""
        return place or self.patient_id or self.image_id or f"input {self.number}"

    def to_json(self) -> dict[str, Any]:
        """What may be written: all but the path."""
        values = asdict(self)
        del values["path"]
        return {"input": values.pop("number"), **values}


@dataclass(frozen=True)
class Payload:
    """What one kind of model has to say beside the common fields."""

    HIDDEN: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written, such as arrays."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, a key a field."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)
                if f.name not in self.HIDDEN}  # fmt: skip

    def columns(self) -> dict[str, Any]:
        """As cells of a row of a table: lists become text."""
        return {key: _cell(value) for key, value in self.to_json().items()}

    def lines(self) -> list[str]:
        """For a person: a line each."""
        return []


@dataclass(frozen=True)
class Prediction:
    """What a model gives for one input, or why it gives nothing.

    Parameters
    ----------
    source : InputSource
        Which image, row or patient it is of.
    score : float, optional
        Probability of the positive class, 0 to 1; None where there is none, or of a model that
        does not classify.
    probabilities : dict
        Class -> probability; empty without a score.
    decision : str, optional
        The positive class, or ``not`` and its name.
    threshold : Threshold, optional
        Of the score; None of a model that has none.
    outside : tuple of str
        Why the result may not be interpreted.
    problem : str, optional
        Why there is no result, or why a part of the input does not count, beginning with a code.
    receipts : tuple of dict
        How each image came about.
    payload : Payload
        What this kind of model adds.
    complete : bool
        Whether there is a result; `problem` says why not, or which part does not count.
    """

    source: InputSource
    score: float | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    decision: str | None = None
    threshold: Threshold | None = None
    outside: tuple[str, ...] = ()
    problem: str | None = None
    receipts: tuple[dict[str, Any], ...] = ()
    payload: Payload = field(default_factory=Payload)
    complete: bool = True

    @property
    def interpretable(self) -> bool:
        """Whether there is a result, and nothing speaks against it."""
        return self.complete and not self.outside

    def _repr_html_(self) -> str:
        """Score, threshold and what speaks against them, for notebooks."""
        score = "no score" if self.score is None else f"{self.score:.3f}"
        at = "" if self.threshold is None else f" (threshold {self.threshold.value:.3f})"
        rows = [("score", f"{score}{at}"), ("decision", self.decision or "")]
        rows += [(name, f"{share:.3f}") for name, share in self.probabilities.items()]
        rows += [("not interpretable", line) for line in self.outside]
        rows += [("problem", self.problem)] if self.problem else []
        title = f"Prediction of {self.source.short}"
        return table(title, [row for row in rows if row[1]], [RESEARCH_NOTICE])

    def _common(self) -> dict[str, Any]:
        point = self.threshold
        return {
            "schema": PREDICTION_SCHEMA,
            **self.source.to_json(),
            "score": self.score,
            "decision": self.decision,
            "threshold": None if point is None else point.value,
            "threshold_origin": None if point is None else point.provenance,
            "interpretable": self.interpretable,
        }

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice; nothing that names a patient."""
        return {
            **self._common(),
            "probabilities": self.probabilities,
            "outside": list(self.outside),
            "problem": self.problem,
            **self.payload.to_json(),
            "receipts": list(self.receipts),
            "notice": RESEARCH_NOTICE,
        }

    def to_row(self, classes: Sequence[str] = ()) -> dict[str, Any]:
        """As one row of a table.

        Parameters
        ----------
        classes : sequence of str
            A column of probability each.

        Returns
        -------
        dict
            Column -> cell.
        """
        shares = {f"{PROBABILITY_PREFIX}{name}": self.probabilities.get(name) for name in classes}
        return {
            **self._common(),
            **shares,
            "outside": "; ".join(self.outside),
            "problem": self.problem,
            **self.payload.columns(),
            "series": "; ".join(str(one.get("series")) for one in self.receipts),
        }


@dataclass(frozen=True, repr=False)
class Predictions(Sequence[Prediction]):
    """Predictions of one model, in the order of the inputs.

    Parameters
    ----------
    found : list of Prediction
        In the order of the inputs.
    bundle : BundleFile, optional
        Of the model; None of a method without one.
    """

    found: list[Prediction]
    bundle: BundleFile | None

    def __repr__(self) -> str:
        return f"Predictions({len(self.found)}{'' if self.complete else ', some without a result'})"

    def _repr_html_(self) -> str:
        """A row a prediction, for notebooks."""
        rows = [("input", "score", "decision", "problem")]
        for one in self.found:
            score = "" if one.score is None else f"{one.score:.3f}"
            rows.append(
                (one.source.short, score, one.decision or "", one.problem or "; ".join(one.outside))
            )
        return table(repr(self), rows, [RESEARCH_NOTICE])

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, place: Any) -> Any:
        return self.found[place]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.found)

    @property
    def complete(self) -> bool:
        """Whether every input has a result, and nothing was left out of one."""
        return not any(one.problem for one in self.found)

    @property
    def _model(self) -> dict[str, str]:
        bundle = self.bundle
        if bundle is None:
            return {}
        return {
            "trained_on": bundle.trained_on.summary,
            "bundle_sha256": bundle.sha256,
            "limits": limits_in_short(bundle.limits),
        }

    def to_frame(self) -> pd.DataFrame:
        """A row a prediction, with the columns that CSV has; the notice is the last."""
        import pandas as pd

        classes = (self.bundle.classes if self.bundle is not None else None) or []
        rows = [{**one.to_row(classes), **self._model} for one in self.found]
        table = pd.DataFrame(rows)
        for name in map(str, table):  # pandas makes floats of counts where one is unknown
            kinds = {type(row.get(name)) for row in rows} - {type(None)}
            if kinds == {int}:
                table[name] = table[name].astype("Int64")
        return table.assign(notice=RESEARCH_NOTICE)

    def to_json(self) -> list[dict[str, Any]]:
        """An object a prediction, as plain values; ``limits`` is null where none are known."""
        model: dict[str, Any] = dict(self._model)
        if self.bundle is not None:
            limits = self.bundle.limits
            model["limits"] = None if limits is None else [limit.line for limit in limits]
        return [{**one.to_json(), **model} for one in self.found]


def _plain(value: Any) -> Any:
    """Tuples as lists, records as dicts."""
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_cell(item)}" for key, item in value.items())
    return "; ".join(map(str, map(_cell, value))) if isinstance(value, list) else value
