"""``covidx runs``: the runs that are here, what each takes on disk, and how to remove them."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from covidx.errors import InvalidInputError, StoreError
from covidx.files import is_alive, read_json
from covidx.forecast import size_text
from covidx.kinds import estimates_of, kind_of_pipeline

if TYPE_CHECKING:
    from covidx.runs import RunRecord

runs_app = typer.Typer(
    help="Runs: list them, show one, remove some, or open MLflow on them.", no_args_is_help=True
)
Run = Annotated[Path, typer.Argument(help="A run's folder, such as runs/train_ct/latest.")]
Runs = Annotated[Path, typer.Option(help="Folder of runs.")]
TABLE = "#/experiments/{}/runs?workflowType=machine_learning"
"""Of runs, in MLflow's page; without this it may open its dashboard for language models."""


@runs_app.command(name="list")
def list_command(runs: Runs = Path("runs")) -> None:
    """A line for each run: state, headline figure and disk use; the newest last."""
    from covidx.runs import read_record

    total = 0
    typer.echo(f"{'run':<52} {'state':<9} {'disk':>9}  figure")
    for folder in _folders(runs):
        record, size = read_record(folder), _size(folder)
        total += size
        name = folder.relative_to(runs).as_posix()
        state, disk = _state(record), size_text(size)
        typer.echo(f"{name:<52} {state:<9} {disk:>9}  {_figure(folder, record)}")
    artifacts = _size(runs / "mlartifacts")
    total_text, copies = size_text(total), size_text(artifacts)
    typer.echo(f"\n{total_text} in runs, {copies} in MLflow's copies of artifacts")


@runs_app.command(name="show")
def show_command(run: Run) -> None:
    """What a run was made of, how long each step took, and what it takes on disk."""
    from covidx.runs import read_record

    folder = run.resolve()
    record = read_record(folder)
    facts = {
        "run": f"{record.pipeline} {record.run_id}",
        "state": _state(record) + (f": {record.error}" if record.error else ""),
        "started": record.started,
        "figure": _figure(folder, record),
        "data": ", ".join(f"{k} {str(v)[:12]}" for k, v in record.data.items()),
        "bundle": record.bundle_sha256 or "none",
        "code": f"commit {record.git_commit or 'unknown'}",
        "machine": f"{record.machine.cpu}, {record.machine.cores} cores, "
        f"{record.machine.threads or 'unknown'} threads",
        "MLflow": record.mlflow_run_id or f"not sent; covidx sync {run}",
    }
    for name, text in facts.items():
        typer.echo(f"{name:<9} {text}")
    typer.echo("\nstep                    seconds")
    for step, seconds in record.seconds.items():
        typer.echo(f"{step:<22} {seconds:>8.1f}")
    typer.echo("\npart                    disk")
    for part in sorted(folder.iterdir(), key=_size, reverse=True):
        typer.echo(f"{part.name:<22} {size_text(_size(part)):>9}")


@runs_app.command(name="rm")
def remove_command(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    work: Annotated[Path, typer.Option(help="Folder of stores and caches.")] = Path("data"),
) -> None:
    """Remove runs, MLflow's copies of their artifacts, and the note of where their data lay."""
    from covidx.runs import read_record

    folders = [(run.resolve(), read_record(run.resolve())) for run in runs]
    for folder, record in folders:
        if _state(record) == "running":
            raise InvalidInputError(
                "RUN_GOES_ON",
                "The run is still going on.",
                path=folder,
                hint="Wait until it has ended, or end its process.",
            )
    for folder, record in folders:
        copies = folder.parents[1] / "mlartifacts" / str(record.mlflow_run_id)
        size = size_text(_size(folder) + _size(copies))
        if not yes:
            typer.confirm(f"Remove {folder} ({size})?", abort=True)
        latest = folder.parent / "latest"
        if latest.is_symlink() and latest.resolve() == folder:
            latest.unlink()
        shutil.rmtree(folder)
        shutil.rmtree(copies, ignore_errors=True)
        if record.mlflow_run_id is not None:
            _forget(record.mlflow_run_id, folder.parents[1])
        (work / "sources" / f"{record.run_id}.json").unlink(missing_ok=True)
        _point_to_newest(folder.parent)
        typer.echo(f"removed  {folder} ({size})")


@runs_app.command(name="mlflow")
def mlflow_command(
    runs: Runs = Path("runs"),
    port: Annotated[int, typer.Option(help="Of this machine.")] = 5000,
) -> None:
    """Open MLflow's page on the runs, and print where their tables are."""
    from covidx.tracking import experiment_numbers, tracking_uri

    uri = tracking_uri(runs)
    is_server = uri.startswith("http")
    if not is_server:
        _need_port(port)
    page = uri.rstrip("/") if is_server else f"http://127.0.0.1:{port}"
    for name, number in experiment_numbers(runs).items():
        typer.echo(f"{name:<26} {page}/{TABLE.format(number)}")
    if not is_server:
        options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        options += ["--backend-store-uri", uri]
        os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *options])  # noqa: S606


def _need_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StoreError(
                "PORT_TAKEN",
                "Another program listens on this port.",
                path=f"127.0.0.1:{port}",
                actual=error.strerror,
                hint="End it, or choose another port with --port (make: PORT=5001).",
            ) from error


def _forget(run_id: str, runs: Path) -> None:
    """Mark a run as deleted in MLflow; where that fails, the run is removed all the same."""
    from covidx.tracking import delete_run

    try:
        delete_run(run_id, runs)
    except StoreError as error:
        typer.echo(f"MLflow keeps its run {run_id}: {error.summary}", err=True)


def _folders(runs: Path) -> Iterator[Path]:
    """The folders of runs, by start."""
    found = (p.parent for p in runs.glob("*/*/run.json") if not p.parent.is_symlink())
    yield from sorted(found, key=lambda folder: (folder.name, folder.parent.name))


def _state(record: RunRecord) -> str:
    """The recorded state; a run whose process is gone was killed."""
    if record.state != "running":
        return record.state
    return "running" if is_alive(int(record.run_id.rpartition("-")[2])) else "killed"


def _figure(folder: Path, record: RunRecord) -> str:
    """The estimate that the run claims first, with its interval."""
    kind, path = kind_of_pipeline(record.pipeline), folder / "metrics.json"
    if kind is None or not path.is_file():
        return "–"
    metrics = read_json(path)
    name = kind.headline_of(metrics)
    if name is None:
        return "–"
    estimate: dict[str, Any] = estimates_of(metrics)[name]
    if estimate["value"] is None or estimate["low"] is None:
        return f"{name} undefined"
    return f"{name} {estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count nothing."""
    if path.is_file() and not path.is_symlink():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file() and not p.is_symlink())


def _point_to_newest(pipeline: Path) -> None:
    """Let ``latest`` name the newest finished run that is left, if it was taken away."""
    from covidx.runs import read_record

    latest = pipeline / "latest"
    if latest.is_symlink():
        return
    left = [p for p in sorted(pipeline.iterdir()) if (p / "run.json").is_file()]
    finished = [p for p in left if read_record(p).state == "finished"]
    if finished:
        latest.symlink_to(finished[-1].name)
