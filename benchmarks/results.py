"""``benchmarks/results.json``: every measured figure with its interval, command and commit."""

from __future__ import annotations

import fcntl
import math
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from covidx.config import Config
from covidx.errors import InvalidTableError
from covidx.evaluate import Estimate
from covidx.files import read_json, write_json
from covidx.runs import git_commit

RESULTS = Path(__file__).with_name("results.json")


class Result(Config):
    """One measured figure.

    Parameters
    ----------
    value, low, high : float
        The estimate and its 95 % interval, or the range of the runs where it says so in `against`.
    n : int
        What it was measured on: rows, patients, runs or starts.
    against : str
        What it is to be read beside: a control, a limit, a published figure.
    command : str
        Measures it again.
    commit : str, optional
        Of the code that made it; ``+changes`` if the checkout had any.
    """

    value: float
    low: float
    high: float
    n: int = Field(ge=1)
    against: str = Field(min_length=1)
    command: str = Field(min_length=1)
    commit: str | None

    @model_validator(mode="after")
    def _holds(self) -> Result:
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise ValueError("value, low and high must be finite numbers")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"the value {self.value} lies outside {self.low} to {self.high}")
        return self


_TABLE = TypeAdapter(dict[str, Result])


@cache
def commit_now() -> str | None:
    """The commit, asked once a process: writing results changes the checkout."""
    return git_commit()


def result_of(estimate: Estimate, against: str, command: str, commit: str | None = None) -> Result:
    """Turn an estimate into a result; the commit is the present one unless given."""
    low, high = min(estimate.low, estimate.value), max(estimate.high, estimate.value)
    return Result(
        value=round(estimate.value, 4),
        low=round(low, 4),
        high=round(high, 4),
        n=estimate.n,
        against=against,
        command=command,
        commit=commit or commit_now(),
    )


def result_of_runs(
    values: Sequence[float], against: str, command: str, *, digits: int, n: int | None = None
) -> Result:
    """Median and range of runs; `n` is what they were measured on, by default their number."""
    return Result(
        value=round(statistics.median(values), digits),
        low=round(min(values), digits),
        high=round(max(values), digits),
        n=len(values) if n is None else n,
        against=against,
        command=command,
        commit=commit_now(),
    )


def read_results(path: Path = RESULTS) -> dict[str, Result]:
    """Read and check the results; none where there is no file yet.

    Raises
    ------
    InvalidTableError
        ``RESULTS_INVALID``, naming each field at fault.
    """
    if not path.exists():
        return {}
    try:
        return _TABLE.validate_python(read_json(path))
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        ]
        raise InvalidTableError(
            "RESULTS_INVALID", "The results do not fit.", path=path, actual="; ".join(faults)
        ) from error


def record(found: Mapping[str, Result], path: Path = RESULTS) -> dict[str, Result]:
    """Put results in place of those of the same names; all others stay as they are.

    Parameters
    ----------
    found : mapping
        Name -> result.
    path : Path

    Returns
    -------
    dict
        All results, sorted by name, as they now are in the file.
    """
    with _one_writer(path.parent):
        merged = dict(sorted((read_results(path) | dict(found)).items()))
        write_json(path, {name: result.model_dump() for name, result in merged.items()})
    for name, one in found.items():
        print(f"{name:<30} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})  n = {one.n}")
    return merged


@contextmanager
def _one_writer(folder: Path) -> Iterator[None]:
    """Queue writers by a lock on the folder itself, which leaves no file behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
