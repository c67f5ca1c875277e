"""Labels and clinical rows: joined by patient or by path, mistakes named by row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from covidx.cohort import (
    Classes,
    classes_of,
    clinical_of,
    drop_unmatched,
    join_labels,
    read_labels,
)
from covidx.errors import InvalidTableError
from covidx.ingest import Identities

PUBLIC = Identities.public()


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def images(*patients: str) -> pd.DataFrame:
    """A manifest of one image a patient named, i0, i1, ..."""
    ids = [f"i{n}" for n in range(len(patients))]
    return pd.DataFrame({"image_id": ids, "patient_id": patients, "label": None})


def linked(*sources: str) -> dict[str, str]:
    return {f"i{n}": source for n, source in enumerate(sources)}


# --- reading


@pytest.mark.parametrize(
    ("lines", "code", "text"),
    [
        (["patient_id", "p1"], "LABELS_COLUMNS", "patient_id"),
        (["label", "sick"], "LABELS_COLUMNS", "label"),
        (["patient_id,path,label", "p,q,sick"], "LABELS_COLUMNS", "patient_id, path, label"),
        (["patient_id,label"], "LABELS_EMPTY", ""),
        (["patient_id,label", "p1,sick", "p2,", " ,sick"], "LABELS_VALUE", "row 4"),
        (["patient_id,label", "p1,sick", "p2,"], "LABELS_VALUE", "row 3"),
        (["patient_id,label", "p1,a", "p2,b", "p1,b"], "LABELS_CONFLICT", "rows 2, 4"),
        (["patient_id,label", "", "p1,a", "", "p1,b"], "LABELS_CONFLICT", "rows 3, 5"),
        (["patient_id,label,age", "p1,a,60", "p1,a,61"], "LABELS_CONFLICT", "rows 2, 3"),
    ],
)
def test_mistakes_are_named_by_row(tmp_path: Path, lines: list[str], code: str, text: str) -> None:
    with pytest.raises(InvalidTableError, match=code) as caught:
        read_labels(write(tmp_path, *lines))
    assert text in str(caught.value.actual)
    assert caught.value.path == str(tmp_path / "labels.csv")


def test_a_row_that_repeats_another_counts_once(tmp_path: Path) -> None:
    table = read_labels(write(tmp_path, "patient_id , label", "007, sick ", "007,sick", "8,well"))
    assert table[["patient_id", "label", "row"]].to_numpy().tolist() == [
        ["007", "sick", 2],
        ["8", "well", 4],
    ]


# --- classes


def test_the_reference_leads_and_the_positive_ends() -> None:
    result = classes_of(["covid-19", "a", "normal", "covid-19"])
    assert result == Classes(("normal", "a", "covid-19"), "covid-19")
    assert result.reference == "normal"
    assert classes_of(["b", "a"], "a").names == ("b", "a")


@pytest.mark.parametrize("labels", [[], ["covid-19"], ["covid-19", "covid-19"], ["normal"]])
def test_one_class_is_refused(labels: list[str]) -> None:
    with pytest.raises(InvalidTableError, match="ONE_CLASS"):
        classes_of(labels)


def test_a_positive_class_that_does_not_occur_is_refused() -> None:
    with pytest.raises(InvalidTableError, match="POSITIVE_UNKNOWN") as caught:
        classes_of(["COVID", "normal"])
    assert caught.value.expected == "COVID"
    with pytest.raises(InvalidTableError, match="POSITIVE_UNKNOWN"):
        Classes(("a", "b"), "a")


# --- joining by patient


def test_labels_meet_pseudonyms(tmp_path: Path) -> None:
    identities = Identities.keyed(tmp_path / "key")
    path = write(tmp_path, "patient_id,label", "MRN-1,sick", "MRN-2,well", "MRN-3,sick")
    manifest = images(*(identities.patient(name) for name in ("MRN-2", "MRN-1", "MRN-1")))
    joined, labels = join_labels(manifest, read_labels(path), path, identities)
    assert joined["label"].tolist() == ["well", "sick", "sick"]
    assert not joined["patient_id"].str.contains("MRN").any()
    assert labels["patient_id"].isna().tolist() == [False, False, True]


# --- joining by path


def test_labels_by_path_of_a_folder_or_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "a/study,sick", "./b/x.png,well", "c,sick", "gone,well")
    manifest = images("p1", "p2", "p3", "p3")
    sources = linked("/data/a/study/series", "/data/b/x.png", "/data/c/s1", "/data/c/s2")
    joined, labels = join_labels(manifest, read_labels(path), path, PUBLIC, sources)
    assert joined["label"].tolist() == ["sick", "well", "sick", "sick"]
    by_row = labels.set_index("row")["patient_id"]
    assert by_row.dropna().to_dict() == {2: "p1", 3: "p2", 4: "p3"}


def test_an_absolute_path_and_whole_names_only(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "/data/a/1,sick", "/data/a/2,well")
    sources = linked("/data/a/1", "/data/a/12", "/data/a/2")
    joined, _ = join_labels(images("p", "q", "r"), read_labels(path), path, PUBLIC, sources)
    assert joined["label"].isna().tolist() == [False, True, False]


def test_a_folder_may_hold_several_patients(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "sick,s", "well,w")
    sources = linked("/d/sick/1.nii", "/d/sick/2.nii", "/d/well/3.nii")
    joined, labels = join_labels(images("p", "q", "r"), read_labels(path), path, PUBLIC, sources)
    assert joined["label"].tolist() == ["s", "s", "w"]
    assert sorted(labels["patient_id"]) == ["p", "q", "r"]


def test_folders_above_the_data_name_nothing(tmp_path: Path) -> None:
    """A patient called as a folder that leads to the data is not everybody."""
    path = write(tmp_path, "path,label", "1,sick", "2,well")
    sources = linked("/mnt/1/data/2", "/mnt/1/data/3")
    joined, _ = join_labels(images("p", "q"), read_labels(path), path, PUBLIC, sources)
    assert joined["label"].fillna("none").tolist() == ["well", "none"]


def test_a_path_that_fits_below_several_folders_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "ct,sick", "b/ct,well")
    with pytest.raises(InvalidTableError, match="LABELS_AMBIGUOUS") as caught:
        join_labels(images("p", "q"), read_labels(path), path, PUBLIC, linked("/d/a/ct", "/d/b/ct"))
    assert caught.value.actual == "row 2"


def test_an_image_below_two_labels_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "c,x", "a,sick", "a/ct,well")
    with pytest.raises(InvalidTableError, match="LABELS_CONFLICT") as caught:
        join_labels(images("p", "q"), read_labels(path), path, PUBLIC, linked("/d/a/ct", "/d/c"))
    assert caught.value.actual == "rows 3, 4"


def test_paths_without_a_linkage_match_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "a,sick")
    joined, labels = join_labels(images("p"), read_labels(path), path, PUBLIC)
    assert joined["label"].isna().all() and labels["patient_id"].isna().all()


# --- what has no partner


def joined(tmp_path: Path, *lines: str) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    path = write(tmp_path, "patient_id,label", *lines)
    return *join_labels(images("p1", "p2"), read_labels(path), path, PUBLIC), path


def test_a_label_without_an_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="LABEL_WITHOUT_IMAGE") as caught:
        drop_unmatched(*joined(tmp_path, "p1,sick", "p9,well", "p2,well"))
    assert caught.value.actual == "row 3"


def test_an_image_without_a_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="IMAGE_WITHOUT_LABEL") as caught:
        drop_unmatched(*joined(tmp_path, "p1,sick"))
    assert caught.value.actual == "p2"


def test_excluding_says_what_was_left_out(tmp_path: Path) -> None:
    kept, notes = drop_unmatched(*joined(tmp_path, "p1,sick", "p8,well", "p9,well"), "exclude")
    assert kept["patient_id"].tolist() == ["p1"]
    assert notes == [
        "2 label rows left out: without an accepted image",
        "1 patient left out: without a label",
    ]


def test_nothing_labelled_is_refused_even_when_excluding(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="NOTHING_LABELLED"):
        drop_unmatched(*joined(tmp_path, "p9,well"), "exclude")


def test_a_full_match_has_no_notes(tmp_path: Path) -> None:
    kept, notes = drop_unmatched(*joined(tmp_path, "p1,sick", "p2,well"))
    assert len(kept) == 2 and notes == []


# --- clinical columns


def clinical(tmp_path: Path, *lines: str) -> pd.DataFrame | None:
    path = write(tmp_path, *lines)
    _, labels = join_labels(images("p1", "p2", "p3"), read_labels(path), path, PUBLIC)
    return clinical_of(labels, path)


def test_an_empty_cell_is_unknown_never_zero(tmp_path: Path) -> None:
    head = "patient_id,label,age,sex"
    table = clinical(tmp_path, head, "p1,sick,61,F", "p2,well,,M", "p9,sick,1,F")
    assert table is not None
    assert table["patient_id"].tolist() == ["p1", "p2"]  # p9 has no image
    assert table["age"].dtype == float and table["age"].isna().tolist() == [False, True]
    assert table["sex"].tolist() == ["F", "M"]


def test_text_among_numbers_is_named_by_row(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="CLINICAL_VALUE") as caught:
        clinical(tmp_path, "patient_id,label,age", "p1,sick,61", "p2,well,unknown", "p3,well,")
    assert caught.value.actual == "row 3" and "age" in caught.value.message


def test_no_clinical_columns(tmp_path: Path) -> None:
    assert clinical(tmp_path, "patient_id,label", "p1,sick") is None
