"""Training, a finished run's results, and runs beside each other."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from covidx.config import load_config
from covidx.errors import InvalidInputError
from covidx.files import read_json
from covidx.html import table
from covidx.kinds import resolve, trainings
from covidx.runs import RunRecord, read_record
from covidx.tables import PREDICTIONS, read_table

if TYPE_CHECKING:
    import pandas as pd

Rule = Literal["youden", "sensitivity", "specificity", "cost"]


@dataclass(frozen=True)
class Run:
    """A finished run: its figures, predictions, bundle and report.

    Parameters
    ----------
    folder : Path or str
        Such as ``runs/train_ct/latest``.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).resolve())

    @cached_property
    def record(self) -> RunRecord:
        """What ``run.json`` says: configuration, data, seeds, versions."""
        return read_record(self.folder)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Figure -> value, low, high, n, method, as ``metrics.json`` has them."""
        found: Mapping[str, Any] = read_json(self.folder / "metrics.json")
        return found

    @property
    def predictions(self) -> pd.DataFrame:
        """A row a patient or image, of a classifier; see ``docs/tables.md``.

        Raises
        ------
        InvalidInputError
            ``NOT_CLASSIFIED``: a model of this kind has none.
        """
        path = self.folder / "predictions.parquet"
        if not path.is_file():
            raise InvalidInputError(
                "NOT_CLASSIFIED",
                "A run of this kind has no table of predictions.",
                path=self.folder,
                expected="a run of train ct, cxr, clinical or fusion",
            )
        return read_table(path, PREDICTIONS)

    @property
    def bundle(self) -> Path:
        """The model's folder: `load` reads it."""
        return self.folder / "bundle"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def open(self) -> None:
        """Open the report in a browser."""
        webbrowser.open(self.report.as_uri())

    def __repr__(self) -> str:
        return f"Run({self.record.pipeline} {self.record.run_id}, {self.record.state})"

    def _repr_html_(self) -> str:
        rows = [("", "value", "95 % interval", "n")]
        for name, one in self.metrics.items():
            if isinstance(one, Mapping) and isinstance(one.get("value"), float):
                low, high = one.get("low"), one.get("high")
                interval = "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"
                rows.append((name, f"{one['value']:.3f}", interval, str(one.get("n", ""))))
        return table(repr(self), rows, [f"Report: {self.report}"])


def train(
    kind: str,
    data: Path | str | None = None,
    labels: Path | str | None = None,
    *,
    settings: Sequence[str] | Mapping[str, Any] = (),
    card: Path | str | None = None,
    runs: Path | str = "runs",
    work: Path | str = "data",
    **options: Any,
) -> Run:
    """Train, evaluate and explain a model, as ``covidx train KIND`` does.

    Parameters
    ----------
    kind : str
        ``ct``, ``cxr``, ``clinical``, ``fusion``, ``segmentation``, ``detection`` or
        ``radiograph-severity``.
    data, labels : Path or str, optional
        Images (or a table), and their labels; the simulated patients without any.
    settings : sequence of str, or mapping
        Over the kind's YAML: ``["volume.learning.epochs=3"]`` or
        ``{"volume.learning.epochs": 3}``.
    card : Path or str, optional
        Data card: a path, or a known name.
    runs, work : Path or str
        Folder of runs; of stores and caches.
    **options
        Further ones, as the kind takes them: table (of the same patients), masks, positive,
        columns (ours to theirs), label_map.

    Raises
    ------
    InvalidInputError
        ``KIND_UNKNOWN``, ``OPTION_UNKNOWN``, or as the training.
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    from covidx.pipelines.source import named_source

    found = next(((k, t) for k, t in trainings() if t.verb == kind), None)
    if found is None:
        raise InvalidInputError(
            "KIND_UNKNOWN",
            "There is no such kind of model.",
            expected=", ".join(training.verb for _, training in trainings()),
            actual=kind,
        )
    model, training = found
    pairs = (
        [f"{key}={value}" for key, value in settings.items()]
        if isinstance(settings, Mapping)
        else list(settings)
    )
    config = load_config(resolve(training.settings), resolve(training.config), pairs)
    if labels is not None:
        options["labels"] = Path(labels)
    if unknown := set(options) - training.source_fields:
        raise InvalidInputError(
            "OPTION_UNKNOWN",
            f"covidx.train does not take this for {kind}.",
            expected=", ".join(sorted(training.source_fields)),
            actual=", ".join(sorted(unknown)),
        )
    named: dict[str, Any] = {
        name: Path(value) if name in ("table", "masks") else value
        for name, value in options.items()
    }
    source = named_source(
        None if data is None else Path(data),
        None if card is None else Path(card),
        find=training.images,
        **named,
    )
    done = resolve(model.train)(config, source, work=Path(work), runs=Path(runs))
    return Run(done.folder)


def compare(*runs: Run | Path | str, out: Path | str, rule: Rule = "youden") -> pd.DataFrame:
    """Compare runs, or tables of predictions, on the patients that all of them tested.

    Parameters
    ----------
    *runs : Run, Path or str
        Two or more: folders of runs, or tables of predictions.
    out : Path or str
        Folder of the page ``comparison.html`` and its tables.
    rule : {"youden", "sensitivity", "specificity", "cost"}
        Chooses each threshold on validation rows.

    Returns
    -------
    DataFrame
        A row a pair and metric: first, second, metric, difference, low, high, n, p.

    Raises
    ------
    InvalidInputError
        As ``covidx compare``.
    """
    import pandas as pd

    from covidx.evaluate import ThresholdRule
    from covidx.pipelines.comparison import compare_tables
    from covidx.pipelines.evaluation import Input
    from covidx.pipelines.run_comparison import compare_runs, is_run

    paths = [one.folder if isinstance(one, Run) else Path(one) for one in runs]
    compared = compare_runs if all(map(is_run, paths)) else compare_tables
    found = compared([Input(path) for path in paths], ThresholdRule(rule), Path(out))
    rows = []
    for pair in found.comparisons:
        for name, difference in pair.differences.items():
            test = pair.tests.get(name)
            p = None if test is None or test.reason else test.p
            rows.append((pair.first, pair.second, name, difference.value, difference.low,
                         difference.high, difference.n, p))  # fmt: skip
    columns = ["first", "second", "metric", "difference", "low", "high", "n", "p"]
    return pd.DataFrame(rows, columns=columns)
