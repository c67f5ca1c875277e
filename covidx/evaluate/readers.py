"""The system beside human readers of the same patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.cell_numbers import to_numbers
from covidx.cells import as_ids, read_cells
from covidx.errors import InvalidTableError
from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.decisions import share, share_difference
from covidx.evaluate.deferred import Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.evaluate.significance import CLUSTERED, PValue, holm, mcnemar, no_test
from covidx.evaluate.weighted import BoolArray
from covidx.files import plain_object
from covidx.wording import listed

READ_CUT = 4
"""Rating from 1 to 5 from which a read counts as positive: high suspicion, as in CO-RADS 4
(Prokop et al., Radiology 2020;296:E97-E104)."""

NO_POINT = "the system has no threshold"


@dataclass(frozen=True)
class Reader:
    """One reader's figures, and the system's minus the reader's on the same patients.

    Parameters
    ----------
    name : str
        As in the table of reads.
    cut : int
        Read from which the reader's decision is positive.
    n, missing : int
        Test rows that the reader read, and did not read.
    sensitivity, specificity : Estimate
        Of the reader's decisions, on the rows read.
    roc_points : list of (int, float, float)
        Cut, false positive rate and sensitivity at it, each 0 to 1: the reader's points on the ROC.
    differences : dict
        ``sensitivity`` and ``specificity``: the system's minus the reader's.
    tests : dict
        McNemar's p-values of these, corrected over the readers.
    """

    name: str
    cut: int
    n: int
    missing: int
    sensitivity: Estimate
    specificity: Estimate
    roc_points: list[tuple[int, float, float]]
    differences: dict[str, Estimate]
    tests: dict[str, PValue]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        points = [{"from": k, "false_alarms": x, "sensitivity": y} for k, x, y in self.roc_points]
        return plain_object(
            {
                "reader": self.name,
                "positive_from": self.cut,
                "n": self.n,
                "not_read": self.missing,
                "sensitivity": self.sensitivity,
                "specificity": self.specificity,
                "roc_points": points,
                "system_minus_reader": self.differences,
                "tests": self.tests,
            }
        )


def read_reads(path: Path) -> pd.DataFrame:
    """Read a table of reads: ``patient_id`` or ``unit_id``, ``reader``, ``read``.

    Parameters
    ----------
    path : Path
        CSV, one row for each patient or image and reader; ``read`` is 0 or 1, or a rating from 1
        to 5.

    Returns
    -------
    DataFrame
        Columns ``key`` (the id's column), ``id``, ``reader``, ``read``, and ``rated``: whether
        the reader gave ratings from 1 to 5. A reader who gave nothing but 1 is taken to have rated
        where another reader has.

    Raises
    ------
    InvalidTableError
        ``COLUMNS_MISSING``, ``READ_INVALID``, ``DUPLICATE_READS``.
    """
    raw = read_cells(path)
    key = next((name for name in ("unit_id", "patient_id") if name in raw), None)
    if key is None or not {"reader", "read"} <= set(raw.columns):
        raise InvalidTableError(
            "COLUMNS_MISSING",
            "The table of reads lacks columns.",
            path=path,
            expected="unit_id or patient_id, reader, read",
            actual=", ".join(map(str, raw.columns)),
        )
    raw[key] = as_ids(raw[key])
    reads = pd.DataFrame({"key": key, "id": raw[key], "reader": raw["reader"]})
    reads["read"] = to_numbers(raw["read"]).values
    wrong = raw[~reads["read"].isin(range(6)) | raw[[key, "reader"]].isna().any(axis=1)]
    _refuse(path, "READ_INVALID", "Reads are not 0 or 1, nor a rating from 1 to 5.", wrong)
    any_rating = bool(reads["read"].gt(1).any())
    by_reader = reads.groupby("reader")["read"]
    reads["rated"] = by_reader.transform(
        lambda values: values.gt(1).any() or (any_rating and not values.eq(0).any())
    )
    for _, values in by_reader:
        if values.eq(0).any() and values.gt(1).any():
            mixed = raw.loc[values.index][values.eq(0)]
            _refuse(path, "READ_INVALID", "A reader has both 0 and ratings above 1.", mixed)
    twice = raw[reads.duplicated(["reader", "id"])]
    _refuse(path, "DUPLICATE_READS", "A reader read one patient twice.", twice)
    return reads


def _refuse(path: Path, code: str, message: str, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    lines = [
        f"line {i + 2} ({', '.join(map(str, r))})"
        for i, r in zip(rows.index, rows.to_numpy(), strict=True)
    ]
    raise InvalidTableError(code, message, path=path, actual=listed(lines))


def unmatched_reads(rows: Rows, reads: pd.DataFrame) -> str | None:
    """A sentence on the `reads` that match none of the test `rows`; None where all of them do."""
    ids = rows.units if reads["key"].iloc[0] == "unit_id" else rows.patients
    unmatched = reads.loc[~reads["id"].isin(ids), "id"]
    if unmatched.empty:
        return None
    return f"{len(unmatched)} belong to no test row: {listed(unmatched.astype(str).unique())}"


def compare_readers(
    rows: Rows,
    reads: pd.DataFrame,
    point: OperatingPoint | None,
    *,
    cut: int = READ_CUT,
    seed: int = 0,
    resamples: int = 2000,
) -> list[Reader]:
    """Each reader beside the system, on the patients that this reader read.

    A read of 0 or 1 is a decision; a rating from 1 to 5 is positive from `cut`. McNemar's test
    of sensitivity among the positives and of specificity among the others, Holm's correction
    over the readers for each of them.

    Parameters
    ----------
    rows : Rows
        Test rows of the system.
    reads : DataFrame
        From `read_reads`.
    point : OperatingPoint, optional
        The system's threshold; without it nothing is tested.
    cut : int
        Rating from 1 to 5 from which a read is positive.
    seed, resamples : int
        As in `compute`.

    Raises
    ------
    InvalidTableError
        ``READS_UNMATCHED`` if no read belongs to a test row.
    """
    key = str(reads["key"].iloc[0])
    ids = rows.units if key == "unit_id" else rows.patients
    if not reads["id"].isin(ids).any():
        raise InvalidTableError(
            "READS_UNMATCHED",
            "No read belongs to a test row.",
            expected=f"{key} such as {ids[0]}",
            actual=", ".join(map(str, reads["id"].head(3))),
        )
    readers = []
    for name, own in reads.groupby("reader", sort=True):
        values = own.set_index("id")["read"].reindex(ids).to_numpy(np.float64)
        if not np.isnan(values).all():
            own_cut = cut if own["rated"].iloc[0] else 1
            readers.append(_reader(str(name), rows, values, point, own_cut, (seed, resamples)))
    for metric in ("sensitivity", "specificity"):
        tests = holm([reader.tests[metric] for reader in readers])
        for reader, test in zip(readers, tests, strict=True):
            reader.tests[metric] = test
    return readers


def _reader(
    name: str,
    all_rows: Rows,
    values: FloatArray,
    point: OperatingPoint | None,
    cut: int,
    drawing: tuple[int, int],
) -> Reader:
    is_read = ~np.isnan(values)
    rows, reads = all_rows.take(is_read), values[is_read]
    called = reads >= cut
    truth, clusters = rows.truth, rows.clusters
    metrics: Estimates = {
        "sensitivity": share(called, truth, clusters, "no positive rows"),
        "specificity": share(~called, ~truth, clusters, "no negative rows"),
    }
    tests = {}
    for metric, among in (("sensitivity", truth), ("specificity", ~truth)):
        if point is None:
            tests[metric] = no_test(int(among.sum()), "McNemar", NO_POINT)
            continue
        right = [(decided == truth) & among for decided in (point.decide(rows.scores), called)]
        metrics[f"{metric} minus"] = share_difference(
            right[0], right[1], among, clusters, ONE_CLASS
        )
        if clusters.several_rows:
            tests[metric] = no_test(int(among.sum()), "none", CLUSTERED)
        else:
            tests[metric] = mcnemar(right[0][among], right[1][among])
    seed, resamples = drawing
    estimates = compute(metrics, clusters, seed=seed, resamples=resamples)
    return Reader(
        name=name,
        cut=cut,
        n=len(rows),
        missing=len(all_rows) - len(rows),
        sensitivity=estimates.pop("sensitivity"),
        specificity=estimates.pop("specificity"),
        roc_points=_roc_points(reads, truth, [1] if cut == 1 else [2, 3, 4, 5]),
        differences={k.removesuffix(" minus"): v for k, v in estimates.items()},
        tests=tests,
    )


def _roc_points(
    reads: FloatArray, truth: BoolArray, cuts: list[int]
) -> list[tuple[int, float, float]]:
    """Each cut with its false positive rate and sensitivity; none where one class is absent."""
    if not truth.any() or truth.all():
        return []
    return [
        (k, float((reads >= k)[~truth].mean()), float((reads >= k)[truth].mean())) for k in cuts
    ]
