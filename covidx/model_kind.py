"""What a kind of model is: the names of its parts, verbs, files and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any


def _pipeline(verb: str) -> str:
    return f"train_{verb.replace('-', '_')}"


@dataclass(frozen=True)
class Training:
    """A verb of ``covidx train``.

    Parameters
    ----------
    verb : str
        Its name on the command line, such as ``ct``.
    help : str
        One line for ``covidx train --help``.
    config : str
        Import string of the model of its configuration.
    settings : str
        Import string of the path of the YAML that holds its defaults.
    options : tuple of str
        Which fields of a source it takes, besides ``data`` and ``card``: labels, positive, table,
        masks.
    phantom : str
        The phantom cohort that it trains on without data (ct, cxr, distracted or clinical), or the
        field of its configuration that names one.
    phantom_table : str
        The file of that cohort that the field ``table`` names.
    images : bool
        Whether it learns from images.
    table_option : str
        What the command line calls the field ``table``.
    former_verb : str
        A name that it had before, which is still taken, with a notice; empty if it had none.
    """

    verb: str
    help: str
    config: str
    settings: str
    options: tuple[str, ...] = ()
    phantom: str = "ct"
    phantom_table: str = "clinical.csv"
    images: bool = True
    table_option: str = "table"
    former_verb: str = ""

    @property
    def source_fields(self) -> set[str]:
        """`options`, and how labels are called where there are any."""
        named = {"columns", "label_map"} if "labels" in self.options else set()
        return {*self.options, *named}

    @property
    def pipeline(self) -> str:
        """The name of its folder of runs."""
        return _pipeline(self.verb)

    @property
    def pipelines(self) -> tuple[str, ...]:
        """That name, and the one that runs had under the former verb."""
        return tuple(_pipeline(verb) for verb in (self.verb, self.former_verb) if verb)


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Parameters
    ----------
    name : str
        As ``bundle.json`` has it.
    trainings : tuple of Training
        What makes such a model.
    train : str
        Import string of the pipeline: (config, source, *, work, runs, bars) -> `TrainedRun`.
    bundle, predictor : str
        Import strings of the model of ``bundle.json``, and of what loads a bundle and predicts.
    verbs : tuple of str
        The verbs that take its bundles, the usual one first.
    files : tuple of str
        What a run leaves in its folder, besides what every run has and `tables`.
    tables : mapping
        Tables of results by file -> the columns that name a row. Without any, rows are compared in
        their order.
    headline : tuple of str
        Patterns of the estimate that a run claims first; the first that occurs counts.
    arm : str, optional
        The arm of ``predictions.parquet`` that the metrics are of; None where nothing is
        classified.
    rescore : str, optional
        Import string of what scores a run's rows again for its audit.
    evidence : str, optional
        Import string of what a run of this kind shows for items of reporting checklists.
    seeded : bool
        Whether the headline estimate depends on the seed.
    """

    name: str
    trainings: tuple[Training, ...]
    train: str
    bundle: str
    predictor: str
    verbs: tuple[str, ...] = ("predict",)
    files: tuple[str, ...] = ()
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headline: tuple[str, ...] = ("auroc",)
    arm: str | None = None
    rescore: str | None = None
    evidence: str | None = None
    seeded: bool = True

    def headline_of(self, metrics: Mapping[str, Any]) -> str | None:
        """The name of the estimate that a run with these `metrics` claims first, or None."""
        names = estimates_of(metrics)
        return next((n for wanted in self.headline for n in names if fnmatch(n, wanted)), None)


def estimates_of(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """The estimates of a ``metrics.json`` by dotted name, however deep they lie.

    Parameters
    ----------
    metrics : mapping
        The file's content, or a part of it.
    prefix : str
        The dotted name of that part.

    Examples
    --------
    >>> estimates_of({"extent": {"mae": {"value": 1.0}}})
    {'extent.mae': {'value': 1.0}}
    """
    estimates: dict[str, dict[str, Any]] = {}
    for key, part in metrics.items():
        name = f"{prefix}.{key}".lstrip(".")
        if isinstance(part, dict):
            estimates |= {name: part} if "value" in part else estimates_of(part, name)
    return estimates
