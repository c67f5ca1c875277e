"""`covidx audit run`: a sound run passes; each part that was tampered with is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from covidx.audit.run import Places, RunParts, audit_run, read_run
from covidx.audit.run.division import duplicate_finding, rows_finding
from covidx.audit.run.figures import threshold_finding
from covidx.audit.run.scores import scores_finding
from covidx.cli import app
from covidx.errors import CovidxError
from covidx.evaluate import OperatingPoint
from covidx.files import read_json, sha256_json, write_json
from covidx.imaging import build_cache
from covidx.inference import ImageBundle, load
from covidx.tables import OUT_OF_FOLD, PREDICTIONS, SPLITS, write_table
from tests.conftest import Run


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    """A run to tamper with."""
    folder = tmp_path / "runs" / "train_ct" / trained.folder.name
    shutil.copytree(trained.folder, folder)
    return folder


def places(trained: Run, store: Path | None = None) -> Places:
    return Places(store or trained.phantom / "store", None, trained.work / "cache")


def verdicts(found: Any) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in found.findings}


def failures(found: Any) -> set[str]:
    return {finding.name for finding in found.findings if finding.verdict == "fail"}


def test_a_sound_run_passes(trained: Run) -> None:
    found = audit_run(trained.folder, places(trained))
    assert set(verdicts(found).values()) == {"pass"}
    assert set(verdicts(found)) == {
        "data_unchanged",
        "code",
        "lock",
        "bundle_unchanged",
        "hashes_agree",
        "groups_and_patients",
        "near_duplicates",
        "rows_agree",
        "threshold",
        "predictions_recompute",
        "metrics_recompute",
        "identity",
    }
    assert found.verdict == "pass"


def table(run: Path, name: str, change: Callable[[pd.DataFrame], None]) -> None:
    """Change a table and write it back, stamp and all, as a person with pandas would."""
    rows = pd.read_parquet(run / name)
    change(rows)
    rows.to_parquet(run / name, index=False)


def values(run: Path, name: str, change: Callable[[Any], None]) -> None:
    record = read_json(run / name)
    change(record)
    write_json(run / name, record)


def _prediction(run: Path) -> None:
    def swap(rows: pd.DataFrame) -> None:
        line = rows.index[rows["role"] == "test"][0]
        columns = ["prob_normal", "prob_covid-19"]
        rows.loc[line, columns] = rows.loc[line, columns[::-1]].to_numpy()

    table(run, "predictions.parquet", swap)


def _threshold(run: Path) -> None:
    values(run, "bundle/bundle.json", lambda b: b["threshold"].update(value=0.99))


def _threshold_with_its_digest(run: Path) -> None:
    """By someone who knows how a bundle is hashed."""

    def change(bundle: dict[str, Any]) -> None:
        bundle["threshold"]["value"] = 0.99
        hashed = {k: v for k, v in bundle.items() if k not in ImageBundle.NOT_HASHED}
        bundle["sha256"] = sha256_json(hashed)

    values(run, "bundle/bundle.json", change)


def _threshold_from_test(run: Path) -> None:
    def change(bundle: dict[str, Any]) -> None:
        bundle["threshold"]["origin"] = "test, n = 6 (3 positive)"

    values(run, "bundle/bundle.json", change)


def _metric(run: Path) -> None:
    values(run, "metrics.json", lambda m: m["auroc"].update(value=0.99, high=1.0))


def _count(run: Path) -> None:
    values(run, "confusion.json", lambda c: c["at_threshold"].update(fn=0, tp=99))


def _weights(run: Path) -> None:
    path = run / "bundle" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _label(run: Path) -> None:
    def change(rows: pd.DataFrame) -> None:
        line = rows.index[(rows["role"] == "train") & (rows["label"] == "normal")][0]
        rows.loc[line, "label"] = "covid-19"

    table(run, "predictions.parquet", change)


def _role(run: Path) -> None:
    """A training patient is tested, everywhere but in the digests."""
    rows = pd.read_parquet(run / "splits.parquet")
    who = rows.loc[rows["role"] == "train", "patient_id"].iloc[0]
    for name in ("splits.parquet", "predictions.parquet"):
        table(
            run,
            name,
            lambda t: t.__setitem__("role", t["role"].mask(t["patient_id"] == who, "test")),
        )


def _divided(run: Path) -> None:
    """One group more for a patient, in another role."""
    rows = pd.read_parquet(run / "splits.parquet")
    more = rows[rows["role"] == "train"].head(1).assign(group_id="another", role="test")
    pd.concat([rows, more]).to_parquet(run / "splits.parquet", index=False)


def _other_run(run: Path) -> None:
    table(run, "predictions.parquet", lambda t: t.__setitem__("run_id", "of-another-run"))


def _manifest(run: Path) -> None:
    table(run, "manifest.parquet", lambda t: t.__setitem__("age", t["age"] + 1))


def _lock(run: Path) -> None:
    values(run, "run.json", lambda r: r.update(lock_sha256="0" * 64))


def _version(run: Path) -> None:
    values(run, "run.json", lambda r: r["versions"].update(torch="1.0"))


def _code(run: Path) -> None:
    values(run, "run.json", lambda r: r.update(code_sha256="0" * 64))


TAMPERED = {
    _prediction: {"predictions_recompute", "metrics_recompute"},
    _threshold: {"bundle_unchanged", "threshold", "metrics_recompute"},
    _threshold_with_its_digest: {"hashes_agree", "threshold", "metrics_recompute"},
    _threshold_from_test: {"bundle_unchanged", "threshold", "metrics_recompute"},
    _metric: {"metrics_recompute"},
    _count: {"metrics_recompute"},
    _weights: {"bundle_unchanged"},
    _label: {"rows_agree"},
    _role: {"hashes_agree", "metrics_recompute"},
    _divided: {"hashes_agree", "groups_and_patients"},
    _other_run: {"hashes_agree"},
    _manifest: {"hashes_agree"},
    _lock: {"lock"},
    _version: {"lock"},
    _code: {"code"},
}


@pytest.mark.parametrize("tamper", TAMPERED)
def test_what_was_tampered_with_is_found_and_named(
    trained: Run, copy: Path, tamper: Callable[[Path], None]
) -> None:
    tamper(copy)
    found = audit_run(copy, places(trained) if tamper is _prediction else Places())
    assert failures(found) == TAMPERED[tamper]
    assert found.verdict == "fail"


def test_the_row_of_a_tampered_prediction_is_named(trained: Run, copy: Path) -> None:
    _prediction(copy)
    rows = pd.read_parquet(copy / "predictions.parquet")
    line = int(rows.index[rows["role"] == "test"][0]) + 1
    found = audit_run(copy, places(trained))
    (finding,) = (one for one in found.findings if one.name == "predictions_recompute")
    assert [row["place"] for row in finding.rows] == [f"predictions.parquet row {line}"]
    clean = pd.read_parquet(trained.folder / "predictions.parquet").loc[line - 1]
    off = abs(clean["prob_normal"] - clean["prob_covid-19"])
    assert finding.rows[0]["difference"] == pytest.approx(off)


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_a_tampered_data_file_is_named(trained: Run, tmp_path: Path, fault: str) -> None:
    store = tmp_path / "store"
    shutil.copytree(trained.phantom / "store", store)
    manifest = pd.read_parquet(trained.folder / "manifest.parquet")
    path = store / manifest["path"].iloc[4]
    if fault == "changed":
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        path.unlink()
    found = audit_run(trained.folder, places(trained, store))
    assert failures(found) == {"data_unchanged"}
    (finding,) = (one for one in found.findings if one.name == "data_unchanged")
    assert finding.rows == [{"place": "manifest.parquet row 5", "fault": fault}]


def test_without_the_data_what_cannot_be_looked_at_is_said(trained: Run) -> None:
    found = verdicts(audit_run(trained.folder, Places()))
    assert found["data_unchanged"] == found["predictions_recompute"] == "not looked at"
    assert found["near_duplicates"] == found["metrics_recompute"] == "pass"


PLANTED = {
    "e-mail address": lambda run: (run / "note.txt").write_text("ask anna.m@klinik.example"),
    "name as in DICOM (PN)": lambda run: (run / "note.md").write_text("seen: Mustermann^Anna"),
    "date of birth": lambda run: (run / "a.csv").write_text("x\nborn 12.03.1956\n"),
    "home folder": lambda run: (run / "b.json").write_text(json.dumps({"at": "/home/anna/ct"})),
    "a column or key called PatientName": lambda run: (run / "c.json").write_text(
        json.dumps({"tags": [{"PatientName": "x"}]})
    ),
    "a column or key called birth_date": lambda run: pd.DataFrame({"birth_date": [1]}).to_parquet(
        run / "d.parquet"
    ),
    "a file that cannot be looked into (.dcm)": lambda run: (run / "e.dcm").write_bytes(b"DICM"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_identity_in_any_file_is_found(trained: Run, copy: Path, what: str) -> None:
    PLANTED[what](copy)
    found = audit_run(copy, Places())
    assert failures(found) == {"identity"}
    (finding,) = (one for one in found.findings if one.name == "identity")
    assert {row["what"] for row in finding.rows} == {what}
    assert "anna" not in json.dumps(finding.to_json()).lower()  # found, not repeated


def test_near_duplicates_across_roles(trained: Run) -> None:
    run = read_run(trained.folder)
    assert run.manifest is not None
    roles = dict(zip(run.splits["group_id"], run.splits["role"], strict=True))
    role = run.manifest["group_id"].map(roles)
    chance = np.random.default_rng(0)
    pictures = {
        str(name): chance.integers(0, 255, (64, 64)).astype(np.uint8)
        for name in run.manifest["image_id"]
    }
    assert duplicate_finding(run, pictures, True).verdict == "pass"
    one, other, same = (
        run.manifest.index[role == "train"][0],
        run.manifest.index[role == "test"][0],
        run.manifest.index[role == "test"][1],
    )
    ids = run.manifest["image_id"]
    pictures[ids[same]] = pictures[ids[other]]  # within one role: no leak
    assert duplicate_finding(run, pictures, True).verdict == "pass"
    pictures[ids[other]] = (pictures[ids[one]] * 0.8 + 20).astype(np.uint8)
    finding = duplicate_finding(run, pictures, True)
    assert finding.verdict == "fail"
    (row,) = finding.rows
    assert {row["image"], row["copy"]} == {f"manifest.parquet row {k + 1}" for k in (one, other)}


def _state(run: Path) -> None:
    values(run, "run.json", lambda r: r.update(state="failed"))


def _pipeline(run: Path) -> None:
    values(run, "run.json", lambda r: r.update(pipeline="external_test"))


@pytest.mark.parametrize(
    ("spoil", "code", "named"),
    [
        (lambda run: (run / "predictions.parquet").unlink(), "RUN_INCOMPLETE", "predictions"),
        (lambda run: shutil.rmtree(run / "bundle"), "RUN_INCOMPLETE", "bundle/weights"),
        (lambda run: values(run, "run.json", lambda r: r.pop("data")), "RUN_INCOMPLETE", "data"),
        (lambda run: (run / "run.json").unlink(), "RUN_MISSING", "run.json"),
        (_state, "RUN_UNFINISHED", "failed"),
        (_pipeline, "RUN_KIND", "external_test"),
        (
            lambda run: values(run, "bundle/bundle.json", lambda b: b.pop("classes")),
            "BUNDLE_INVALID",
            "classes",
        ),
    ],
)
def test_a_folder_with_parts_missing_is_a_clear_error(
    copy: Path, spoil: Callable[[Path], None], code: str, named: str
) -> None:
    spoil(copy)
    with pytest.raises(CovidxError) as caught:
        audit_run(copy, Places())
    assert caught.value.code == code
    assert named in str(caught.value)


def invoke(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_line_names_what_failed(trained: Run, copy: Path) -> None:
    _metric(copy)
    result = invoke("audit", "run", copy, "--work", trained.work)
    assert result.exit_code == 1
    assert "fail  run: Metrics from the predictions" in result.output
    found = read_json(copy / "audit" / "run" / "audit.json")
    assert found["verdict"] == "fail"
    (finding,) = (one for one in found["findings"] if one["verdict"] == "fail")
    assert finding["name"] == "metrics_recompute"
    assert {row["place"] for row in finding["rows"]} >= {"metrics.json: auroc.value"}
    page = (copy / "audit" / "run" / "audit.html").read_text()
    for words in ("Looked for", "How sure", "What to do", "metrics.json: auroc.value"):
        assert words in page
    again = invoke("audit", "run", copy, "--work", trained.work)  # an audit in the run is no fault
    assert again.exit_code == 1 and "identity" not in again.output.lower()


def test_every_audit_at_once(trained: Run, copy: Path) -> None:
    sound = invoke("audit", "all", copy, "--work", trained.work)
    lines = [line.split() for line in sound.output.splitlines()]
    verdicts = {words[0]: words[1] for words in lines if len(words) > 1}
    assert verdicts["run"] == "pass" and {"data", "shortcuts"} <= set(verdicts)
    looked = read_json(copy / "audit" / "shortcuts" / "audit.json")["findings"]
    seen = next(one for one in looked if one["name"] == "patients_unseen")
    assert seen["verdict"] == "pass"  # test rows alone, by the run's own splits
    _weights(copy)
    spoilt = invoke("audit", "all", copy, "--work", trained.work)
    assert spoilt.exit_code == 1
    assert "run       fail" in spoilt.output and "weights.safetensors" in spoilt.output
    assert "fail  shortcuts: The bundle is not as it was saved." in spoilt.output
    assert read_json(copy / "audit" / "data" / "audit.json")["findings"]


def test_a_copy_of_the_run_in_another_folder_is_the_same_run(copy: Path) -> None:
    parts: RunParts = read_run(copy)
    assert parts.record.run_id == copy.name


def _cross_fitted(run: Path, role: str) -> RunParts:
    """The run as if its validation rows had the role "out-of-fold"; in the split, `role`."""

    def rename(name: str, new: str) -> None:
        rows = pd.read_parquet(run / name)
        rows["role"] = rows["role"].replace("validation", new)
        write_table(rows, run / name, PREDICTIONS if name == "predictions.parquet" else SPLITS)

    rename("predictions.parquet", OUT_OF_FOLD)
    rename("splits.parquet", role)
    old = read_json(run / "bundle" / "bundle.json")["threshold"]
    point = OperatingPoint(
        old["value"], old["rule"], old["origin"].replace("validation", OUT_OF_FOLD)
    )
    values(run, "bundle/bundle.json", lambda b: b["threshold"].update(origin=point.origin))
    values(run, "metrics.json", lambda m: m["sensitivity"].update(threshold_origin=point.text))
    return read_run(run)


@pytest.mark.parametrize("role", ["train", OUT_OF_FOLD])
def test_out_of_fold_rows_may_choose_the_threshold(copy: Path, role: str) -> None:
    run = _cross_fitted(copy, role)
    assert threshold_finding(run).verdict == rows_finding(run).verdict == "pass"
    assert "out-of-fold rows" in threshold_finding(run).title


def test_out_of_fold_rows_of_test_patients_are_found(copy: Path) -> None:
    found = rows_finding(_cross_fitted(copy, "test"))
    assert found.verdict == "fail" and {row["what"] for row in found.rows} == {"role"}


def test_out_of_fold_rows_are_not_scored_by_the_final_model(copy: Path, trained: Run) -> None:
    """Their models are not kept: wrong scores of theirs are not this bundle's."""
    run = _cross_fitted(copy, "train")
    run.predictions.loc[run.predictions["role"] == OUT_OF_FOLD, "prob_covid-19"] = 0.123
    predictor = load(trained.folder / "bundle")
    preprocessing = predictor.bundle.recipe.preprocessing
    cache = build_cache(
        trained.phantom / "store", run.manifest, preprocessing, trained.work / "cache"
    )
    found = scores_finding(run, predictor, cache)
    assert found.verdict == "pass" and "out-of-fold rows" in found.found
