"""A run's folder: its id, its record of what went in, and ``latest`` beside it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from covidx import __version__
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import StoreError
from covidx.files import make_folder, sha256_file, sha256_json, write_json

__all__ = [
    "RunFolder",
    "code_digest",
    "git_commit",
    "lock_digest",
    "machine",
    "provenance",
    "versions",
]

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


def versions() -> dict[str, str]:
    """Versions of covidx, Python and what shapes a result."""
    found = {"covidx": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def git_commit() -> str | None:
    """Commit of the checkout that covidx runs from, ``+changes`` if it has any; None elsewhere."""
    if not (ROOT / ".git").exists():  # an installed wheel may lie inside another repository
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run(  # noqa: S603
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(  # noqa: S603
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout.strip()
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


def machine() -> dict[str, Any]:
    """What of the machine may shape a result; nothing that names it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "cpu": models[0] if models else platform.processor(),
    }


def provenance(record: Mapping[str, Any], bundle_sha256: str) -> list[tuple[str, str]]:
    """Bundle, code and run, as the facts of a report."""
    return [
        ("Bundle", bundle_sha256),
        ("Code", f"commit {record['git_commit'] or 'unknown'}; lock {record['lock_sha256']}"),
        ("Run", f"{record['run_id']}; MLflow run {record['mlflow_run_id']}"),
    ]


@dataclass
class RunFolder:
    """``runs/<pipeline>/<id>/``.

    Parameters
    ----------
    pipeline : str
    runs : Path
    record : dict
        Becomes ``run.json``.
    """

    pipeline: str
    runs: Path
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        started = datetime.now(UTC)
        self.run_id = started.strftime("%Y%m%dT%H%M%S") + f"-{os.getpid()}"
        self.path = self.runs / self.pipeline / self.run_id
        make_folder(self.path.parent)
        try:
            self.path.mkdir()
        except FileExistsError as error:
            raise StoreError(
                "IN_USE", "This run's folder is taken.", path=self.path, hint="Start it again."
            ) from error
        self.record |= {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "notice": RESEARCH_NOTICE,
            "started": started.isoformat(timespec="seconds"),
            "git_commit": git_commit(),
            "code_sha256": code_digest(),
            "lock_sha256": lock_digest(),
            "versions": versions(),
            "machine": machine(),
            "seconds": {},
            "state": "running",
        }
        self.save()

    def save(self) -> None:
        """Write ``run.json``."""
        write_json(self.path / "run.json", json.loads(json.dumps(self.record, default=str)))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step into the record."""
        start = time.perf_counter()
        yield
        self.record["seconds"][name] = round(time.perf_counter() - start, 1)
        self.save()

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Mark the run finished and point ``latest`` to it, or mark it failed."""
        try:
            yield
        except BaseException as error:
            self.record |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
            self.save()
            raise
        self.record["state"] = "finished"
        self.save()
        link = self.path.parent / f".latest-{self.run_id}"
        link.symlink_to(self.run_id)
        link.replace(self.path.parent / "latest")
