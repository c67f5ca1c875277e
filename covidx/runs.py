"""A run's folder: its id, its record of what went in, and ``latest`` beside it."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from covidx import __version__
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError, StoreError, published_error
from covidx.files import make_folder, sha256_file, sha256_json, write_json

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
AFTER = ("audit", "cli", "export", "report")
"""Rooms that show or examine what a run made, and shape no result."""
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "monai",
    "scikit-learn",
    "numpy",
    "pydicom",
    "mlflow",
)


class Machine(BaseModel):
    """What of a machine may shape a result; nothing that names it."""

    cores: int | None = None
    processor: str = ""
    cpu: str = ""
    threads: int | None = Field(None, description="of torch: sums over threads round differently")


class SourceRecord(BaseModel):
    """What a run was trained on, by digests of the files that the user named."""

    kind: Literal["phantom", "given"]
    public_ids: bool
    positive: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    label_map: dict[str, str] = Field(default_factory=dict)
    labels_sha256: str | None = None
    table_sha256: str | None = None
    masks_sha256: str | None = None


class RunRecord(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(extra="allow")  # runs of earlier versions have other keys, too

    schema_version: int = Field(1, description="2 since details have a key of their own")
    run_id: str
    pipeline: str
    notice: str = RESEARCH_NOTICE
    started: str
    git_commit: str | None = None
    code_sha256: str | None = None
    lock_sha256: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    machine: Machine = Field(default_factory=Machine)
    seconds: dict[str, float] = Field(default_factory=dict)
    state: Literal["running", "finished", "failed"]
    error: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    mlflow_run_id: str | None = None
    source: SourceRecord | None = None
    data: dict[str, str | None] = Field(
        default_factory=dict, description="digests of what was learnt from"
    )
    bundle_sha256: str | None = None
    resumed_from_epoch: int | None = None
    details: dict[str, Any] = Field(
        default_factory=dict, description="what a pipeline notes besides"
    )


def read_record(folder: Path) -> RunRecord:
    """The record of the run in a folder, whatever its state.

    Parameters
    ----------
    folder : Path
        Such as ``runs/train_ct/latest``.

    Raises
    ------
    InvalidInputError
        ``RUN_MISSING``: there is no ``run.json``, or it is not the record of a run.
    """
    path = folder / "run.json"
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        actual = "no such file" if not path.is_file() else error
        raise InvalidInputError(
            "RUN_MISSING",
            "There is no run here, or its record cannot be read.",
            path=folder,
            expected="a folder with run.json, such as runs/train_ct/latest",
            actual=actual,
            hint="Name one of those that covidx runs list shows.",
        ) from error


def versions() -> dict[str, str]:
    """Versions of covidx, Python and what shapes a result."""
    known = {"covidx": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "missing"
    return known


def git_commit() -> str | None:
    """Commit of the checkout that covidx runs from, ``+changes`` if it has any; None elsewhere."""
    if not (ROOT / ".git").exists():  # an installed wheel may lie inside another repository
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        commit, changed = (
            subprocess.run(  # noqa: S603
                [*git, *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changed else "")


def lock_digest() -> str | None:
    """SHA-256 of the lock file beside the package; None for an installed wheel."""
    return sha256_file(LOCK) if LOCK.is_file() else None


def code_digest() -> str:
    """SHA-256 of the Python files of covidx that shape a result, committed or not."""
    package = Path(__file__).resolve().parent
    files = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    return sha256_json(
        {name: sha256_file(path) for name, path in files.items() if name.split("/")[0] not in AFTER}
    )


def machine() -> Machine:
    """This machine, without anything that names it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return Machine(
        cores=os.cpu_count(),
        processor=platform.machine(),
        cpu=models[0] if models else platform.processor(),
    )


def provenance(record: RunRecord, bundle_sha256: str) -> list[tuple[str, str]]:
    """Bundle, code and run, as the facts of a report.

    Parameters
    ----------
    record : RunRecord
        For commit, lock and ids of the run.
    bundle_sha256 : str
        Digest of the run's bundle.
    """
    return [
        ("Bundle", bundle_sha256),
        ("Code", f"commit {record.git_commit or 'unknown'}; lock {record.lock_sha256}"),
        ("Run", f"{record.run_id} (MLflow: tag covidx.run_id)"),
    ]


class RunFolder:
    """``runs/<pipeline>/<id>/``.

    Parameters
    ----------
    pipeline : str
        What runs, such as ``train_ct``.
    runs : Path
        Folder of all runs.

    Attributes
    ----------
    path : Path
        The folder.
    record : RunRecord
        Becomes ``run.json``.

    Raises
    ------
    StoreError
        ``IN_USE``: another run has this id.
    """

    def __init__(self, pipeline: str, runs: Path) -> None:
        started = datetime.now(UTC)
        self.run_id = started.strftime("%Y%m%dT%H%M%S") + f"-{os.getpid()}"
        self.path = runs / pipeline / self.run_id
        make_folder(self.path.parent)
        try:
            self.path.mkdir()
        except FileExistsError as error:
            raise StoreError(
                "IN_USE",
                "Another process has made the folder of this run.",
                path=self.path,
                hint="Start it again.",
            ) from error
        self.record = RunRecord(
            schema_version=2,
            run_id=self.run_id,
            pipeline=pipeline,
            started=started.isoformat(timespec="seconds"),
            git_commit=git_commit(),
            code_sha256=code_digest(),
            lock_sha256=lock_digest(),
            versions=versions(),
            machine=machine(),
            state="running",
        )
        self.save()

    def save(self) -> None:
        """Write ``run.json``."""
        write_json(self.path / "run.json", self.record.model_dump(mode="json"))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the step `name` into the record."""
        start = time.perf_counter()
        yield
        self.record.seconds[name] = round(time.perf_counter() - start, 1)
        self.save()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Mark the run finished and point ``latest`` to it, or mark it failed, by SIGTERM too."""
        try:
            with _ended_by_sigterm():
                yield
        except BaseException as error:
            self.record.state, self.record.error = "failed", published_error(error)
            self.save()
            raise
        self.record.state = "finished"
        self.save()
        link = self.path.parent / f".latest-{self.run_id}"
        link.symlink_to(self.run_id)
        link.replace(self.path.parent / "latest")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the run is closed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
