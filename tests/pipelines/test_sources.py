"""Label tables with mistakes, each named by code, file and row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from covidx.cards import load_card
from covidx.config import load_config
from covidx.errors import CovidxError
from covidx.files import locked
from covidx.ingest import Identities, IngestResult
from covidx.pipelines.cohort import ingest_source, link_labels
from covidx.pipelines.image.config import TRAIN_CT, TrainCT
from covidx.pipelines.image.train import train_image
from covidx.pipelines.progress import silent
from covidx.pipelines.source import Source, find_card
from tests.conftest import Run
from tests.pipelines.hospital import export

PATIENTS = 4


@pytest.fixture(scope="module")
def hospital(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("export") / "data"
    table = export(trained.phantom, folder, PATIENTS)
    for stray in folder.glob("*cut.dcm"):
        stray.unlink()
    return folder, table


@pytest.fixture(scope="module")
def ingested(
    hospital: tuple[Path, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, IngestResult]:
    source = Source(hospital[0], None, None)
    return ingest_source(source, tmp_path_factory.mktemp("work"), silent)


def _duplicate(table: pd.DataFrame, **changes: str) -> pd.DataFrame:
    return pd.concat([table, table.iloc[:1].assign(**changes)])


MISTAKES: list[tuple[str, str, Callable[[pd.DataFrame], pd.DataFrame]]] = [
    ("LABELS_CONFLICT", "rows 2, 6", lambda t: _duplicate(t, label="normal-ish")),
    ("LABEL_WITHOUT_IMAGE", "row 6", lambda t: _duplicate(t, patient_id="nobody")),
    ("IMAGE_WITHOUT_LABEL", "P-", lambda t: t.iloc[1:]),
    ("LABELS_COLUMNS", "PatientID", lambda t: t.rename(columns={"patient_id": "PatientID"})),
    ("LABELS_VALUE", "row 2", lambda t: t.assign(label=["", *t["label"][1:]])),
    ("LABELS_EMPTY", "", lambda t: t.iloc[:0]),
    ("CLINICAL_VALUE", "row 3", lambda t: t.assign(wbc=["4.1", "high", "5", "6"])),
    ("ONE_CLASS", "covid-19", lambda t: t.assign(label="covid-19")),
    ("POSITIVE_UNKNOWN", "covid-19", lambda t: t.assign(label=["flu", "normal"] * 2)),
]


@pytest.mark.parametrize(("code", "told", "spoil"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_in_the_labels_is_named(
    hospital: tuple[Path, pd.DataFrame],
    ingested: tuple[Path, IngestResult],
    tmp_path: Path,
    code: str,
    told: str,
    spoil: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    folder, table = hospital
    path = tmp_path / "labels.csv"
    spoil(table[["patient_id", "label"]]).to_csv(path, index=False)
    with pytest.raises(CovidxError) as caught:
        link_labels(Source(folder, path, None), *ingested, "refuse")
    assert caught.value.code == code
    assert caught.value.path == str(path)
    assert told in str(caught.value)


def test_a_mistake_in_the_labels_does_not_wait_for_the_images(
    hospital: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("patient_id,diagnosis\n1,covid-19\n")
    with pytest.raises(CovidxError, match="LABELS_COLUMNS"):
        ingest_source(Source(hospital[0], path, None), tmp_path / "work", silent)
    assert not (tmp_path / "work").exists()


def test_unmatched_rows_tell_where_to_look(
    hospital: tuple[Path, pd.DataFrame], ingested: tuple[Path, IngestResult], tmp_path: Path
) -> None:
    folder, table = hospital
    path = tmp_path / "labels.csv"
    table[["patient_id", "label"]].iloc[1:].to_csv(path, index=False)
    with pytest.raises(CovidxError) as caught:
        link_labels(Source(folder, path, None), *ingested, "refuse")
    assert "quarantine.parquet" in str(caught.value)
    assert str(Identities.keyed().linkage_path(ingested[0])) in str(caught.value)


def test_odd_ids_find_their_patients(
    hospital: tuple[Path, pd.DataFrame], ingested: tuple[Path, IngestResult], tmp_path: Path
) -> None:
    """Leading zeros, carets and a slash survive the way through CSV, DICOM and pseudonym."""
    folder, table = hospital
    path = tmp_path / "labels.csv"
    table[["patient_id", "label"]].to_csv(path, index=False)
    cohort = link_labels(Source(folder, path, None), *ingested, "refuse")
    assert len(cohort.manifest) == PATIENTS
    pseudonym = Identities.keyed().patient
    expected = {pseudonym(p): label for p, label in zip(table.patient_id, table.label, strict=True)}
    assert dict(zip(cohort.manifest.patient_id, cohort.manifest.label, strict=True)) == expected


def test_two_runs_into_one_store_at_once(
    hospital: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    source = Source(hospital[0], None, None)
    store = tmp_path / f"store-{source.name}"
    with locked(store), pytest.raises(CovidxError, match="IN_USE"):
        ingest_source(source, tmp_path, silent)


def test_images_without_labels(
    hospital: tuple[Path, pd.DataFrame], ingested: tuple[Path, IngestResult]
) -> None:
    with pytest.raises(CovidxError, match="LABELS_MISSING"):
        link_labels(Source(hospital[0], None, None), *ingested, "refuse")


def test_the_positive_class_is_the_users_then_the_cards() -> None:
    card = load_card(Path("covid-ct"))
    assert Source(Path(), None, None).positive_label == "covid-19"
    assert Source(Path(), None, card).positive_label == card.positive
    assert Source(Path(), None, card, positive="flu").positive_label == "flu"


def test_a_hospitals_folder_name_is_not_a_stores(tmp_path: Path) -> None:
    assert "Anna" not in Source(tmp_path / "Anna", None, None).name


def test_mr_only(real_data: Path, tmp_path: Path) -> None:
    """Ingest reads the geometry of an MR; the CT classifier refuses it."""
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\nanatomical,covid-19\ncompressed,normal\n")
    source = Source(real_data / "dicom" / "conversion", labels, None)
    config = load_config(TRAIN_CT, TrainCT, ["unmatched=exclude"])
    with pytest.raises(CovidxError, match="MODALITY_ABSENT"):
        train_image(config, source, work=tmp_path / "work", runs=tmp_path / "runs")


def test_covid_ct_finds_its_card(real_data: Path) -> None:
    card = find_card(real_data / "covid-ct")
    assert card is not None
    assert card.positive == "covid-19"
    assert find_card(real_data / "dicom") is None
