"""Fresh phantom patients: in memory as through DICOM, and counted as they should be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import phantom
from benchmarks.phantom_controls import Controls
from covidx.cards import load_card
from covidx.errors import InvalidInputError
from covidx.files import write_json
from covidx.imaging import Preprocessing, prepare
from covidx.ingest import ingest, load_image
from covidx.phantom import generate_cohort
from covidx.pipelines.image.config import TRAIN_CT, TrainCT


def test_a_patient_in_memory_is_the_patient_on_disk(tmp_path: Path) -> None:
    how = Preprocessing(slices=8)
    generate_cohort(tmp_path / "phantom", 1, phantom.SEED, workers=1)
    store = tmp_path / "store"
    found = ingest(
        tmp_path / "phantom" / "dicom", store, card=load_card(Path("phantom")), workers=1
    )
    written = prepare(load_image(store, found.manifest.iloc[0].to_dict()), how)
    fresh = phantom._one(how, phantom.SEED, 0)
    assert written.box == fresh.bag.box
    assert np.array_equal(written.pixels, fresh.bag.pixels)


def test_positives_with_a_normal_ct_count(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "label": ["covid-19"] * 4 + ["normal"] * 3 + ["other-pneumonia"] * 3,
            "scanner": ["A", "B", "C", "A", "A", "B", "C", "A", "B", "C"],
            "normal_ct": [True, *[False] * 3, *[True] * 3, *[False] * 3],
            "score": [0.0, 0.9, 0.8, 0.7, 0.1, 0.2, 0.3, 0.75, 0.4, 0.5],
        }
    )
    found = phantom.aurocs(table)
    assert found["all"].value == pytest.approx(17 / 24)
    assert found["without positives of normal CT"].value == pytest.approx(17 / 18)
    assert found["against normal"].value == pytest.approx(9 / 12)
    assert {"against other-pneumonia", "scanner A", "scanner B", "scanner C"} <= set(found)
    assert found["scanner A"].n == 4


@pytest.mark.parametrize(
    ("domain", "seed", "code"),
    [
        ("real", 7, "NOT_A_PHANTOM_BUNDLE"),
        ("simulated", 2020, "SEED_OF_TRAINING"),
        ("simulated", 55, "SEED_OF_TRAINING"),
    ],
)
def test_an_unfit_bundle_is_refused(tmp_path: Path, domain: str, seed: int, code: str) -> None:
    write_json(tmp_path / "run.json", {"config": {"phantom": {"seed": 55}}})
    trained_on = SimpleNamespace(domain=domain)
    predictor = SimpleNamespace(bundle=SimpleNamespace(trained_on=trained_on))
    with pytest.raises(InvalidInputError, match=code):
        phantom.check_bundle(predictor, tmp_path / "bundle", seed, (TRAIN_CT, TrainCT))  # type: ignore[arg-type]


def test_histogram_and_shuffled_labels_are_recorded(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    seen = Controls(chance.random((60, 5)), np.arange(60) % 2, 0)
    found = phantom.record_controls(seen, tmp_path / "results.json")
    assert found["phantom_shuffled_auroc"].n == 20
    assert found["phantom_histogram_auroc"].n == 60
