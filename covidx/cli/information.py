"""``covidx info``: what a bug report needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def info(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print versions, devices, weights found and paths."""
    found = _collect()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for group, values in found.items():
        typer.echo(group)
        for name, value in values.items():
            typer.echo(f"  {name}: {value}")


def _collect() -> dict[str, dict[str, Any]]:
    import torch

    from covidx import __version__
    from covidx.files import sha256_file
    from covidx.ingest.identity import default_key_path
    from covidx.models import OFFLINE_WEIGHTS, offline_weights
    from covidx.runs import git_commit, versions
    from covidx.tracking import tracking_uri

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    weights = {}
    for name, digest in OFFLINE_WEIGHTS.items():
        path = offline_weights()
        sound = path.is_file() and sha256_file(path) == digest
        weights[name] = "found" if sound else "missing or damaged"
    return {
        "versions": {**versions(), "covidx": __version__, "commit": git_commit()},
        "devices": {"cpu threads": torch.get_num_threads(), "gpus": ", ".join(gpus) or "none"},
        "weights": weights,
        "paths": {
            "runs": str(Path("runs").resolve()),
            "data": str(Path("data").resolve()),
            "key": str(default_key_path()),
            "mlflow": tracking_uri(Path("runs")),
        },
    }
