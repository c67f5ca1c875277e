"""From made-up films with readers' scores to a bundle that scores a new one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from covidx.cards import load_card
from covidx.errors import BundleError, InvalidInputError
from covidx.ingest import Identities
from covidx.pipelines.radiograph_severity.scores import (
    phantom_scores,
    readers_table,
    score_digests,
)
from covidx.pipelines.radiograph_severity.train import train_radiograph_severity
from covidx.pipelines.run import TrainedRun
from covidx.pipelines.source import Source
from covidx.radiograph_severity import RadiographSeverityPredictor, load_bundle
from covidx.tables import MANIFEST, read_table, table_digest
from tests.pipelines.scored_films import CONFIG, DRAWN, SCORED, film, make_films


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, drawn lungs of those without a score, and a table of scores."""
    return make_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def trained(films: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """A run on them."""
    out = tmp_path_factory.mktemp("out")
    source = Source(films / "images", table=films / "scores.csv", masks=films / "masks")
    return train_radiograph_severity(CONFIG, source, work=out / "work", runs=out / "runs")


def test_a_card_says_where_lungs_are_drawn(tmp_path: Path) -> None:
    source = Source(tmp_path, None, load_card(Path("covid-chestxray")))
    with pytest.raises(InvalidInputError, match="MASKS_MISSING"):
        readers_table(source)
    (tmp_path / "lung_masks_v7labs").mkdir()
    assert readers_table(source).masks == tmp_path / "lung_masks_v7labs"


def test_the_run_says_what_it_found(trained: TrainedRun) -> None:
    found = trained.estimates
    assert found["extent.mae"].n == SCORED
    assert trained.summary[0] == f"each of {SCORED} patients left out in turn"
    assert found["extent.mae"].value < 0.7 * found["extent.mae_control"].value
    names = ("mae_lungs_alone", "mae_film_alone", "interval_coverage", "kappa")
    assert set(found) >= {f"extent.{name}" for name in names}
    table = pd.read_csv(trained.folder / "predictions.csv")
    error = (table["extent_predicted"] - table["extent"]).abs().mean()
    assert error == pytest.approx(found["extent.mae"].value, abs=1e-3)
    page = (trained.folder / "report.html").read_text()
    assert "Research use only" in page and "Extent, 0 to 8" in page
    assert (trained.folder / "figures" / "extent.png").is_file()
    cases = sorted((trained.folder / "cases").glob("*/index.html"))
    assert len(cases) == SCORED and 'href="cases/001/index.html"' in page
    assert "Severity scores" in cases[0].read_text() and "; readers " in cases[0].read_text()
    record = json.loads((trained.folder / "run.json").read_text())
    assert record["state"] == "finished" and record["bundle_sha256"]


def test_a_store_of_before_contrast_was_told_has_its_digest_too(
    films: Path, trained: TrainedRun
) -> None:
    source = Source(films / "images", table=films / "scores.csv")
    manifest = read_table(trained.folder / "manifest.parquet", MANIFEST)
    for table in (manifest, manifest.drop(columns="contrast")):
        found = score_digests(source, readers_table(source), table.assign(extent=1.0), {})
        assert found["manifest_sha256"] == table_digest(table)


def test_lungs_are_found_by_films_of_others(trained: TrainedRun) -> None:
    bundle, _ = load_bundle(trained.folder / "bundle")
    assert bundle.lung_annotations == DRAWN and bundle.radiographs == SCORED
    picture, lungs = film(77, 3.0)
    _, box, doubt = RadiographSeverityPredictor.load(trained.folder / "bundle").score(
        picture.astype(np.float32)
    )
    where = np.argwhere(lungs)
    edges = np.stack([where.min(0), where.max(0) + 1]) / lungs.shape
    expected = (edges[0, 0], edges[1, 0], edges[0, 1], edges[1, 1])
    # The margin of a twentieth, and a twentieth of the film off.
    assert box == pytest.approx(expected, abs=0.09) and doubt is None


def test_a_new_film_gets_scores_within_an_interval(trained: TrainedRun, tmp_path: Path) -> None:
    predictor = RadiographSeverityPredictor.load(trained.folder / "bundle")
    values = []
    for extent in (0.5, 7.0):
        path = tmp_path / f"{extent}.png"
        Image.fromarray(film(99, extent)[0].clip(0, 255).astype(np.uint8)).save(path)
        (one,) = predictor.stream(path, identities=Identities.public())
        extent_score = one.payload.scores["extent"]
        low, value, high = extent_score.low, extent_score.value, extent_score.high
        assert one.problem is None and 0 <= low <= value <= high <= 8
        values.append(value)
    assert values[1] > values[0] + 2
    (broken,) = predictor.stream(tmp_path / "none.png", identities=Identities.public())
    assert broken.problem is not None and not broken.payload.scores


def test_a_changed_bundle_is_refused(trained: TrainedRun, tmp_path: Path) -> None:
    for name in ("bundle.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((trained.folder / "bundle" / name).read_bytes())
    said = json.loads((tmp_path / "bundle.json").read_text())
    said["scores"][0]["half_width"] = 0.0
    (tmp_path / "bundle.json").write_text(json.dumps(said))
    with pytest.raises(BundleError) as refused:
        load_bundle(tmp_path)
    assert refused.value.code == "BUNDLE_CHANGED"


def test_without_drawn_lungs_the_whole_film_is_looked_at(films: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("\n".join((films / "scores.csv").read_text().splitlines()[:12]))
    source = Source(films / "images", table=few)
    places = {"work": tmp_path / "work", "runs": tmp_path / "runs"}
    found = train_radiograph_severity(CONFIG, source, **places)
    assert "extent.mae_lungs_alone" not in found.estimates
    assert any("whole radiograph" in line for line in found.warnings)


@pytest.mark.parametrize(
    ("code", "scores"),
    [
        ("SCORES_MISSING", None),
        ("SCORES_COLUMNS", "image,size\nf00.png,1\n"),
        ("TOO_FEW_SCORED", "image,extent\nf00.png,1\nf01.png,2\n"),
    ],
)
def test_scores_at_fault(films: Path, tmp_path: Path, code: str, scores: str | None) -> None:
    table = tmp_path / "scores.csv"
    table.write_text(scores or "")
    with pytest.raises(InvalidInputError) as refused:
        source = Source(films / "images", table=table if scores else None)
        train_radiograph_severity(CONFIG, source, work=tmp_path / "work", runs=tmp_path / "runs")
    assert refused.value.code == code


def test_extent_of_the_phantom_by_its_truth(tmp_path: Path) -> None:
    lung = np.repeat([[1] * 10, [2] * 10], 10, axis=0).astype(np.uint8)  # 100 pixels a side
    lesion = np.zeros_like(lung)
    lesion[0, :3] = 1  # 3 % of the right: 1 point
    lesion[10:15] = 1  # half of the left: 3 points
    lesion[15:] = 3  # fluid does not count
    for kind, mask in (("lung", lung), ("lesion", lesion)):
        Image.fromarray(mask).save(tmp_path / f"P_{kind}.png")
    assert phantom_scores(tmp_path).to_dict("records") == [{"patient_id": "P", "extent": 4}]
