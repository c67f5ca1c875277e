"""A database of MLflow and a server, both real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for the tests of a module: making it takes seconds. Each has an experiment."""
    return tmp_path_factory.mktemp("runs")


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(place: Path, database: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server on a free port of this machine, on a database's address."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(place / "artifacts")]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=place, start_new_session=True
        )
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=2).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        break
                    time.sleep(0.5)
            else:
                pytest.skip("the MLflow server did not answer in a minute")
            if process.poll() is not None:
                pytest.skip(f"no MLflow server: {(place / 'log').read_text()[-500:]}")
            yield url, process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server with a database of its own, and its process."""
    yield from serve(tmp_path, f"sqlite:///{tmp_path / 'server.db'}")
