"""Extent and opacity of real radiographs, each patient left out, beside Cohen et al.'s errors."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import RESULTS, record, result_of
from covidx.cards import load_card
from covidx.config import load_config
from covidx.evaluate import Estimate
from covidx.pipelines.radiograph_severity.source import TRAIN_SEVERITY, TrainSeverity, scored_source
from covidx.pipelines.radiograph_severity.train import TrainedSeverity, train_severity
from covidx.pipelines.sources import Source

__all__ = ["severity"]

COMMAND = "python -m benchmarks severity"
PUBLISHED = {"extent": 1.14, "opacity": 0.78}
"""Cohen et al., arXiv:2005.11856: mean absolute errors, of another division of the set."""


def severity(data: Path, work: Path, results: Path = RESULTS) -> TrainedSeverity | None:
    """Learn the scores of covid-chestxray; record both errors. None where the set is absent."""
    folder = data / "covid-chestxray"
    if not folder.is_dir():
        print(f"skipped: covid-chestxray is not at {folder}")
        return None
    source = scored_source(Source(folder, None, load_card(Path("covid-chestxray"))), None, None)
    place = work / "benchmarks" / "severity"
    settings = load_config(TRAIN_SEVERITY, TrainSeverity)
    found = train_severity(settings, source, work=place, runs=place / "runs")
    record(
        {
            f"severity_{name}_mae": result_of(
                metrics["mae"], _beside(name, metrics, found.patients), COMMAND
            )
            for name, metrics in found.metrics.items()
        },
        results,
    )
    return found


def _beside(name: str, metrics: dict[str, Estimate], patients: int) -> str:
    return (
        f"at most {PUBLISHED[name]:.2f}, published, same set, another division; median for "
        f"everybody {metrics['mae_control'].value:.2f}; {patients} patients, each left out, all "
        f"choices on inner folds; lungs alone {metrics['mae_lungs_alone'].value:.2f}, whole film "
        f"alone {metrics['mae_film_alone'].value:.2f}; R2 {metrics['r2'].value:.2f}, Spearman "
        f"{metrics['spearman'].value:.2f}, weighted kappa {metrics['kappa'].value:.2f}"
    )
