"""Training a run again from its record: which pipeline, with which configuration, on what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from covidx.cli.progress import terminal_bar
from covidx.kinds import kind_of_pipeline, resolve, training_named

if TYPE_CHECKING:
    from covidx.pipelines.progress import Bars
    from covidx.pipelines.run import TrainedRun
    from covidx.pipelines.source import Source
    from covidx.runs import RunRecord


def train_again(
    record: RunRecord,
    source: Source | None,
    *,
    work: Path,
    runs: Path,
    seed: int | None = None,
    bars: Bars = terminal_bar,
) -> Path:
    """Train as a record says; ``latest`` stays where it is.

    Parameters
    ----------
    record : RunRecord
        Of a finished run.
    source : Source, optional
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
    training, kind = training_named(record.pipeline), kind_of_pipeline(record.pipeline)
    assert kind is not None
    config = resolve(training.config).model_validate(record.config)
    if seed is not None:
        config = config.model_copy(update={"seed": seed})
    train = resolve(kind.train)
    with _threads(record.machine.threads), _latest_kept(runs / training.pipeline):
        trained: TrainedRun = train(config, source, work=work, runs=runs, bars=bars)
    return trained.folder


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
