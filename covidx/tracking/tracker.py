"""What a run in progress notes for MLflow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from covidx.errors import published_error
from covidx.evaluate import Estimate
from covidx.files import write_json
from covidx.tracking.record import (
    COLUMNS,
    DIGEST_LENGTH,
    PACKAGE,
    RECORD,
    DatasetRecord,
    ModelRecord,
    Part,
    Point,
    TrackingRecord,
    clean_name,
)

TYPES = {"i": "long", "u": "long", "f": "double", "b": "boolean"}
"""Kind of a column -> the type that MLflow shows; all else is text."""


class Tracker:
    """Records what MLflow is to show of a run.

    Parameters
    ----------
    experiment : str
        Which runs it stands beside: the pipeline.
    run_id : str
        Of the run's folder; its name, too, until it has a better one.
    started : str
        When the run began, in ISO 8601.
    """

    def __init__(self, experiment: str, run_id: str, started: str) -> None:
        self.record = TrackingRecord(
            run_id=run_id, experiment=experiment, name=run_id, started=started
        )

    def name(self, name: str, description: str) -> None:
        """Call the run by a `name` that tells it apart, with a `description` in Markdown."""
        self.record.name, self.record.description = name, description

    def config(self, values: Mapping[str, Any]) -> None:
        """Take a nested configuration, `values`, as parameters with dotted names."""
        self.record.parameters |= {clean_name(k): str(v) for k, v in _flat(values)}

    def drop(self, prefix: str) -> None:
        """Leave out the parameters whose names begin with `prefix`: they were not used."""
        kept = {k: v for k, v in self.record.parameters.items() if not k.startswith(prefix)}
        self.record.parameters = kept

    def tags(self, values: Mapping[str, Any]) -> None:
        """Take `values`, facts such as the git commit and data digests, as tags."""
        self.record.tags |= {clean_name(k): str(v) for k, v in values.items() if v is not None}

    def dataset(self, table: pd.DataFrame, name: str, digest: str, role: str) -> None:
        """Take down which data a role used, without its rows.

        Parameters
        ----------
        table : DataFrame
            Its columns and number of rows are shown.
        name : str
            Of the data set.
        digest : str
            Of the table; its first 36 characters are shown.
        role : str
            train, validation or test.
        """
        columns = {str(k): TYPES.get(kind.kind, "string") for k, kind in table.dtypes.items()}
        self.record.datasets.append(
            DatasetRecord(
                name=name,
                digest=digest[:DIGEST_LENGTH],
                role=role,
                rows=len(table),
                columns=columns,
            )
        )

    def curves(self, curves: pd.DataFrame, kept: int | None = None) -> None:
        """Take the curves of a training.

        Parameters
        ----------
        curves : DataFrame
            One figure a row and column; the column ``epoch`` is the step.
        kept : int, optional
            The epoch whose weights were kept; its figures are shown as ``best_epoch_...``.
        """
        for row in curves.to_dict("records"):
            epoch = int(row.pop("epoch"))
            self._take({str(name): value for name, value in row.items()}, epoch)
            if epoch == kept:
                best = {f"best_epoch_{name}": value for name, value in row.items()}
                self.record.kept_epoch = kept
                self._take({"best_epoch": kept, **best}, kept)

    def estimates(
        self, estimates: Mapping[str, Estimate], headline: Iterable[str] | None = None
    ) -> None:
        """Take estimates into the table of all, and the values of some as metrics.

        Parameters
        ----------
        estimates : mapping
            By name.
        headline : iterable of str, optional
            Those that can be compared across runs; by default all.
        """
        self.record.estimates += [
            {"metric": name, **{k: one.to_json().get(k) for k in COLUMNS[1:]}}
            for name, one in estimates.items()
        ]
        names = estimates if headline is None else [n for n in headline if n in estimates]
        self.figures({name: estimates[name].value for name in names})

    def figures(self, values: Mapping[str, float]) -> None:
        """Take `values`, plain numbers by name, as metrics; those that are not finite are left."""
        self._take(values, self.record.kept_epoch)

    def artifacts(self, names: Iterable[str]) -> None:
        """Let MLflow copy the files and folders of these `names` in the run's folder."""
        self.record.artifacts = list(dict.fromkeys([*self.record.artifacts, *names]))

    def part(
        self, name: str, metrics: Mapping[str, float], parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Show a fold or seed below the run.

        Parameters
        ----------
        name : str
            Such as ``fold 2``.
        metrics : mapping
            Its figures; those that are not finite are left out.
        parameters : mapping, optional
            What tells it from the others.
        """
        numbers = {clean_name(k): float(v) for k, v in metrics.items() if _finite(v)}
        settings = {clean_name(k): str(v) for k, v in (parameters or {}).items()}
        self.record.parts.append(Part(name=name, metrics=numbers, parameters=settings))

    def members(self, curves: Iterable[pd.DataFrame], kept: int) -> None:
        """Show the networks of an ensemble below the run; one network alone is the run itself.

        Parameters
        ----------
        curves : iterable of DataFrame
            Of each network, as in `curves`.
        kept : int
            The epoch whose weights were kept, of each.
        """
        every = list(curves)
        for number, one in enumerate(every if len(every) > 1 else ()):
            figures = one[one["epoch"] == kept].drop(columns="epoch")
            for row in figures.to_dict("records"):
                values = {str(name): value for name, value in row.items()}
                self.part(f"member {number}", values, {"fold left out": number})

    def model(
        self,
        bundle: Path,
        script: Path,
        classes: list[str],
        columns: Mapping[str, Literal["double", "string"]] | None = None,
        columns_of_text: Sequence[str] = (),
    ) -> None:
        """Let MLflow serve a bundle: code around the bundle's files, no pickle.

        It takes a table and gives the probability of each class, decision and problem.

        Parameters
        ----------
        bundle : Path
            Folder of the bundle, in the run's folder.
        script : Path
            The Python file that serves it.
        classes : list of str
            Names, in the order of the probabilities.
        columns : mapping, optional
            Columns of the table that it takes: name -> ``double`` or ``string``; by default
            ``path`` alone, which is returned, too.
        columns_of_text : sequence of str
            Further columns of text in its answer.
        """
        texts = [*(["path"] if columns is None else []), "decision", "problem", *columns_of_text]
        inside = script.is_relative_to(PACKAGE)
        self.record.model = ModelRecord(
            bundle=bundle.name,
            script=script.relative_to(PACKAGE).as_posix() if inside else str(script),
            inputs=dict(columns or {"path": "string"}),
            outputs={f"prob_{name}": "double" for name in classes} | dict.fromkeys(texts, "string"),
        )

    def save(self, folder: Path, error: BaseException | None = None) -> None:
        """Write the record into a run's folder.

        Parameters
        ----------
        folder : Path
            Of the run.
        error : BaseException, optional
            How it failed, if it did.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.record.ended = self.record.ended or now
        if error is not None:
            self.record.state = "FAILED"
            self.record.description = f"Failed: {published_error(error)}"
            self.record.model = None
        there = [name for name in self.record.artifacts if (folder / name).exists()]
        self.record.artifacts = there
        write_json(folder / RECORD, self.record.model_dump(mode="json"))

    def _take(self, values: Mapping[str, Any], step: int) -> None:
        self.record.points += [
            Point(name=clean_name(name), value=float(value), step=step)
            for name, value in values.items()
            if _finite(value)
        ]


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
