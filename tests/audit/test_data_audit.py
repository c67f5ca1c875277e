from __future__ import annotations

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from covidx.audit.data import audit_data
from covidx.cli import app
from covidx.errors import CovidxError, InvalidInputError
from tests.audit.cohorts import clean, clouds

FAULTS = {
    "patient": "patient_across_roles",
    "copy across roles": "copies_across_roles",
    "two patients": "copies_across_patients",
    "two labels": "copies_across_labels",
    "manufacturer": "label_by_manufacturer",
    "age": "label_by_age",
    "format": "label_by_format",
    "broken": "unread_images",
}


@pytest.fixture
def cohort(tmp_path):
    return clean(tmp_path)


def audit(tmp_path, cohort, **more):
    cohort.to_csv(tmp_path / "table.csv", index=False)
    return audit_data([tmp_path / "table.csv"], [str(tmp_path / "table.csv")], **more)


def faults(found):
    return {finding.name for finding in found.findings if finding.verdict == "fail"}


def test_a_clean_table_passes(tmp_path, cohort):
    found = audit(tmp_path, cohort)
    assert faults(found) == set()
    assert found.verdict == "pass"
    notes = [finding.name for finding in found.findings if finding.verdict == "note"]
    assert notes == ["repeated_groups"]  # two images a patient


def test_a_column_that_could_hide_much_in_its_interval_is_open(tmp_path, cohort):
    """Sixteen patients: V is 0, and its interval reaches 0.7; ages by turns reach 0.8."""
    found = audit(tmp_path, cohort.iloc[:32])
    named = {one.name: one for one in found.findings}
    assert named["label_by_manufacturer"].verdict == "cannot tell"
    assert named["label_by_manufacturer"].estimate.high >= 0.7
    assert faults(found) == set() and found.verdict == "cannot tell"


def plant_flaw(folder, cohort, flaw):
    """One flaw, and nothing else changed."""
    if flaw == "patient":  # one of two images of patient 0 goes to test
        cohort.loc[1, "role"] = "test"
    elif flaw in ("copy across roles", "two patients"):
        other = cohort.index[(cohort["role"] == "test") & (cohort["label"] == "covid-19")][0]
        if flaw == "two patients":
            other = 8 if cohort.loc[16, "role"] != "train" else 16  # both train, both COVID
        with Image.open(folder / cohort.loc[0, "image"]) as image:
            ImageOps.mirror(image).crop((10, 5, 250, 251)).save(folder / cohort.loc[other, "image"])
    elif flaw == "two labels":
        cohort["label"] = cohort["label"].astype(object)
        cohort.loc[1, "label"] = "normal"
        with Image.open(folder / cohort.loc[0, "image"]) as image:
            image.save(folder / cohort.loc[1, "image"])
    elif flaw == "manufacturer":
        cohort["manufacturer"] = cohort["label"].map({"covid-19": "Alpha", "normal": "Beta"})
    elif flaw == "age":
        cohort["age"] += (cohort["label"] == "covid-19") * 30
    elif flaw == "format":
        cohort["format"] = cohort["label"].map({"covid-19": "JPEG", "normal": "PNG"})
    elif flaw == "broken":
        (folder / cohort.loc[3, "image"]).write_bytes(b"broken")


@pytest.mark.parametrize("flaw", FAULTS)
def test_a_flaw_is_found_and_named(tmp_path, cohort, flaw):
    plant_flaw(tmp_path, cohort, flaw)
    found = audit(tmp_path, cohort)
    expected = {FAULTS[flaw]}
    if flaw == "copy across roles":  # another role is another patient here
        expected.add("copies_across_patients")
    assert faults(found) == expected
    finding = next(one for one in found.findings if one.name == FAULTS[flaw])
    assert finding.looked_for and finding.found and finding.how_sure and finding.to_do


def test_evidence_names_lines_and_no_patient(tmp_path, cohort):
    cohort.loc[1, "role"] = "test"
    found = audit(tmp_path, cohort)
    finding = next(one for one in found.findings if one.name == "patient_across_roles")
    name = tmp_path.name
    assert finding.rows == [
        {"fold": "0", "train": f"{name} line 2", "validation": "", "test": f"{name} line 3"}
    ]
    assert "patient 0" not in json.dumps([one.to_json() for one in found.findings])


def test_a_patient_in_two_classes_is_a_note(tmp_path, cohort):
    cohort.loc[1, "label"] = "normal"
    found = audit(tmp_path, cohort)
    assert found.verdict == "pass"
    finding = next(one for one in found.findings if one.name == "patient_with_two_labels")
    assert finding.verdict == "note"
    assert [row["labels"] for row in finding.rows] == ["covid-19 and normal"]


def test_a_copy_in_another_data_set(tmp_path):
    paths = []
    for place, name in enumerate(("first", "second")):
        (tmp_path / name).mkdir()
        table = clean(tmp_path / name, 6).iloc[place * 6 : place * 6 + 6]  # no picture in both
        paths.append(tmp_path / name / "table.csv")
        table.to_csv(paths[-1], index=False)
    assert audit_data(paths).verdict == "pass"
    with Image.open(tmp_path / "first" / "p0-0.png") as image:
        image.save(tmp_path / "second" / "p3-0.png")
    found = audit_data(paths)
    assert faults(found) == {"copies_across_datasets"}
    assert found.findings[0].rows[0]["copy"] == "second line 2"


def test_ids_of_two_data_sets_are_not_the_same_patients(tmp_path):
    paths = []
    for name, label in (("first", "covid-19"), ("second", "normal")):
        (tmp_path / name).mkdir()
        clean(tmp_path / name, 2).iloc[:1].assign(label=label).to_csv(tmp_path / name / "t.csv")
        paths.append(tmp_path / name / "t.csv")
    found = {one.name: one.verdict for one in audit_data(paths).findings}
    assert found["patient_with_two_labels"] == "pass"


def test_data_sets_of_one_class_each_are_a_note(tmp_path):
    """Cases from here and controls from there: no column within either set can tell."""
    paths = []
    for place, label in enumerate(("covid-19", "normal")):
        (tmp_path / label).mkdir()
        table = clean(tmp_path / label, 12).iloc[place * 12 : place * 12 + 12]
        table.assign(label=label).to_csv(tmp_path / label / "t.csv", index=False)
        paths.append(tmp_path / label / "t.csv")
    one = next(one for one in audit_data(paths).findings if one.name == "class_by_site")
    assert one.verdict == "note"
    assert one.found.startswith("2 of 2 with at least 5 patients delivered one class only")


def test_text_files_of_ids(tmp_path, cohort):
    """As COVID-CT's: a file name a line, the role in the file's name."""
    cohort.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "trainCT.txt").write_text("\n".join(cohort["image"][:40]) + "\n")
    (tmp_path / "held-out.txt").write_text("\n".join(cohort["image"][39:]))
    splits = [str(tmp_path / "trainCT.txt"), f"test={tmp_path / 'held-out.txt'}"]
    found = audit_data([tmp_path / "table.csv"], splits)
    assert faults(found) == {"image_across_roles", "patient_across_roles"}


def test_a_copy_across_roles_is_found_past_a_twin_without_a_role(tmp_path, cohort):
    """The first of three images with the same pixels plays no role; the others play two."""
    test = cohort.index[cohort["role"] == "test"][0]
    cohort.loc[0, "role"] = None
    for other in (8, test):
        shutil.copy(tmp_path / cohort.loc[0, "image"], tmp_path / cohort.loc[other, "image"])
    assert cohort.loc[8, "role"] == "validation"
    found = audit(tmp_path, cohort)
    rows = next(one for one in found.findings if one.name == "copies_across_roles").rows
    assert [row["roles"] for row in rows] == ["validation, test"]


def test_a_patient_number_is_no_file_name(tmp_path, cohort):
    """Patient 1 is not 1.png: a column of one name goes first."""
    for place, name in enumerate(cohort["image"]):
        (tmp_path / name).rename(tmp_path / f"{place}.png")
    cohort["image"] = [f"{place}.png" for place in range(len(cohort))]
    cohort["patient_id"] = [str(place // 2) for place in range(len(cohort))]
    cohort.drop(columns="role").to_csv(tmp_path / "table.csv", index=False)
    patients = cohort.drop_duplicates("patient_id")[["patient_id", "role"]]
    patients.to_csv(tmp_path / "splits.csv", index=False)
    found = audit_data([tmp_path / "table.csv"], [str(tmp_path / "splits.csv")])
    assert faults(found) == set()
    known = next(one for one in found.findings if one.name == "images_without_role")
    assert known.verdict == "pass"


def test_splits_by_image_and_patient_go_by_image(tmp_path, cohort):
    """By patient each image would play both roles of its patient."""
    cohort["role"] = ["train", "test"] * (len(cohort) // 2)
    cohort.drop(columns="role").to_csv(tmp_path / "table.csv", index=False)
    cohort[["patient_id", "image", "role"]].to_csv(tmp_path / "splits.csv", index=False)
    found = audit_data([tmp_path / "table.csv"], [str(tmp_path / "splits.csv")])
    assert faults(found) == {"patient_across_roles"}


def test_what_table_and_splits_do_not_share_is_said(tmp_path, cohort):
    cohort.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "train.txt").write_text("\n".join([*cohort["image"][:40], "gone.png"]))
    found = audit_data([tmp_path / "table.csv"], [str(tmp_path / "train.txt")])
    known = next(one for one in found.findings if one.name == "images_without_role")
    assert known.verdict == "note"
    assert known.found == (
        "Images without a role: 8 of 48; ids of the splits that the table does not know: 1."
    )
    assert known.rows == [{"splits": "file 1", "unknown": 1, "ids": 41}]


def test_one_name_in_two_folders_is_ambiguous(tmp_path, cohort):
    (tmp_path / "a").mkdir()
    shutil.copy(tmp_path / "p1-0.png", tmp_path / "a" / "p0-0.png")
    cohort.loc[2, "image"] = "a/p0-0.png"
    cohort.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "train.txt").write_text("p0-0\np2-0\n")
    with pytest.raises(CovidxError, match="SPLITS_AMBIGUOUS") as error:
        audit_data([tmp_path / "table.csv"], [str(tmp_path / "train.txt")])
    assert error.value.actual == "1 of 2 ids name several by their stem"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "SPLITS_UNREADABLE"),
        (b"", "SPLITS_EMPTY"),
        (b"\xff\xfe\x00", "SPLITS_UNREADABLE"),
    ],
)
def test_text_files_that_cannot_be_used(tmp_path, cohort, content, code):
    cohort.to_csv(tmp_path / "table.csv", index=False)
    if content is not None:
        (tmp_path / "train.txt").write_bytes(content)
    with pytest.raises(CovidxError) as error:
        audit_data([tmp_path / "table.csv"], [str(tmp_path / "train.txt")])
    assert error.value.code == code


@pytest.mark.parametrize(
    "content", [None, b"", b"image,patient_id\n", b"a,b\n1,2,3\n", b"\xff\xfe"]
)
def test_tables_that_are_none(tmp_path, content):
    if content is not None:
        (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(CovidxError) as error:
        audit_data([tmp_path / "table.csv"])
    empty = content == b"image,patient_id\n"
    assert error.value.code == ("TABLE_EMPTY" if empty else "TABLE_UNREADABLE")
    assert error.value.path == str(tmp_path / "table.csv")


def test_a_number_of_a_study_is_one_in_its_data_set_alone(tmp_path):
    paths = []
    for place, name in enumerate(("first", "second")):
        (tmp_path / name).mkdir()
        table = clean(tmp_path / name, 4).iloc[place * 4 : place * 4 + 4]
        table = table.assign(
            study_id=["1"] * 4, series_uid=["1.2.3"] * 4, role=("train", "test")[place]
        )
        paths.append(tmp_path / name / "table.csv")
        table.to_csv(paths[-1], index=False)
        table.assign(path=table["image"])[["image", "role"]].to_csv(tmp_path / f"{name}.csv")
    found = audit_data(paths, [str(tmp_path / f"{name}.csv") for name in ("first", "second")])
    assert faults(found) == {"uid_across_roles"}


def test_formats_come_from_the_files_of_the_set_that_lost_them(tmp_path):
    """One table knows them; the other's COVID images are JPEG, and only the files say so."""
    paths = []
    for place, name in enumerate(("first", "second")):
        (tmp_path / name).mkdir()
        table = clean(tmp_path / name).iloc[::2].iloc[12 * place : 12 * place + 12]
        if name == "first":
            table["format"], table["height"] = (
                "PNG",
                "170",
            )  # cm, and no width: no size of a picture
        else:
            covid = table["label"] == "covid-19"
            for image in table["image"][covid]:
                with Image.open(tmp_path / name / image) as picture:
                    picture.save(tmp_path / name / image, "JPEG")
        paths.append(tmp_path / name / "table.csv")
        table.to_csv(paths[-1], index=False)
    found = audit_data(paths)
    formats = [one for one in found.findings if one.name == "label_by_format"]
    assert [(one.title, one.verdict) for one in formats] == [("Label and format, second", "fail")]


def test_a_label_is_no_markup_on_the_page(tmp_path, cohort):
    cohort["label"] = cohort["label"].map({"covid-19": "<script>x</script>", "normal": "normal"})
    cohort["manufacturer"] = cohort["label"].str[:4]
    cohort.to_csv(tmp_path / "table.csv", index=False)
    arguments = ["audit", "data", str(tmp_path / "table.csv"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 1
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.drop(columns="patient_id"), "NO_GROUP_COLUMN"),
        (lambda t: t.drop(columns="image"), "NO_IMAGE_COLUMN"),
        (lambda t: t.assign(image=None), "TABLE_EMPTY"),
        (lambda t: t.assign(image=t["image"] + ".gone"), "NO_IMAGE_READ"),
        (lambda t: t.drop(columns="role"), "SPLITS_COLUMNS"),
        (lambda t: t.assign(role="fourth"), "SPLITS_ROLE"),
    ],
)
def test_tables_that_cannot_be_audited(tmp_path, cohort, change, code):
    with pytest.raises(CovidxError) as error:
        audit(tmp_path, change(cohort))
    assert error.value.code == code


def test_splits_of_another_data_set(tmp_path, cohort):
    cohort.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "train.txt").write_text("somebody.png\nelse.png\np0-0.png\n")
    with pytest.raises(CovidxError, match="SPLITS_OTHER_SET") as error:
        audit_data([tmp_path / "table.csv"], [str(tmp_path / "train.txt")])
    assert error.value.actual == "33% of 3"


@pytest.mark.parametrize(
    ("columns", "code"),
    [({"patients": "x"}, "COLUMN_UNKNOWN"), ({"patient": "nobody"}, "COLUMN_MISSING")],
)
def test_columns_that_are_not_there(tmp_path, cohort, columns, code):
    with pytest.raises(CovidxError) as error:
        audit(tmp_path, cohort, columns=columns)
    assert error.value.code == code


def test_semicolons_divide_cells_and_bars_do_not(tmp_path, cohort):
    cohort.to_csv(tmp_path / "table.csv", index=False, sep=";")
    assert audit_data([tmp_path / "table.csv"]).verdict == audit(tmp_path, cohort).verdict
    cohort.to_csv(tmp_path / "table.csv", index=False, sep="|")
    with pytest.raises(CovidxError, match="NO_IMAGE_COLUMN") as error:
        audit_data([tmp_path / "table.csv"])
    assert error.value.hint == "The table has one column only: divide its cells by commas."


def test_a_column_named_by_the_user(tmp_path, cohort):
    renamed = cohort.rename(columns={"patient_id": "who"})
    assert audit(tmp_path, renamed, columns={"patient": "who"}).verdict == "pass"


def test_a_parquet_counts_its_rows_from_one(tmp_path, cohort):
    cohort.loc[1, "role"] = "test"
    cohort.to_parquet(tmp_path / "table.parquet")
    found = audit_data([tmp_path / "table.parquet"], [str(tmp_path / "table.parquet")])
    finding = next(one for one in found.findings if one.name == "patient_across_roles")
    assert finding.rows[0]["test"].endswith(" line 2")


def test_the_verb_ends_with_0_1_or_2(tmp_path, cohort):
    cohort.to_csv(tmp_path / "table.csv", index=False)
    arguments = ["audit", "data", str(tmp_path / "table.csv"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Verdict: pass." in page
    plant_flaw(tmp_path, cohort, "manufacturer")
    cohort.to_csv(tmp_path / "table.csv", index=False)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "fail  Label and manufacturer" in result.output
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert record["verdict"] == "fail"
    assert record["findings"][0]["test"]["p_holm"] < 0.05
    result = CliRunner().invoke(app, [*arguments, "--column", "patient"])
    assert isinstance(result.exception, InvalidInputError)  # main turns it into exit code 2
    assert result.exception.code == "COLUMN_OPTION"


def test_a_table_without_labels_says_what_it_could_not_look_at(tmp_path, cohort):
    found = audit(tmp_path, cohort.drop(columns="label"))
    open_questions = {one.name for one in found.findings if one.verdict == "not looked at"}
    assert {"copies_across_labels", "patient_with_two_labels", "untested_columns"} <= open_questions
    assert found.verdict == "pass"


def test_columns_without_a_value_are_as_good_as_none(tmp_path, cohort):
    found = audit(tmp_path, cohort.assign(study_uid=None, series_uid=None, group_id=None))
    assert found.verdict == "pass"


def volume(path, middle, around):
    """Twenty slices (columns, rows, slices): one picture in the middle, another above and below."""
    slices = [clouds(middle if 9 <= k <= 11 else around) for k in range(20)]
    values = np.stack(slices, axis=-1).swapaxes(0, 1).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)


def brightened(path, source):
    image = nib.load(source)
    values = np.asarray(image.dataobj)[6:250, 4:252, :] * 0.7 + 20
    nib.save(nib.Nifti1Image(values.astype(np.int16), np.eye(4)), path)


def test_a_volume_is_a_copy_throughout(tmp_path):
    """The second is a copy of the first; the third shares its middle alone."""
    volume(tmp_path / "a.nii.gz", 1, 2)
    brightened(tmp_path / "b.nii.gz", tmp_path / "a.nii.gz")
    volume(tmp_path / "x.nii.gz", 1, 3)
    brightened(tmp_path / "c.nii.gz", tmp_path / "x.nii.gz")
    names = ["a.nii.gz", "b.nii.gz", "c.nii.gz", *(f"{n}.nii.gz" for n in range(9))]
    for n, name in enumerate(names[3:]):
        volume(tmp_path / name, 100 + n, 200 + n)
    table = pd.DataFrame({"image": names, "patient_id": names, "label": ["normal"] * len(names)})
    table.to_csv(tmp_path / "table.csv", index=False)
    found = {one.name: one for one in audit_data([tmp_path / "table.csv"]).findings}
    (row,) = found["copies_across_patients"].rows
    assert row["image"].endswith("line 2") and row["copy"].endswith("line 3")
    assert row["kind"] == "near"
