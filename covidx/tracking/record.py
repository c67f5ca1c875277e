"""What MLflow is to show of a run, kept in the run's folder; nothing here needs MLflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from covidx.errors import InvalidInputError

RECORD = "mlflow.json"
ESTIMATES = "estimates.json"
"""Name of the table of estimates among MLflow's artifacts."""
ARTIFACT = "artifact:"
"""Before a path in a description: a picture or page among the run's artifacts."""
PACKAGE = Path(__file__).resolve().parents[1]
NAME_LENGTH = 250
DIGEST_LENGTH = 36
"""Of a data set; MLflow takes no longer one."""
COLUMNS = ("metric", "value", "low", "high", "n", "method", "reason")


class Point(BaseModel):
    """A number at a step, which is an epoch where there are any."""

    name: str
    value: float
    step: int = 0


class DatasetRecord(BaseModel):
    """Which rows a role used: their columns and number, none of their values."""

    name: str
    digest: str
    role: str
    rows: int
    columns: dict[str, str]


class ModelRecord(BaseModel):
    """A bundle that MLflow can serve; paths are below the run's folder and below the package."""

    bundle: str
    script: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class Part(BaseModel):
    """A fold or seed of a run, which MLflow shows below it."""

    name: str
    parameters: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)


class TrackingRecord(BaseModel):
    """``mlflow.json``: all that MLflow is to show of a run, with paths below the run's folder."""

    schema_version: int = 1
    run_id: str
    experiment: str
    name: str
    started: str
    ended: str = ""
    state: Literal["FINISHED", "FAILED"] = "FINISHED"
    description: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    points: list[Point] = Field(default_factory=list)
    kept_epoch: int = 0
    estimates: list[dict[str, Any]] = Field(default_factory=list)
    datasets: list[DatasetRecord] = Field(default_factory=list)
    artifacts: list[str] = Field(default_factory=list)
    model: ModelRecord | None = None
    parts: list[Part] = Field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> TrackingRecord:
        """The record in a run's `folder`.

        Raises
        ------
        InvalidInputError
            ``NOT_RECORDED``: there is none, or it cannot be read.
        """
        path = folder / RECORD
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InvalidInputError(
                "NOT_RECORDED",
                "This folder holds nothing that MLflow could be sent.",
                path=path,
                expected="the folder of a run that has ended, by this version or a later one",
                actual="no such file" if not path.is_file() else error,
                hint="Name a run that covidx runs list shows as finished or failed.",
            ) from error


def clean_name(name: str) -> str:
    """`name` as every MLflow server takes it for a parameter, metric or tag.

    >>> clean_name("auroc_pneumonia (viral)"), clean_name("a//../b"), clean_name("")
    ('auroc_pneumonia_viral', 'a_b', 'unnamed')
    """
    cleaned = re.sub(r"[^\w.\-]+", "_", str(name))
    cleaned = re.sub(r"_*\.{2,}_*", "_", cleaned).strip("_.")
    return cleaned[:NAME_LENGTH] or "unnamed"
