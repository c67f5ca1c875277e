"""The same command a second time, through the command line."""

from __future__ import annotations

import json

import pandas as pd
from typer.testing import CliRunner

from covidx.cli import app
from covidx.constants import RESEARCH_NOTICE
from tests.conftest import CHANGES, Run


def test_a_second_run_gives_the_same_predictions_and_bundle(trained: Run) -> None:
    arguments = ["train", "ct", "--work", str(trained.work), "--runs", str(trained.runs)]
    for change in CHANGES:
        arguments += ["--set", change]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "covid-19 against the rest, 6 test patients" in result.stdout
    assert "threshold" in result.stdout
    assert "simulated" in result.stdout
    assert RESEARCH_NOTICE in result.stdout
    latest = (trained.folder.parent / "latest").resolve()
    assert latest != trained.folder.resolve()
    first, second = (json.loads((p / "run.json").read_text()) for p in (trained.folder, latest))
    assert second["bundle_sha256"] == first["bundle_sha256"]
    assert second["data"] == first["data"]
    tables = [pd.read_parquet(p / "predictions.parquet") for p in (trained.folder, latest)]
    one, two = (table.drop(columns="run_id") for table in tables)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert (latest / "metrics.json").read_bytes() == (trained.folder / "metrics.json").read_bytes()
    pictures = sorted(p.relative_to(latest) for p in latest.glob("cases/*/*.png"))
    assert pictures
    for path in pictures:
        assert (latest / path).read_bytes() == (trained.folder / path).read_bytes()
