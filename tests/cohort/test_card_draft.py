"""A draft of a card: what folder and table give away, and what they do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from covidx.cards import DataCard, load_card
from covidx.cohort import Draft, draft_card
from covidx.errors import ConfigError, InvalidInputError, InvalidTableError

TABLE = """\
Pat-ID;Image;Diagnosis
1;IM1;COVID-19
1;IM2;covid 19
2;IM3;normal
3;IM4;not done
4;IM5;Normal
5;IM6;normal
"""


def pictures(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(folder / name)
    return folder


def loaded(draft: Draft, folder: Path) -> DataCard:
    (folder / "drafted.yaml").write_text(draft.text, encoding="utf-8")
    return load_card(folder / "drafted.yaml")


def test_pictures_with_a_table_need_no_more(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", [f"scans/IM{k}.png" for k in range(1, 7)])
    (data / "list.csv").write_text(TABLE)
    draft = draft_card(data, modality="CXR")
    card = loaded(draft, tmp_path)
    assert draft.needed == [] and card.images is not None
    table = card.images
    assert (table.table, table.image, table.label) == ("list.csv", "Image", "Diagnosis")
    assert (table.patient, table.prefix, table.extension) == ("Pat-ID", "scans/", ".png")
    assert (table.modality, table.kind) == ("DX", "radiograph")
    assert table.labels == {
        "COVID-19": "COVID-19",
        "covid 19": "COVID-19",
        "normal": "normal",
        "not done": None,
    }
    assert (card.classes, card.positive) == (["normal", "COVID-19"], "COVID-19")
    assert card.hashes.keys() == {"list.csv"}
    assert "6 of 6 names in the column Image lead to a file" in draft.text


def test_what_only_the_user_knows_is_marked_and_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", ["a.png", "b.jpg"])
    (tmp_path / "list.csv").write_text("file,group\na.png,ill\nb.jpg,well\n")
    draft = draft_card(data, tmp_path / "list.csv", columns={"label": "group"})
    assert draft.needed == ["positive", "modality"]
    assert "positive:  # TO FILL IN" in draft.text and "image: file" in draft.text
    with pytest.raises(ConfigError, match=r"images\.modality"):
        loaded(draft, tmp_path)
    draft = draft_card(
        data, tmp_path / "list.csv", columns={"label": "group"}, modality="CT", positive="ILL"
    )
    assert draft.needed == [] and loaded(draft, tmp_path).positive == "ill"


def test_labels_of_dicom(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm"), data / "1.dcm")
    (tmp_path / "list.csv").write_text("PatientID,age,PCR\n007,40,1\n008,50,0\n")
    draft = draft_card(data, tmp_path / "list.csv")
    card = loaded(draft, tmp_path)
    assert draft.needed == [] and card.images is None and card.labels is not None
    assert card.labels.columns == {"patient_id": "PatientID", "label": "PCR"}
    assert card.labels.table == "../list.csv"
    assert (card.classes, card.positive) == (["0", "1"], "1")
    assert "Modality in 1 of the headers: 1 CT." in draft.text


def test_a_table_alone(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,finding\na.png,covid-19\nb.png,normal\n")
    draft = draft_card(labels=tmp_path / "list.csv")
    assert draft.needed == ["modality"] and "images:" in draft.text
    (tmp_path / "list.csv").write_text("patient,text\n1,a long report\n2,another\n3,no\n")
    draft = draft_card(labels=tmp_path / "list.csv")
    assert draft.needed == ["classes", "positive", "label"]
    with pytest.raises(InvalidTableError, match="COLUMN_MISSING"):
        draft_card(labels=tmp_path / "list.csv", columns={"label": "gone"})


def test_nothing_to_draft_from(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="NOTHING_NAMED"):
        draft_card()
    pictures(tmp_path, ["a.png"])
    with pytest.raises(InvalidInputError, match="MODALITY_UNKNOWN"):
        draft_card(tmp_path, modality="MR")
    assert draft_card(tmp_path).needed == [
        "classes",
        "positive",
        "table",
        "image",
        "label",
        "modality",
    ]


def test_labels_that_only_the_user_can_judge(tmp_path: Path) -> None:
    """Left out until then: as classes of their own they would count as negative."""
    labels = ["COVID-19", "SARS", "COVID-19, ARDS", "covid_19", "non-covid", "flu"]
    labels.append("COVID-19 negative")
    rows = [f'{k},"{label}"' for k, label in enumerate([*labels, *labels, "COVID-19"])]
    (tmp_path / "list.csv").write_text("\n".join(["patient,finding", *rows]))
    draft = draft_card(labels=tmp_path / "list.csv")
    assert draft.needed == ["label COVID-19, ARDS", "label SARS"]
    assert "SARS: null  # TO FILL IN: COVID-19, another class, or nothing" in draft.text
    card = loaded(draft, tmp_path)
    assert card.labels is not None and card.labels.labels["covid_19"] == "COVID-19"
    assert card.classes == ["COVID-19 negative", "flu", "non-covid", "COVID-19"]


def test_names_that_fit_in_several_folders_are_asked_for(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    (tmp_path / "list.csv").write_text("file,result\n1,covid-19\n2,normal\n")
    draft = draft_card(data, tmp_path / "list.csv", modality="CT")
    assert draft.needed == ["prefix"] and "extension: .png" in draft.text
    assert "prefix:  # TO FILL IN: the folder; names fit as well in 'a/', 'b/'" in draft.text
    with pytest.raises(ConfigError, match=r"images\.prefix"):
        loaded(draft, tmp_path)
