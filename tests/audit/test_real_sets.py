"""What the audit must find in public sets; truth from file names, which it does not see."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from covidx.audit.data import audit_data

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no shared data at {DATA}")


def finding(found, name, column=""):
    return next(f for f in found.findings if f.name == name and column in f.title)


@pytest.fixture(scope="module")
def chests(tmp_path_factory):
    """All COVID images of DarkCovidNet, 80 NIH patients with two classes first; covid-chestxray."""
    folder = tmp_path_factory.mktemp("chests")
    dark = pd.read_csv(DATA / "darkcovidnet" / "images.csv")
    nih = dark[dark["label"] != "covid-19"]
    classes = nih.groupby("patient_id")["label"].nunique().sort_values(kind="stable")
    some = nih[nih["patient_id"].isin(classes.index[-80:])]
    tables = {
        "darkcovidnet": pd.concat([dark[dark["label"] == "covid-19"], some]),
        "covid-chestxray": pd.read_csv(DATA / "covid-chestxray" / "metadata.csv"),
    }
    for name, table in tables.items():
        (folder / name).mkdir()
        images = table["image"].map(lambda text, name=name: f"{name}/{text}", na_action="ignore")
        table.assign(image=images).to_csv(folder / name / "table.csv", index=False)
    paths = [folder / name / "table.csv" for name in tables]
    return audit_data(paths, images=DATA), [pd.read_csv(path) for path in paths]


def test_the_120_images_that_two_sets_share(chests):
    found, (dark, chest) = chests
    pairs = finding(found, "copies_across_datasets").rows
    stems = [dark["original_file"].map(lambda f: Path(f).stem)]
    stems.append(chest["filename"].map(lambda f: Path(f).stem))
    known = set(stems[0]) & set(stems[1][chest["image"].notna()])  # four more have no image here
    assert len(known) == 120
    lines = [(int(row["image"].split()[-1]) - 2, int(row["copy"].split()[-1]) - 2) for row in pairs]
    assert {stems[0][a] for a, b in lines if stems[0][a] == stems[1][b]} == known
    assert {stems[0][a] for a, _ in lines} == known  # and no other image of DarkCovidNet


def test_five_radiographs_under_two_patients(chests):
    """Listed twice with one file name: 638 rows with an image, 633 files."""
    found, (_, chest) = chests
    twice = chest.dropna(subset=["image"])
    twice = twice[twice["image"].duplicated(keep=False)]
    lines = {
        frozenset(int(row[end].split()[-1]) for end in ("image", "copy"))
        for row in finding(found, "copies_across_patients").rows
    }
    known = {frozenset(index + 2) for index in twice.groupby("image").groups.values()}
    assert len(known) == 5
    assert known <= lines


def test_patients_in_both_classes_of_nih(chests):
    found, (dark, _) = chests
    known = (dark.groupby("patient_id")["label"].nunique() > 1).sum()
    rows = finding(found, "patient_with_two_labels").rows
    assert [row["labels"] for row in rows].count("no-finding and pneumonia") == known == 21


@pytest.mark.parametrize("column", ["format", "size", "source"])
def test_the_header_tells_the_label_in_darkcovidnet(chests, column):
    one = finding(chests[0], f"label_by_{column}", "darkcovidnet")
    assert one.verdict == "fail"
    assert one.estimate.low > 0.6


def test_covid_ct_cut_by_image(tmp_path):
    """Its sources recur; two of its slices are in both classes."""
    table = pd.read_csv(DATA / "covid-ct" / "images.csv")
    ids = table.sample(frac=1, random_state=0)["original_file"]
    for role, part in {"train": ids[:500], "test": ids[500:]}.items():
        (tmp_path / f"{role}CT.txt").write_text("\n".join(part))
    splits = [str(tmp_path / "trainCT.txt"), str(tmp_path / "testCT.txt")]
    found = audit_data([DATA / "covid-ct" / "images.csv"], splits)
    assert finding(found, "group_across_roles").verdict == "fail"
    assert "332 patients or groups" in finding(found, "repeated_groups").found
    pairs = finding(found, "copies_across_labels").rows
    images = [
        {table["image"][int(row[end].split()[-1]) - 2] for end in ("image", "copy")}
        for row in pairs
    ]
    assert {"images/covid-19/kjr-21-e24-p5-29.png", "images/non-covid/71_0.png"} in images
    assert finding(found, "label_by_format").verdict == "fail"
