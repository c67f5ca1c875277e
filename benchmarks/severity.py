"""Extent and opacity of real radiographs, each patient left out, beside Cohen et al.'s errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import RESULTS, record, result_of
from covidx.cards import load_card
from covidx.config import load_config
from covidx.evaluate import Estimate
from covidx.pipelines.radiograph_severity.config import (
    TRAIN_RADIOGRAPH_SEVERITY,
    TrainRadiographSeverity,
)
from covidx.pipelines.radiograph_severity.train import train_radiograph_severity
from covidx.pipelines.run import TrainedRun
from covidx.pipelines.source import Source

COMMAND = "python -m benchmarks severity"
PUBLISHED = {"extent": 1.14, "opacity": 0.78}
"""Cohen et al., arXiv:2005.11856: mean absolute errors, of another division of the set."""


def severity(data: Path, work: Path, results: Path = RESULTS) -> TrainedRun | None:
    """Learn the scores of covid-chestxray; record both errors. None where the set is absent."""
    folder = data / "covid-chestxray"
    if not folder.is_dir():
        print(f"skipped: covid-chestxray is not at {folder}")
        return None
    source = Source(folder, card=load_card(Path("covid-chestxray")))
    place = work / "benchmarks" / "severity"
    settings = load_config(TRAIN_RADIOGRAPH_SEVERITY, TrainRadiographSeverity)
    found = train_radiograph_severity(settings, source, work=place, runs=place / "runs")
    record(
        {
            f"severity_{name}_mae": result_of(
                found.estimates[f"{name}.mae"], _beside(name, found.estimates), COMMAND
            )
            for name in PUBLISHED
        },
        results,
    )
    return found


def _beside(name: str, estimates: Mapping[str, Estimate]) -> str:
    metrics = {key.removeprefix(f"{name}."): one for key, one in estimates.items()}
    value = {key: one.value for key, one in metrics.items()}
    return (
        f"at most {PUBLISHED[name]:.2f}, published, same set, another division; median for "
        f"everybody {value['mae_control']:.2f}; {metrics['mae'].n} radiographs, each patient left "
        f"out, all choices on inner folds; lungs alone {value['mae_lungs_alone']:.2f}, whole film "
        f"alone {value['mae_film_alone']:.2f}; R2 {value['r2']:.2f}, Spearman "
        f"{value['spearman']:.2f}, weighted kappa {value['kappa']:.2f}"
    )
