"""Finished runs of a classifier that nobody trained, made in milliseconds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from covidx.evaluate import OperatingPoint, evaluate
from covidx.files import write_json
from covidx.pipelines.mlflow_page import show_run
from covidx.pipelines.tracked import tracked
from covidx.tables import PREDICTIONS, write_table

PATIENTS = 60


def predictions(seed: int, first_tested: int = 40) -> pd.DataFrame:
    """Rows of 60 patients, the last of them tested; scores that know a little."""
    chance = np.random.default_rng(seed)
    sick = np.arange(PATIENTS) % 2 == 0
    score = np.clip(chance.normal(0.4 + 0.2 * sick, 0.2), 0.01, 0.99)
    role = np.where(np.arange(PATIENTS) >= first_tested, "test", "validation")
    names = [f"p{k}" for k in range(PATIENTS)]
    return pd.DataFrame(
        {
            "run_id": "made",
            "arm": "p2",
            "unit_id": names,
            "level": "patient",
            "patient_id": names,
            "group_id": names,
            "fold": 0,
            "role": role,
            "split_sha256": f"{first_tested:064d}",
            "bundle_sha256": "b" * 64,
            "arms_used": "p2",
            "label": np.where(sick, "covid-19", "normal"),
            "prob_covid-19": score,
            "prob_normal": 1 - score,
        }
    )


def make_run(runs: Path, seed: int, first_tested: int = 40, picture: bytes = b"") -> Path:
    """A finished run of ``train_clinical`` in the folder `runs`, which MLflow was sent."""
    time.sleep(1)  # runs of one process are told apart by the second
    with tracked("train_clinical", runs) as (folder, tracker):
        table = predictions(seed, first_tested)
        write_table(table, folder.path / "predictions.parquet", PREDICTIONS)
        write_table(table, folder.path / "splits.parquet", PREDICTIONS)
        point = OperatingPoint(0.5, "youden", "validation, n = 40 (20 positive)")
        metrics = evaluate(table[table["role"] == "test"], "covid-19", point)
        write_json(folder.path / "metrics.json", metrics.to_json())
        (folder.path / "bundle").mkdir()
        trained_on = {"domain": "simulated", "patients": {"normal": 15, "covid-19": 15}}
        bundle = {
            "kind": "clinical",
            "positive": "covid-19",
            "recipe": {"name": "l2", "kind": "logistic"},
            "trained_on": trained_on,
        }
        write_json(folder.path / "bundle" / "bundle.json", bundle)
        (folder.path / "figures").mkdir()
        (folder.path / "figures" / "roc.png").write_bytes(picture)
        (folder.path / "report.html").write_text(
            '<html><body><h1>A report</h1><p><a href="cases/p1/index.html">Patient p1</a></p>'
            '<div style="height: 3000px"><img src="figures/roc.png" alt="ROC"></div></body></html>'
        )
        (folder.path / "cases" / "p1").mkdir(parents=True)
        (folder.path / "cases" / "p1" / "index.html").write_text(
            '<html><body><h2>A case</h2><img src="../../figures/roc.png" alt="slice"></body></html>'
        )
        folder.record.data = {
            "dataset": "phantom",
            "table_sha256": "7ab1e" + "0" * 59,
            "split_sha256": f"{first_tested:064d}",
        }
        tracker.config({"seed": seed})
        tracker.artifacts(["report.html", "figures", "metrics.json"])
        warnings = ["The patients of this cohort are simulated."]
        show_run(tracker, folder.record, folder.path, metrics.estimates, warnings, metrics)
    return folder.path
