"""A folder of pictures and a table of labels: what a new user tries first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from covidx.cohort import draft_card
from covidx.config import load_config
from covidx.errors import ConfigError, InvalidInputError
from covidx.pipelines.cohort import Cohort, check_source, ingest_source, link_labels
from covidx.pipelines.image.config import TRAIN_CT, TRAIN_CXR, TrainCT, TrainCXR, TrainImage
from covidx.pipelines.progress import silent
from covidx.pipelines.source import Source, named_source

ROWS = 6


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Pictures in a folder below the data, which the table names without folder and extension."""
    data, chance = tmp_path / "films", np.random.default_rng(0)
    (data / "scans").mkdir(parents=True)
    lines = ["file;finding;person"]
    for k in range(ROWS):
        pixels = chance.integers(0, 255, (30, 40), np.uint8)
        Image.fromarray(pixels).save(data / "scans" / f"f{k}.png")
        lines.append(f"f{k};{['COVID-19', 'normal', 'covid_19'][k % 3]};p{k // 2}")
    (data / "list.csv").write_text("\n".join(lines))
    return data


def cohort(source: Source | None, config: TrainImage, work: Path) -> Cohort:
    assert source is not None
    source = replace(source, pictures=config.modality)
    return link_labels(source, *ingest_source(source, work, silent), "refuse")


@pytest.mark.parametrize(
    ("settings", "kind", "said", "modality"),
    [(TRAIN_CXR, TrainCXR, "CXR", "DX"), (TRAIN_CT, TrainCT, "ct", "CT")],
)
def test_the_first_try_without_a_card(
    films: Path, tmp_path: Path, settings: Path, kind: type[TrainImage], said: str, modality: str
) -> None:
    labels = tmp_path / "labels.csv"
    names = [f"scans/f{k}.png,{['COVID-19', 'normal'][k % 2]}" for k in range(ROWS)]
    labels.write_text("\n".join(["path,label", *names]))
    source = named_source(films, labels=labels)
    config = load_config(settings, kind, [f"modality={said}"])
    chosen, notes = config.select(cohort(source, config, tmp_path / "work").manifest)
    assert len(chosen) == ROWS and notes == []
    assert set(chosen["modality"]) == {modality}
    assert sorted(chosen["label"].value_counts()) == [3, 3]
    config = load_config(settings, kind)
    assert source is not None
    with pytest.raises(InvalidInputError, match="nothing says what they show"):
        check_source(source, 3)
    check_source(replace(source, pictures=said), 3)
    with pytest.raises(InvalidInputError, match='SET="modality=CXR"') as caught:
        config.select(cohort(source, config, tmp_path / "work").manifest)
    assert caught.value.code == "MODALITY_ABSENT"
    with pytest.raises(ConfigError, match="modality"):
        load_config(settings, kind, ["modality=MR"])


def test_the_first_try_with_a_drafted_card(films: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.yaml"
    card.write_text(draft_card(films, modality="CXR").text)
    config = load_config(TRAIN_CXR, TrainCXR)
    linked = cohort(named_source(films, card), config, tmp_path / "work")
    chosen, _ = config.select(linked.manifest)
    assert chosen["label"].value_counts().to_dict() == {"COVID-19": 4, "normal": 2}
    assert chosen["patient_id"].nunique() == 3 and linked.labels.positive == "COVID-19"


def test_a_card_names_the_labels_of_other_images(films: Path, tmp_path: Path) -> None:
    """As --labels and --columns would; what the user names goes first."""
    text = (
        "identifier: x\nclasses: [normal, covid-19]\npositive: covid-19\n"
        "labels: {table: list.csv, path: file, label: finding, prefix: scans/, extension: png,\n"
        "  labels: {covid_19: covid-19}}\n"
    )
    (tmp_path / "card.yaml").write_text(text)
    source = named_source(films, tmp_path / "card.yaml")
    assert source is not None and source.labels == films / "list.csv"
    assert source.label_rows["path"].tolist() == [f"scans/f{k}.png" for k in range(ROWS)]
    assert source.label_rows["label"].tolist() == ["covid-19", "normal", "covid-19"] * 2
    other = tmp_path / "other.csv"
    other.write_text("path,label\na.png,covid-19\n")
    source = named_source(films, tmp_path / "card.yaml", labels=other)
    assert source is not None and source.label_rows["label"].tolist() == ["covid-19"]
