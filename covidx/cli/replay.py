"""Training a run again from its record: which pipeline, with which configuration, on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covidx.cli.progress import terminal_bar

if TYPE_CHECKING:
    from covidx.pipelines.progress import Bars
    from covidx.pipelines.remembered import Given

__all__ = ["pipeline_of", "train_again"]


def train_again(
    record: Mapping[str, Any],
    given: Given | None,
    *,
    work: Path,
    runs: Path,
    seed: int | None = None,
    bars: Bars = terminal_bar,
) -> Path:
    """Train as `record` says; ``latest`` stays where it is.

    Parameters
    ----------
    record : mapping
        The ``run.json`` of a finished run.
    given : Given, optional
        What it was trained on; None for the phantom.
    work, runs : Path
        As for training.
    seed : int, optional
        Another seed of division and training than the record's.
    bars : callable
        Opens a progress bar by name.

    Returns
    -------
    Path
        The new run's folder.

    Raises
    ------
    CovidxError
        Whatever the pipeline raises.
    """
    pipeline = str(record["pipeline"])
    model, train = pipeline_of(pipeline)
    config = model.model_validate(record["config"])
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    source = None if given is None else given.source(pipeline)
    with _threads(record.get("machine", {}).get("threads")), _latest_kept(runs / pipeline):
        folder: Path = train(config, source, work=work, runs=runs, bars=bars).folder
    return folder


def pipeline_of(name: str) -> tuple[Any, Callable[..., Any]]:
    """The model of a pipeline's configuration, and what trains by it."""
    from covidx.pipelines.clinical.config import TrainClinical
    from covidx.pipelines.clinical.train import train_clinical
    from covidx.pipelines.detection.config import TrainDetection
    from covidx.pipelines.detection.train import train_detection
    from covidx.pipelines.fusion.config import TrainFusion
    from covidx.pipelines.fusion.train import train_fusion
    from covidx.pipelines.image.config import TrainCT, TrainCXR
    from covidx.pipelines.image.train import train_image
    from covidx.pipelines.radiograph_severity.source import TrainSeverity
    from covidx.pipelines.radiograph_severity.train import train_severity
    from covidx.pipelines.segmentation.config import TrainSegmentation
    from covidx.pipelines.segmentation.train import train_segmentation

    known: dict[str, tuple[Any, Callable[..., Any]]] = {
        "train_ct": (TrainCT, train_image),
        "train_cxr": (TrainCXR, train_image),
        "train_clinical": (TrainClinical, train_clinical),
        "train_fusion": (TrainFusion, train_fusion),
        "train_segmentation": (TrainSegmentation, train_segmentation),
        "train_detection": (TrainDetection, train_detection),
        "train_severity": (TrainSeverity, train_severity),
    }
    return known[name]


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Sums over threads are rounded in another order by another number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _latest_kept(folder: Path) -> Iterator[None]:
    """A replay is not the user's last run: ``latest`` points to what it pointed to."""
    latest = folder / "latest"
    before = latest.readlink() if latest.is_symlink() else None
    yield
    if before is not None and latest.readlink() != before:
        link = folder / f".{latest.readlink()}-latest"
        link.symlink_to(before)
        link.replace(latest)
