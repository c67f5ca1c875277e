"""Labels and clinical rows: joined by patient or by path, mistakes named by row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from covidx.class_names import NO_CLASS
from covidx.cohort import (
    Classes,
    classes_of,
    clinical_of,
    drop_unmatched,
    join_labels,
    read_labels,
    without_identities,
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
        (["patient_id,path,label", "p,q,sick", ",r,sick"], "LABELS_VALUE", "row 3"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p1,COVID-19\np2, covid-19\np3,normal\n", ["covid-19", "covid-19", "normal"]),
        ("p1,1.0\np2,True\np3,0\n", ["1", "1", "0"]),
    ],
)
def test_labels_that_are_spelt_otherwise_are_taken_with_a_note(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    path = write(tmp_path, "patient_id,label", text)
    for known in ({"positive": "covid-19"}, {"classes": ["0", "1", "normal", "covid-19"]}):
        table = read_labels(path, **known)
        assert table["label"].tolist() == expected
    assert all("taken as" in note for note in table.attrs["notes"])
    assert ("COVID-19" in text) == any("label COVID-19: 1 row" in n for n in table.attrs["notes"])


@pytest.mark.parametrize("label", ["inconclusive", "covid19", "positive", "NA", "flu"])
def test_labels_of_no_class_are_refused_by_row(tmp_path: Path, label: str) -> None:
    path = write(tmp_path, "patient_id,label", "p1,covid-19", f"p2,{label}", "p3,normal")
    with pytest.raises(InvalidTableError, match="LABEL_UNKNOWN") as caught:
        read_labels(path, classes=["normal", "covid-19"], positive="covid-19")
    assert caught.value.actual == f"row 3: {label} (1)"
    assert "--map" in str(caught.value.hint) and "normal, covid-19" in str(caught.value.hint)
    if label == "flu":  # without named classes it is one of its own
        assert read_labels(path, positive="covid-19")["label"].tolist()[1] == "flu"
    else:
        with pytest.raises(InvalidTableError, match="LABEL_UNKNOWN"):
            read_labels(path, positive="covid-19")


def test_a_map_names_classes_and_leaves_rows_out(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,label", "p1,Pos", "p2,n.d.", "p3,normal", "p4,normal")
    known = {"classes": ["normal", "covid-19"], "positive": "covid-19"}
    table = read_labels(path, mapping={"pos": "COVID-19", "n.d.": ""}, **known)
    assert table["label"].tolist() == ["covid-19", NO_CLASS, "normal", "normal"]
    joined, labels = join_labels(images("p1", "p2", "p3", "p4"), table, path, PUBLIC)
    kept, notes = drop_unmatched(joined, labels, path)
    assert kept["label"].tolist() == ["covid-19", "normal", "normal"]
    assert notes == ["1 image left out: of no class"]


def test_a_card_says_what_labels_mean(tmp_path: Path) -> None:
    path = write(tmp_path, "patient_id,label", "p1,POS", "p2,lost", "p3,neg", "p4,other")
    aliases = {"pos": "covid-19", "neg": "normal", "lost": None}
    known = {"classes": ["normal", "covid-19"], "positive": "covid-19"}
    with pytest.raises(InvalidTableError, match="other"):
        read_labels(path, aliases=aliases, **known)
    table = read_labels(path, aliases=aliases | {"*": "normal"}, **known)
    assert table["label"].tolist() == ["covid-19", NO_CLASS, "normal", "normal"]
    assert "label lost: 1 row left out, by the card" in table.attrs["notes"]


def test_headers_that_look_alike_are_proposed(tmp_path: Path) -> None:
    path = write(tmp_path, "PatientID;Diagnose", "1;covid-19", "2;normal")
    with pytest.raises(InvalidTableError, match="LABELS_COLUMNS") as caught:
        read_labels(path)
    assert "--columns patient_id=PatientID,label=Diagnose" in str(caught.value.hint)
    table = read_labels(path, columns={"patient_id": "PatientID", "label": "Diagnose"})
    assert table["label"].tolist() == ["covid-19", "normal"]


def test_labels_have_one_meaning_in_every_format(tmp_path: Path) -> None:
    table = pd.DataFrame({"patient_id": ["007", "8"], "label": [1.0, 0.0]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_excel(tmp_path / "t.xlsx", index=False)
    table.to_parquet(tmp_path / "t.parquet", index=False)
    for name in ("t.csv", "t.xlsx", "t.parquet"):
        read = read_labels(tmp_path / name, positive="1")
        assert read[["patient_id", "label"]].to_numpy().tolist() == [["007", "1"], ["8", "0"]]


def test_a_row_that_repeats_another_is_counted(tmp_path: Path) -> None:
    table = read_labels(write(tmp_path, "patient_id,label", "p1,a", "p1,a", "p2,b"))
    assert table.attrs["notes"] == ["1 label row left out: the same as another"]


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


def test_paths_with_patients_make_images_of_one_person_one_patient(tmp_path: Path) -> None:
    """26 images of 21 patients are 21 patients: the path names the image, the id its patient."""
    lines = ("path,patient_id,label", "a/1.png,p,sick", "a/2.png,p,sick", "a/3.png,q,well")
    path = write(tmp_path, *lines)
    sources = linked("/d/a/1.png", "/d/a/2.png", "/d/a/3.png")
    manifest, labels = join_labels(
        images("i1", "i2", "i3"), read_labels(path), path, PUBLIC, sources
    )
    assert manifest["patient_id"].tolist() == ["p", "p", "q"]
    assert manifest["label"].tolist() == ["sick", "sick", "well"]
    assert labels.set_index("row")["patient_id"].to_dict() == {2: "p", 3: "p", 4: "q"}
    keyed = Identities.keyed(tmp_path / "key")
    manifest, _ = join_labels(images("i1", "i2", "i3"), read_labels(path), path, keyed, sources)
    assert manifest["patient_id"].tolist()[0] == keyed.patient("p")
    path = write(tmp_path, "path,patient_id,label", "a,p,sick", "a/1.png,q,sick")
    sources = linked("/d/a/1.png", "/d/a/2.png", "/d/b/3.png")
    with pytest.raises(InvalidTableError, match="LABELS_CONFLICT"):
        join_labels(images("i1", "i2", "i3"), read_labels(path), path, PUBLIC, sources)


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


@pytest.mark.parametrize(
    "place",
    ["b\\x.png", ".\\b\\x.png", "./b/x.PNG", "C:\\b\\x.png", "b//x.Png", "x.png ", "b/x", "x"],
)
def test_a_path_as_another_system_writes_it(tmp_path: Path, place: str) -> None:
    path = write(tmp_path, "path,label", f"{place},well", "a/x2.png,sick")
    sources = linked("/data/b/x.png", "/data/a/x2.png")
    joined, _ = join_labels(images("p", "q"), read_labels(path), path, PUBLIC, sources)
    assert joined["label"].tolist() == ["well", "sick"]


def test_the_case_of_a_suffix_counts_where_two_files_differ_in_it(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "a/x.png,well", "a/x.PNG,sick")
    sources = linked("/data/a/x.PNG", "/data/a/x.png")
    joined, _ = join_labels(images("p", "q"), read_labels(path), path, PUBLIC, sources)
    assert joined["label"].tolist() == ["sick", "well"]


def test_images_without_a_label_are_named_as_the_table_names_them(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label", "b/x.png,well")
    sources = linked("/data/b/x.png", "/data/a/y.png")
    joined = join_labels(images("P-1", "P-2"), read_labels(path), path, PUBLIC, sources)
    with pytest.raises(InvalidTableError, match="IMAGE_WITHOUT_LABEL") as caught:
        drop_unmatched(*joined, path, sources=sources)
    assert caught.value.actual == "a/y.png"


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


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    head = "patient_id;label;age;wbc"
    table = clinical(tmp_path, head, "p1;sick;NA;5,25", "p2;well;40;7,5", "p3;well;;6")
    assert table is not None
    assert table["age"].isna().tolist() == [True, False, True]
    assert table["wbc"].tolist() == [5.25, 7.5, 6.0]
    assert table.attrs["notes"] == [
        "age: 1 cell NA or NaN taken as unknown",
        "wbc: commas taken as decimal (2 cells)",
    ]


def test_words_like_an_empty_cell_are_words(tmp_path: Path) -> None:
    table = clinical(tmp_path, "patient_id,label,comorbidity", "p1,a,None", "p2,b,NA", "p3,b,")
    assert table is not None
    assert table["comorbidity"].tolist()[:2] == ["None", "NA"]
    assert pd.isna(table["comorbidity"].iloc[2])


def test_no_clinical_columns(tmp_path: Path) -> None:
    assert clinical(tmp_path, "patient_id,label", "p1,sick") is None


def test_columns_that_tell_who_a_patient_is_are_left_out(tmp_path: Path) -> None:
    """By their header, or since their words differ from patient to patient."""
    head = "patient_id,label,age,sex,MRN,Patient name,ward,remark"
    names = ["王小明", "Иванов", "Παπαδόπουλος", "Wu Li"]
    rows = [f"p{k},sick,6{k},{'MFMF'[k]},77{k},x,{'AABB'[k]},{names[k]}" for k in range(4)]
    labels = read_labels(write(tmp_path, head, *rows))
    _, joined_labels = join_labels(
        images("p0", "p1", "p2", "p3"), labels, tmp_path / "labels.csv", Identities.public()
    )
    table = clinical_of(joined_labels, tmp_path / "labels.csv")
    assert table is not None
    kept, notes = without_identities(table)
    assert kept is not None and list(kept) == ["patient_id", "age", "sex", "ward"]
    assert [note.split()[1] for note in notes] == ["MRN", "Patient", "remark"]
    assert without_identities(table[["patient_id", "remark"]])[0] is None
