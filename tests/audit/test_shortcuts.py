"""`covidx audit shortcuts`: models of which it is known where they look, and films to look at."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from covidx.audit.finding import RULED_OUT, Finding
from covidx.audit.outcome import limits_of
from covidx.audit.shortcuts import ShortcutAudit, ShortcutSource, audit_shortcuts
from covidx.audit.shortcuts.conditions import CONDITIONS, View, ring, text_mask
from covidx.audit.shortcuts.maskers import make_masker
from covidx.audit.shortcuts.origin import origin_findings
from covidx.audit.shortcuts.probes import forest, linear, out_of_fold
from covidx.audit.shortcuts.scoring import Scored
from covidx.cli import app
from covidx.errors import CovidxError
from covidx.files import sha256_file
from covidx.inference import ImagePredictor
from covidx.inference.segmenter import Segmenter
from covidx.ingest import load_image
from covidx.segmentation import dice
from covidx.tables import MANIFEST, MASKS, SPLITS, read_table, table_digest, write_table
from covidx.volume import Volume
from tests.imaging.conftest import box_volume

from .films import CORNER, LUNG, LUNGS, MARKER, SIDE, films, reader_of

Part = tuple[int, int, int, int]


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def look(
    patch: pytest.MonkeyPatch, part: Part, manifest: Path, masks: bool = True, **change: object
) -> ShortcutAudit:
    """Audit a model that looks at `part`."""
    model = reader_of(part, str(change.pop("digest", "m")))
    patch.setattr(ImagePredictor, "load", classmethod(lambda cls, folder: model))
    table = manifest.parent / "masks.parquet" if masks else None
    return audit_shortcuts(
        ShortcutSource(Path("bundle"), manifest, manifest.parent, masks=table, **change)  # type: ignore[arg-type]
    )


def by_name(found: ShortcutAudit) -> dict[str, Finding]:
    return {finding.name: finding for finding in found.findings}


def test_a_model_that_reads_the_marker_fails(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = look(patch, CORNER, films(tmp_path, marked=True))
    named = by_name(found)
    assert {name for name, f in named.items() if f.verdict == "fail"} == {
        "lungs_out",
        "border_only",
        "border_trained",
    }
    assert found.verdict == "fail" and found.findings[0].verdict == "fail"
    out, alone = named["lungs_out"].estimate, named["lungs_only"].estimate
    assert out is not None and out.value == 1.0 and out.n == 40
    assert alone is not None and alone.value == 0.5  # nothing is left to read
    text = named["text_masked"]
    assert text.verdict == "note" and "20 of 20 covid-19 and 0 of 20 other" in text.found
    assert named["origin_view"].verdict == "note"  # the view goes with the label here


def test_a_model_that_reads_the_lungs_passes(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = look(patch, LUNG, films(tmp_path, marked=False))
    named = by_name(found)
    assert found.verdict == "pass"
    whole, out, alone = (
        named[name].estimate for name in ("whole_image", "lungs_out", "lungs_only")
    )
    assert whole is not None and alone is not None and out is not None
    assert whole.value == alone.value > 0.9
    assert out.value == 0.5 and out.high < whole.low
    assert named["text_masked"].verdict == "pass"
    manufacturer = named["origin_manufacturer"]
    assert manufacturer.verdict == "pass" and "would not help" in manufacturer.found
    assert named["origin_site"].verdict == "not looked at"


def test_a_model_without_skill_passes_nothing(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It looks where neither lung nor marker is: there is nothing that it could be seen to use."""
    manifest = films(tmp_path, marked=False)
    found = look(patch, (50, 60, 30, 34), manifest)
    named = by_name(found)
    whole = named["whole_image"].estimate
    assert whole is not None and whole.low <= 0.5
    assert found.verdict == "cannot tell"
    for name in ("whole_image", "lungs_out", "border_only", "lungs_only", "low_pass"):
        assert named[name].verdict == "cannot tell", name
    assert "no skill" in named["lungs_out"].how_sure
    texts = limits_of(found.findings, notes=True, needed=("lungs_out",))
    assert texts[0].startswith("Cannot tell. ") and "Without the lungs" in texts[0]


def test_a_wide_interval_passes_nothing(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twelve films: the model has skill, but an interval of 0.5 without lungs reaches 0.8."""
    manifest = films(tmp_path, marked=False)
    table = read_table(manifest, MANIFEST)
    write_table(table.iloc[:12].reset_index(drop=True), manifest, MANIFEST)
    found = look(patch, LUNG, manifest)
    named = by_name(found)
    assert named["whole_image"].verdict == "pass"
    out = named["lungs_out"]
    assert out.estimate is not None and out.estimate.high >= RULED_OUT
    assert out.verdict == found.verdict == "cannot tell" and "ruled out" in out.how_sure


def test_lungs_that_nothing_finds_leave_the_question_open(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = look(patch, LUNG, films(tmp_path, marked=False), masks=False)
    assert by_name(found)["lungs_out"].verdict == "not looked at"
    assert found.verdict == "cannot tell"


@pytest.mark.parametrize(("shift", "verdict"), [(4.0, "note"), (0.0, "pass")])
def test_a_readable_hospital_is_a_risk_though_it_goes_with_no_label(
    shift: float, verdict: str
) -> None:
    """Hospitals A and B have as many ill; one of five features tells them apart, or none."""
    random, n = np.random.default_rng(2), 80
    site = np.arange(n) // 2 % 2
    features = random.standard_normal((n, 5))
    features[:, 0] += shift * site
    rows = pd.DataFrame(
        {"prepared": "", "truth": np.arange(n) % 2 == 0, "group_id": [f"g{k}" for k in range(n)],
         "dataset": "one", "site": np.where(site, "A", "B"), "manufacturer": "m", "view": "PA"}
    )  # fmt: skip
    named = {one.name: one for one in origin_findings(Scored(rows, features, features, {}))}
    found = named["origin_site"]
    assert "Nothing shows that the column goes with the label" in found.found
    assert found.verdict == verdict and ("a risk" in found.found) == (verdict == "note")


def test_a_marker_in_the_data_is_found_though_the_model_does_not_read_it(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = by_name(look(patch, LUNG, films(tmp_path, marked=True)))
    assert named["border_trained"].verdict == "fail"
    assert named["lungs_out"].verdict == named["border_only"].verdict == "pass"


def test_unchanged_images_have_the_bundles_own_scores(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = films(tmp_path, marked=False)
    found, model = look(patch, LUNG, manifest), reader_of(LUNG)
    rows = read_table(manifest, MANIFEST).to_dict("records")
    own = [model.positive_score(model.score_volume(load_image(tmp_path, r))[1]) for r in rows]
    assert found.example["unchanged"][1] == max(own[1::2])  # the example is the highest positive
    assert set(found.example) == set(CONDITIONS)


def test_without_masks_the_border_is_still_looked_at(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = by_name(look(patch, CORNER, films(tmp_path, marked=True), masks=False))
    for name in ("lungs_out", "lungs_only"):
        assert named[name].verdict == "not looked at" and "--segmenter" in named[name].found
    assert named["lungs_found"].verdict == "not looked at"
    assert named["border_only"].verdict == named["border_trained"].verdict == "fail"
    assert "lungs are not known" in named["border_only"].how_sure


def test_masks_of_one_class_alone_are_a_note(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = tuple(range(1, 24, 2))  # 12 films of COVID-19
    named = by_name(look(patch, LUNG, films(tmp_path, marked=False, maskless=missing)))
    lungs = named["lungs_found"]
    assert lungs.verdict == "note"
    assert {(r["class"], r["images"], r["lungs not found"]) for r in lungs.rows} == {
        ("covid-19", 20, 12),
        ("normal", 20, 0),
    }
    assert lungs.test is not None and lungs.test.p == pytest.approx(2 * comb(20, 12) / comb(40, 12))
    assert "n = 28, 8 covid-19" in named["lungs_out"].found
    assert "n = 40, 20 covid-19" in named["whole_image"].found
    assert named["border_trained"].verdict == "cannot tell"  # 8 are too few


def test_test_rows_alone_and_rows_that_were_learned_from(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = films(tmp_path, marked=False)
    table = read_table(manifest, MANIFEST)
    digest = table_digest(table[["image_id", "sha256", "label", "group_id"]])  # as bundles do
    named = by_name(look(patch, LUNG, manifest, digest=digest))
    assert named["patients_unseen"].verdict == "note"
    assert "40 of 40" in named["patients_unseen"].found
    splits = table[["group_id", "patient_id"]].assign(fold=0, role=["train"] * 20 + ["test"] * 20)
    write_table(splits, tmp_path / "splits.parquet", SPLITS)
    named = by_name(look(patch, LUNG, manifest, splits=tmp_path / "splits.parquet"))
    assert "n = 20, 10 covid-19" in named["lungs_out"].found
    assert named["patients_unseen"].verdict == "not looked at"


def _one_class(folder: Path) -> None:
    table = read_table(folder / "manifest.parquet", MANIFEST)
    write_table(table.assign(label="normal"), folder / "manifest.parquet", MANIFEST)


def _other_kind(folder: Path) -> None:
    table = read_table(folder / "manifest.parquet", MANIFEST)
    write_table(table.assign(modality="CT"), folder / "manifest.parquet", MANIFEST)


def _masks(change: dict[str, object], folder: Path) -> None:
    masks = read_table(folder / "masks.parquet", MASKS)
    write_table(masks.assign(**change), folder / "masks.parquet", MASKS)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_one_class, "ONE_CLASS"),
        (_other_kind, "NOTHING_PREPARED"),
        (lambda folder: _masks({"kind": "lesion"}, folder), "NO_LUNG_MASKS"),
        (lambda folder: _masks({"sha256": "other"}, folder), "NO_MASKS"),
        (lambda folder: _masks({"image_id": "i99"}, folder), "NO_MASKS"),
        (lambda folder: (folder / "i7.png").unlink(), "IMAGE_MISSING"),
    ],
)
def test_unusable_input_is_a_clear_error(
    patch: pytest.MonkeyPatch, tmp_path: Path, fault: object, code: str
) -> None:
    manifest = films(tmp_path, marked=False)
    fault(tmp_path)  # type: ignore[operator]
    with pytest.raises(CovidxError) as error:
        look(patch, LUNG, manifest)
    assert error.value.code == code


def test_lungs_are_found_in_one_way(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(CovidxError, match="TWO_MASKERS"):
        look(patch, LUNG, films(tmp_path, marked=False), segmenter=tmp_path)


class Stub:
    """A segmenter of films that finds the lungs as they were drawn."""

    def __init__(self, question: str) -> None:
        seen = SimpleNamespace(dataset="others")
        self.bundle = SimpleNamespace(groups={question: []}, sha256="f" * 64, trained_on=seen)

    def segment(self, volume: Volume) -> dict[str, NDArray[np.uint8]]:
        lungs = np.zeros(volume.array.shape, np.uint8)
        for lung in LUNGS:
            lungs[0][lung] = 1
        return {"lung": lungs}


def test_a_segmenter_finds_the_lungs(patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    manifest = films(tmp_path, marked=True)
    drawn = by_name(look(patch, CORNER, manifest))["lungs_out"]
    patch.setattr(Segmenter, "load", classmethod(lambda cls, folder: Stub("lung")))
    found = look(patch, CORNER, manifest, masks=False, segmenter=tmp_path)
    assert by_name(found)["lungs_out"] == drawn
    assert dict(found.facts)["Lungs found by"].endswith("trained on others")
    patch.setattr(Segmenter, "load", classmethod(lambda cls, folder: Stub("opacity")))
    with pytest.raises(CovidxError, match="SEGMENTER_WITHOUT_LUNGS"):
        look(patch, CORNER, manifest, masks=False, segmenter=tmp_path)


def test_lungs_of_a_ct_are_found_by_threshold() -> None:
    volume = box_volume()
    masker, name = make_masker("volume", None, None)
    assert masker is not None and "threshold" in name
    both = np.zeros(volume.array.shape, np.bool_)
    both[:, 30:90, 20:50] = both[:, 30:90, 70:100] = True
    assert dice(masker({}, volume), both) > 0.9
    few = replace(volume, affine=np.diag([-1.0, -1.0, 10.0, 1.0]))  # a quarter of the ml
    with pytest.raises(CovidxError, match="NO_LUNGS"):
        masker({}, few)
    assert make_masker("radiograph", None, None)[0] is None


def test_lungs_of_a_ct_slice_are_found_by_its_greys(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same lungs as drawn ones; a picture without is left out, and counted by class."""
    manifest = films(tmp_path, marked=True)
    grey = np.full((SIDE, SIDE), 120, np.uint8)
    Image.fromarray(grey).save(tmp_path / "i6.png")
    table = read_table(manifest, MANIFEST)
    table.loc[table["image_id"] == "i6", "sha256"] = sha256_file(tmp_path / "i6.png")
    write_table(table.assign(modality="CT", kind="slice"), manifest, MANIFEST)
    model = reader_of(CORNER, kind="slice")
    patch.setattr(ImagePredictor, "load", classmethod(lambda cls, folder: model))
    found = audit_shortcuts(ShortcutSource(Path("bundle"), manifest, tmp_path))
    named = by_name(found)
    assert "Otsu" in dict(found.facts)["Lungs found by"]
    assert "0 of 20 covid-19, 1 of 20 normal (NO_LUNGS)" in named["lungs_found"].found
    out, alone = named["lungs_out"].estimate, named["lungs_only"].estimate
    assert out is not None and out.value == 1.0 and out.n == 39
    assert alone is not None and alone.value == 0.5  # the marker is no lung
    assert "lungs are not known" not in named["border_only"].how_sure


def test_several_slices_for_a_bundle_of_single_ones_are_read_in_hu() -> None:
    volume = box_volume()
    masker, _ = make_masker("slice", None, None)
    assert masker is not None
    volumes, _ = make_masker("volume", None, None)
    assert volumes is not None
    np.testing.assert_array_equal(masker({}, volume), volumes({}, volume))


def test_the_command_writes_a_page_and_says_what_failed(
    patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    manifest = films(tmp_path / "store", marked=True)
    model, out = reader_of(CORNER), tmp_path / "out"
    patch.setattr(ImagePredictor, "load", classmethod(lambda cls, folder: model))
    masks = str(manifest.with_name("masks.parquet"))
    words = ["audit", "shortcuts", "bundle", str(manifest), "--masks", masks, "--out", str(out)]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 1, answer.output
    assert "fail  shortcuts: Without the lungs: AUROC 1.00" in answer.output
    record = json.loads((out / "audit.json").read_text())
    assert record["verdict"] == "fail"
    page = (out / "audit.html").read_text()
    assert 'src="conditions.png"' in page and (out / "conditions.png").is_file()
    assert not any(f"{letter}{k}<" in page for letter in "ipg" for k in range(40))  # no ids


def test_the_hull_covers_a_lesion_at_the_pleura() -> None:
    lungs = np.zeros((2, 100, 100), np.float32)
    lungs[0, 30:70, 20:45] = lungs[0, 30:70, 55:80] = 1
    lungs[0, 45:55, 20:30] = 0  # consolidation that the masker took for chest wall
    hull = View(np.zeros(lungs.shape, np.uint8), lungs).hull
    assert hull[0, 30:70, 20:80].all()  # and what lies between the lungs
    reached = np.argwhere(hull[0])
    assert reached.min(axis=0).tolist() == [27, 17] and reached.max(axis=0).tolist() == [72, 82]
    np.testing.assert_array_equal(hull[1], hull[0])  # a slice whose lungs were lost altogether


def test_what_each_condition_leaves() -> None:
    pixels = np.full((1, SIDE, SIDE), 100, np.uint8)
    lungs = np.zeros((1, SIDE, SIDE), np.float32)
    for lung in LUNGS:
        lungs[0][lung] = 1
    view = View(pixels, lungs)
    left = {name: make(view)[0] > 0 for name, make in CONDITIONS.items()}
    np.testing.assert_array_equal(left["lungs only"], lungs[0] > 0)
    np.testing.assert_array_equal(left["lungs out"], ~view.hull[0])
    np.testing.assert_array_equal(left["border only"], ring(SIDE, SIDE))
    assert left["unchanged"].all() and left["text masked"].all()
    assert (CONDITIONS["low-pass"](view) == 100).all()


def test_text_is_small_bright_near_the_edge_and_outside_of_the_lungs() -> None:
    pixels = np.full((1, SIDE, SIDE), 80, np.uint8)
    lungs = np.zeros((1, SIDE, SIDE), np.float32)
    lungs[0, 4:12, 40:60] = 1
    pixels[0][MARKER] = 250  # a letter
    pixels[0, 6:9, 45:48] = 250  # in the lungs
    pixels[0, 30:34, 30:34] = 250  # in the middle
    pixels[0, 40:, :10] = 250  # large: a shoulder
    pixels[0, 58:60, 50:52] = 120  # dim
    view = View(pixels, lungs)
    found = np.argwhere(text_mask(view)[0])
    assert found.min(axis=0).tolist() == [1, 1] and found.max(axis=0).tolist() == [6, 6]
    changed = CONDITIONS["text masked"](view)[0]
    assert np.abs(changed[MARKER].astype(int) - 80).max() <= 3  # as its surroundings are
    assert (changed[30:34, 30:34] == 250).all()


def test_a_probe_knows_nothing_of_noise_and_needs_enough_groups() -> None:
    random = np.random.default_rng(0)
    truth = np.arange(60) % 2 == 0
    groups = np.array([f"g{k // 2}" for k in range(60)])
    noise = random.standard_normal((60, 5))
    own = random.standard_normal(30).repeat(2)[:, None]  # tells the group, not the class
    scores = out_of_fold(np.hstack([noise, own]), truth, groups, linear)
    assert scores is not None and not np.isnan(scores).any()
    ranks = pd.Series(scores).rank()
    assert 0.3 < (ranks[truth].mean() - 15.5) / 30 < 0.7
    assert out_of_fold(noise[:18], truth[:18], groups[:18], linear) is None


def test_a_marker_in_one_cell_is_not_drowned_by_the_others() -> None:
    """As on the phantom's films with ``--flaw corner-marker``, where a penalised line missed it."""
    random = np.random.default_rng(0)
    truth = np.arange(40) % 2 == 0
    greys = random.normal(size=(40, 84))
    greys[:, 2] += 3.0 * truth
    groups = np.arange(40).astype(str)
    scores = out_of_fold(greys, truth, groups, forest)
    assert scores is not None
    assert roc_auc_score(truth, scores) > 0.8
    plain = out_of_fold(random.normal(size=(40, 84)), truth, groups, forest)
    assert plain is not None
    assert 0.25 < roc_auc_score(truth, plain) < 0.75
