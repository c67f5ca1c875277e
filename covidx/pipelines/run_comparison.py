"""Compare trained runs on the patients that all of them tested, and show the page beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from covidx.errors import InvalidInputError
from covidx.evaluate import ThresholdRule
from covidx.files import make_folder, read_json
from covidx.kinds import kind_of_pipeline
from covidx.pipelines.comparison import Compared, compare_tables
from covidx.pipelines.evaluation import Input
from covidx.pipelines.tracked import annotate_run
from covidx.runs import RunRecord, read_record
from covidx.tables import PREDICTIONS, read_table, write_table

DIGESTS = {
    "split_sha256": "division",
    "manifest_sha256": "images",
    "table_sha256": "clinical table",
}
"""Of ``run.json`` -> what they are of."""
SHORT = 8


@dataclass(frozen=True, eq=False)
class _Run:
    folder: Path
    record: RunRecord
    arm: str
    table: pd.DataFrame

    @property
    def name(self) -> str:
        return f"{self.record.pipeline}-{self.record.run_id}"

    @property
    def tested(self) -> set[str]:
        return set(self.table.loc[self.table["role"] == "test", "unit_id"])


def is_run(path: Path) -> bool:
    """Whether `path` is the folder of a run."""
    return (path / "run.json").is_file()


def compare_runs(
    sources: Sequence[Input], how: ThresholdRule, out: Path, *, resamples: int = 2000
) -> Compared:
    """Compare classifiers on the test patients that all runs share, and write ``comparison.html``.

    Where the runs divided the patients in different ways, that is said above all figures; patients
    that one of them trained on, or chose its threshold on, are left out. The page is kept in each
    run's folder, too, and MLflow shows it there.

    Parameters
    ----------
    sources : sequence of Input
        Whose predictions are folders of finished runs, such as ``runs/train_ct/latest``; by default
        the arm that a run's metrics are of, and the positive class of the bundles.
    how : ThresholdRule
        Chooses each threshold on the run's own validation rows, or one threshold for all.
    out : Path
        Takes the page, its tables, and the rows that were compared.
    resamples : int
        As in `compare_tables`.

    Raises
    ------
    InvalidInputError
        ``RUN_MISSING``, ``NOT_COMPARABLE`` for a run that classifies nothing, or ``NONE_SHARED``.
    """
    runs = [_read(source.predictions.resolve(), source.arm) for source in sources]
    shared = set.intersection(*(run.tested for run in runs))
    if not shared:
        raise InvalidInputError(
            "NONE_SHARED",
            "No patient or image was tested by all of these runs.",
            actual=", ".join(f"{run.name}: {len(run.tested)} tested" for run in runs),
            hint="Compare runs on the same data set, with the same seed and parts.",
        )
    make_folder(out)
    tables = []
    for run, source in zip(runs, sources, strict=True):
        path = out / f"{run.name}.parquet"
        kept = (run.table["role"] != "test") | run.table["unit_id"].isin(shared)
        write_table(run.table[kept].reset_index(drop=True), path, PREDICTIONS)
        positive = source.positive or _positive(runs)
        tables.append(replace(source, predictions=path, arm=run.arm, positive=positive))
    warnings = _differences(runs, shared)
    compared = compare_tables(tables, how, out, resamples=resamples, warnings=warnings)
    for run in runs:
        others = "-".join(other.record.run_id for other in runs if other is not run)
        annotate_run(
            run.folder, pages={f"comparisons/{others or run.name}.html": out / "comparison.html"}
        )
    return compared


def _read(folder: Path, arm: str | None) -> _Run:
    record = read_record(folder)
    kind = kind_of_pipeline(record.pipeline)
    path = folder / "predictions.parquet"
    if record.state != "finished" or kind is None or kind.arm is None or not path.is_file():
        raise InvalidInputError(
            "NOT_COMPARABLE",
            "This run has no test predictions of a classifier.",
            path=folder,
            expected="a finished run of covidx train ct, cxr, clinical or fusion",
            actual=f"{record.pipeline}, {record.state}",
            hint="Name finished runs of classifiers, as covidx runs list shows them.",
        )
    table, arm = read_table(path, PREDICTIONS), arm or kind.arm
    return _Run(folder, record, arm, table[table["arm"] == arm].reset_index(drop=True))


def _positive(runs: Sequence[_Run]) -> str | None:
    """The positive class of the bundles, where they agree."""
    names = {read_json(run.folder / "bundle" / "bundle.json")["positive"] for run in runs}
    return names.pop() if len(names) == 1 else None


def _differences(runs: Sequence[_Run], shared: set[str]) -> list[str]:
    """What the runs were not given alike, where it bears on the comparison."""
    lines = []
    for key, what in DIGESTS.items():
        values = {run.name: run.record.data.get(key) for run in runs}
        known = {name: value for name, value in values.items() if value is not None}
        if len(set(known.values())) > 1:
            each = ", ".join(f"{name}: {value[:SHORT]}" for name, value in known.items())
            lines.append(f"The runs differ in their {what} ({each}).")
    left_out = {run.name: len(run.tested - shared) for run in runs}
    if any(left_out.values()):
        each = ", ".join(f"{number} of {name}" for name, number in left_out.items())
        lines.append(
            f"Not all were tested by each run: compared are the {len(shared)} that were, without "
            f"{each}. The runs did not learn from the same patients, so that a difference may "
            "be that of their training patients."
        )
    return lines
