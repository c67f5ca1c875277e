"""What a kind of model needs to be tested elsewhere, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from covidx.clinical.drift import Period, Week
from covidx.cohort import Classes
from covidx.evaluate import Metrics
from covidx.pipelines.progress import Bars
from covidx.pipelines.source import Source
from covidx.report import CaseRow
from covidx.runs import RunFolder


@dataclass(frozen=True, eq=False)
class Request:
    """A run, and the second data set that it is tested on.

    Parameters
    ----------
    run : Path
        Folder of the finished run.
    source : Source
        The second data set.
    mapping : mapping
        Label of it -> class of the model, or ``rest``.
    period : str
        Over which drift is shown: ``week`` or ``month``.
    work : Path
        Takes stores and caches.
    bars : callable
        Opens a progress bar by name.
    """

    run: Path
    source: Source
    mapping: Mapping[str, str]
    period: Period
    work: Path
    bars: Bars


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """A second data set, scored.

    Parameters
    ----------
    predictions : DataFrame
        As `tables.PREDICTIONS`, all of role test.
    digests : dict
        The ``data`` of the record.
    notes : list of str
        What was left out, mapped or not prepared, with counts.
    outside : list of str
        Why scores may not be interpreted, each with the number of images or rows.
    dates : Series, optional
        unit_id -> day, where days are known.
    weeks : list of Week
        Of clinical rows with dates: drift of the columns, too.
    draw_cases : callable, optional
        Draws heatmaps of images, given the metrics and a folder.
    tables : dict
        File name -> table that the test keeps, besides the predictions.
    """

    predictions: pd.DataFrame
    digests: dict[str, str | None]
    notes: list[str]
    outside: list[str]
    dates: pd.Series | None = None
    weeks: list[Week] = field(default_factory=list)
    draw_cases: Callable[[Metrics, Path], list[CaseRow]] | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Tested:
    """One kind of model, ready for a second data set; nothing of it was ingested yet.

    Parameters
    ----------
    classes : Classes
        Of the model.
    bundle_sha256 : str
        Of its bundle.
    arm : str
        The arm of the run's predictions that is tested.
    notes : sequence of str
        What is already known of the labels.
    score : callable
        Ingests and scores.
    """

    classes: Classes
    bundle_sha256: str
    arm: str
    notes: Sequence[str]
    score: Callable[[RunFolder], ScoredRows]
