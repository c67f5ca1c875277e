from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from covidx.cards import (
    CARD_FOLDER,
    FOR_READERS,
    card_digest,
    export_croissant,
    load_card,
)
from covidx.cells import read_cells
from covidx.errors import ConfigError
from covidx.tables import MANIFEST

SHARED = Path(__file__).parents[2] / "../shared/data"
COVID_CT = SHARED / "covid-ct"
HANNOVER = SHARED / "hannover"
DARKCOVIDNET, CHESTXRAY = SHARED / "darkcovidnet", SHARED / "covid-chestxray"
CARDS = sorted(path.stem for path in CARD_FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_whole(name: str) -> None:
    card = load_card(Path(name))
    assert card.identifier == name
    assert card.positive in card.classes
    for text in (card.licence, card.provenance, card.population, card.label_origin, card.citation):
        assert len(text) > 5
    assert len(card.known_biases) >= 5
    assert all(column.meaning for column in card.columns)
    if card.images is not None:
        assert set(card.images.manifest) <= set(MANIFEST.columns)
        if card.images.label is not None:
            assert set(card.images.labels.values()) - {None} == set(card.classes)
    if card.clinical is not None and card.clinical.labels:
        assert card.positive in set(card.clinical.labels.values()) <= {None, *card.classes}


def test_a_card_has_one_digest(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text((CARD_FOLDER / "covid-ct.yaml").read_text() + "\n# a comment\n")
    assert card_digest(load_card(copy)) == card_digest(load_card(Path("covid-ct")))
    changed = yaml.safe_load(copy.read_text()) | {"version": "9"}
    copy.write_text(yaml.safe_dump(changed))
    assert card_digest(load_card(copy)) != card_digest(load_card(Path("covid-ct")))


@pytest.mark.parametrize("text", ["identifier: x\n", "licence_: x\n", "- a\n"])
def test_a_wrong_card_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"card\.yaml"):
        load_card(tmp_path / "card.yaml")


def test_phantom_card_names_the_generators_columns() -> None:
    from covidx.phantom.clinical import CLINICAL_COLUMNS, MEI_COLUMNS, SYMPTOM_COLUMNS
    from covidx.phantom.effects import CLASSES, GENERATOR_VERSION

    card = load_card(Path("phantom"))
    named = [column.name for column in card.columns if column.table == "clinical.csv"]
    assert named == ["patient_id", *CLINICAL_COLUMNS]
    assert card.clinical is not None
    assert card.clinical.features == [*MEI_COLUMNS, *SYMPTOM_COLUMNS]
    assert card.classes == list(CLASSES)
    assert card.version == str(GENERATOR_VERSION)


def test_phantom_rows_lie_within_the_cards_ranges() -> None:
    from covidx.phantom import draw_patient

    card = load_card(Path("phantom"))
    ranges = {c.name: (c.low, c.high) for c in card.columns if c.low is not None}
    for index in range(1500):
        row = draw_patient(0, index).clinical
        for name, (low, high) in ranges.items():
            value = row[name]
            assert value is None or low <= float(value) <= high, (name, value)


@pytest.mark.skipif(not COVID_CT.exists(), reason="../shared/data/covid-ct is absent")
def test_covid_ct_card_matches_its_data() -> None:
    card = load_card(Path("covid-ct"))
    assert card.images is not None
    path = COVID_CT / card.images.table
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card.hashes["images.csv"]
    table = read_cells(path)
    originals = "".join(f"{digest}\n" for digest in sorted(table["original_sha256"]))
    assert hashlib.sha256(originals.encode()).hexdigest() == card.hashes["originals"]
    assert [column.name for column in card.columns] == list(table.columns)
    for column in card.columns:
        if column.low is not None:
            values = table[column.name].astype(float)
            assert (values.min(), values.max()) == (column.low, column.high)
    assert table.groupby("label")["source_run"].nunique().to_dict() == {
        "covid-19": 61,
        "non-covid": 152,
    }
    jpeg = table[table["original_format"] == "JPEG"]
    named = jpeg["original_file"].str.endswith(".jpg")
    assert jpeg["label"][named].value_counts().to_dict() == {"non-covid": 202}
    assert jpeg["label"][~named].value_counts().to_dict() == {"covid-19": 34}
    opaque = table[(table["original_format"] == "PNG") & (table["original_mode"] != "RGBA")]
    assert opaque["label"].value_counts().to_dict() == {"covid-19": 91}


def _check_table(name: str, root: Path, originals: str = "original_sha256") -> pd.DataFrame:
    """Hashes, columns and ranges of a card against its table."""
    card = load_card(Path(name))
    assert card.images is not None
    path = root / card.images.table
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card.hashes[path.name]
    table = read_cells(path)
    assert [column.name for column in card.columns] == [
        column for column in table.columns if column in {c.name for c in card.columns}
    ]
    assert set(table.columns) == {column.name for column in card.columns}
    digests = "".join(f"{digest}\n" for digest in sorted(table[originals].dropna()))
    assert hashlib.sha256(digests.encode()).hexdigest() == card.hashes["originals"]
    for column in card.columns:
        if column.low is None or column.high is None:
            continue
        values = table[column.name].astype(float)
        if "; published from" in column.meaning or ", published from" in column.meaning:
            low, high = re.findall(r"published from ([\d.]+) to ([\d.]+)", column.meaning)[0]
            known = values[np.isfinite(values)]
            assert (known.min(), known.max()) == (float(low), float(high)), column.name
            within = values.dropna().between(column.low, column.high)
            assert within.all() == (column.impossible == "refuse"), column.name
        else:
            assert (values.min(), values.max()) == (column.low, column.high), column.name
    if card.images.label is not None:
        assert set(table[card.images.label]) == set(card.images.labels)
    return table


@pytest.mark.skipif(not DARKCOVIDNET.exists(), reason="../shared/data/darkcovidnet is absent")
def test_darkcovidnet_card_matches_its_data() -> None:
    table = _check_table("darkcovidnet", DARKCOVIDNET)
    patients = table.groupby("label")["patient_id"].nunique().to_dict()
    assert patients == {"covid-19": 82, "no-finding": 332, "pneumonia": 371}
    nih = table[table["source"] == "NIH ChestX-ray8"]
    assert len(nih) == 1000 and set(nih["label"]) == {"no-finding", "pneumonia"}
    labels = nih.groupby("patient_id")["label"].nunique()
    both = labels.index[labels == 2]
    assert (len(labels), len(both), nih["patient_id"].isin(both).sum()) == (682, 21, 74)
    images = nih.groupby("patient_id").size()
    assert (int((images > 1).sum()), images.max()) == (164, 12)
    covid = table[table["label"] == "covid-19"]
    assert covid["original_format"].value_counts().to_dict() == {"JPEG": 103, "PNG": 21}
    assert covid["original_mode"].value_counts().to_dict() == {"RGB": 96, "RGBA": 20, "L": 8}
    assert covid["view"].value_counts().to_dict() == {"PA": 91, "AP": 17, "AP Supine": 16}
    assert covid["original_width"].nunique() == 113
    assert set(nih["original_format"] + nih["original_width"] + nih["original_height"]) == {
        "PNG10241024"
    }
    assert nih["original_mode"].value_counts().to_dict() == {"L": 996, "RGBA": 4}


@pytest.mark.skipif(not CHESTXRAY.exists(), reason="../shared/data/covid-chestxray is absent")
def test_covid_chestxray_card_matches_its_data() -> None:
    table = _check_table("covid-chestxray", CHESTXRAY)
    card = load_card(Path("covid-chestxray"))
    assert card.images is not None
    assert (len(table), table["patientid"].nunique()) == (673, 342)
    assert int(table["license"].isna().sum()) == 240  # one holds a blank
    there = table["image"].notna()
    there &= table["image"].fillna(".").map(lambda name: (CHESTXRAY / name).is_file())
    assert (int(there.sum()), table["image"][there].nunique()) == (638, 633)
    assert table["modality"].value_counts().to_dict() == {"X-ray": 589, "CT": 84}
    chosen = there.copy()
    for column, allowed in card.images.where.items():
        chosen &= table[column].isin(allowed)
    films = table[chosen]
    assert (len(films), films["patientid"].nunique()) == (531, 311)
    covid = films["finding"].str.startswith("COVID-19")
    clear = films[films["finding"] == "No Finding"]
    assert (int(covid.sum()), len(clear), clear["patientid"].nunique()) == (427, 19, 16)
    ill = set(table["patientid"][table["finding"].str.startswith("COVID-19")])
    also = clear["patientid"].isin(ill)
    assert (int(also.sum()), clear["patientid"][also].nunique()) == (14, 12)
    supine = films["view"] != "PA"
    assert (int((supine & covid).sum()), int((supine & ~covid).sum())) == (211, 23)
    everywhere = table["finding"].str.startswith("COVID-19")
    for column, counts in {
        "leukocyte_count": (14, 1),
        "neutrophil_count": (26, 2),
        "lymphocyte_count": (35, 2),
        "temperature": (59, 14),
        "pO2_saturation": (107, 10),
    }.items():
        known = table[column].notna()
        assert (int((known & everywhere).sum()), int((known & ~everywhere).sum())) == counts
    named = table[table["image"].duplicated(keep=False) & table["image"].notna()]
    assert set(named["patientid"]) == {"285", "287", "339", "340"} and len(named) == 10


@pytest.mark.skipif(not CHESTXRAY.exists(), reason="../shared/data/covid-chestxray is absent")
def test_two_quantities_under_one_name_in_covid_chestxray() -> None:
    table = read_cells(CHESTXRAY / "metadata.csv")
    hannover = table["location"].str.startswith("Hannover Medical School", na=False)
    values = table["pO2_saturation"].astype(float)
    here, others = values[hannover].dropna(), values[~hannover].dropna()
    assert (int(hannover.sum()), len(here), len(others)) == (92, 53, 64)
    assert (here % 5 == 0).all() and (here.min(), here.max()) == (20, 340)
    assert (others.min(), others.max(), int((here <= 100).sum())) == (50, 98, 48)
    clear = set(table["patientid"][table["finding"] == "No Finding"])
    ill = set(table["patientid"][table["finding"].str.startswith("COVID-19")])
    assert (len(clear), len(clear & ill)) == (18, 14)


@pytest.mark.skipif(not HANNOVER.exists(), reason="../shared/data/hannover is absent")
def test_hannover_card_matches_its_data() -> None:
    table = _check_table("hannover", HANNOVER)
    assert (len(table), table["patient_id"].nunique()) == (243, 71)
    assert table["modality"].value_counts().to_dict() == {"CR": 212, "DX": 31}
    offset = table["icu_admission_offset"].astype(float)
    icu, ap = offset.notna(), table["projection"] == "ap"
    assert table[["age", "size", "weight"]].isna().all(axis=None)
    assert (table["patient_id"][icu].nunique(), int(icu.sum())) == (29, 186)
    assert table["patient_id"][table["death_offset"].notna()].nunique() == 5
    assert (int((offset > 0).sum()), table["patient_id"][offset > 0].nunique()) == (7, 6)
    assert (int(ap.sum()), int((ap & icu).sum()), int((~ap & icu).sum())) == (194, 179, 7)
    first = table.iloc[
        table["admission_offset"].astype(float).groupby(table["patient_id"]).idxmax()
    ]
    day = first["icu_admission_offset"].astype(float)
    assert (int((day == 0).sum()), int((day > 0).sum()), int((day < 0).sum())) == (19, 6, 4)
    late = first["crp_offset"].astype(float) >= day
    assert (int(late.sum()), int((day.notna() & first["crp_val"].notna()).sum())) == (17, 23)
    oxygen = first["po2_val"].astype(float)
    assert (oxygen[day.notna()].median(), oxygen[day.isna()].median()) == (80, 40)
    counts = {
        name: int(np.isinf(table[name].astype(float)).sum())
        for name in table.columns[table.columns.str.endswith("_val")]
    }
    assert {k: v for k, v in counts.items() if v} == {"crp_val": 2, "d-dimer_val": 8, "po2_val": 2}
    factor = first["factor_xii_val"].notna()
    assert (int((factor & day.notna()).sum()), int((factor & day.isna()).sum())) == (11, 1)


@pytest.mark.skipif(not HANNOVER.exists(), reason="../shared/data/hannover is absent")
def test_hannovers_films_are_read_without_a_label(tmp_path: Path) -> None:
    from covidx.ingest import ingest

    result = ingest(HANNOVER, tmp_path / "out", card=load_card(Path("hannover")))
    assert len(result.manifest) == 243 and result.manifest["label"].isna().all()
    assert result.manifest["view"].value_counts().to_dict() == {"ap": 194, "pa": 49}


@pytest.mark.skipif(not DARKCOVIDNET.exists(), reason="../shared/data/darkcovidnet is absent")
def test_darkcovidnet_is_read_whole_and_a_patient_of_two_classes_is_one_group(
    tmp_path: Path,
) -> None:
    from covidx.ingest import ingest

    result = ingest(DARKCOVIDNET, tmp_path / "out", card=load_card(Path("darkcovidnet")))
    assert result.reasons == {"IMAGE_DUPLICATE": 1, "IMAGE_TABLE": 1}
    assert (result.files_seen, result.accepted_files, result.quarantined) == (1125, 1123, 0)
    manifest = result.manifest
    assert manifest["label"].value_counts().to_dict() == {
        "other-pneumonia": 500,
        "normal": 499,
        "covid-19": 124,
    }
    assert (manifest.groupby("patient_id")["group_id"].nunique() == 1).all()
    assert int((manifest.groupby("group_id")["label"].nunique() == 2).sum()) == 21
    assert set(manifest["kind"]) == {"radiograph"}
    nih = manifest[manifest["view"] == "frontal"]
    assert set(nih["rows"]) == set(nih["columns"]) == {1024}


@pytest.mark.skipif(not CHESTXRAY.exists(), reason="../shared/data/covid-chestxray is absent")
def test_covid_chestxray_gives_its_frontal_films_alone(tmp_path: Path) -> None:
    from covidx.ingest import ingest

    result = ingest(CHESTXRAY, tmp_path / "out", card=load_card(Path("covid-chestxray")))
    manifest = result.manifest
    assert set(manifest["view"]) == {"PA", "AP", "AP Supine"}
    assert manifest["label"].value_counts().to_dict() == {
        "covid-19": 427,
        "other-pneumonia": 74,
        "normal": 19,
    }
    # 131 rows are CT or lateral; two of them name one picture, which is counted once.
    assert result.reasons["ROW_NOT_SELECTED"] == 130
    assert result.reasons["LABEL_UNUSED"] == 7
    assert result.reasons["ROW_DUPLICATE"] == 4
    assert result.reasons["IMAGE_MISSING"] == 11
    assert manifest["age"].between(12, 94).sum() > 300
    assert "CC BY-NC-SA" in set(manifest["licence"])


@pytest.mark.skipif(not CHESTXRAY.exists(), reason="../shared/data/covid-chestxray is absent")
def test_masks_of_covid_chestxray_hold_what_the_card_says() -> None:
    card = load_card(Path("covid-chestxray"))
    assert card.masks is not None
    (lungs,) = card.masks.files
    assert lungs.classes == ["none", "lung"]
    paths = sorted(CHESTXRAY.glob(lungs.path.format(stem="*")))
    held = [set(np.unique(np.asarray(Image.open(path))).tolist()) for path in paths]
    assert set.union(*held) == {0, *lungs.values}
    assert (len(held), sum(one == {0} for one in held)) == (510, 82)


@pytest.mark.parametrize(
    "masks",
    [
        {"kind": "lung", "path": "m"},  # what its values mean is not said
        {"kind": "lung", "path": "m", "values": {0: "lung"}},
        {"kind": "opacity", "path": "m", "sides_by_place": [1, 2]},
        {"kind": "lung", "path": "m", "values": {1: "lung"}, "sides_by_place": [1, 2]},
    ],
)
def test_masks_that_mean_nothing_are_refused(tmp_path: Path, masks: dict[str, object]) -> None:
    record = yaml.safe_load((CARD_FOLDER / "covid-19-ct-seg.yaml").read_text())
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(record | {"masks": {"files": [masks]}}))
    with pytest.raises(ConfigError, match="masks"):
        load_card(tmp_path / "card.yaml")


TRIAL = "identifier: x\nclasses: [normal, covid-19]\npositive: covid-19\n"


def test_a_trial_needs_few_fields(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(TRIAL)
    card = load_card(tmp_path / "card.yaml")
    assert card.unstated == list(FOR_READERS) and card.domain == "real" and not card.public_ids
    with pytest.raises(ConfigError, match="CARD_DRAFT"):
        export_croissant(tmp_path / "card.yaml", tmp_path / "out.json")
    for name in CARDS:
        assert load_card(Path(name)).unstated == []


@pytest.mark.parametrize(
    ("images", "modality", "kind"),
    [
        ("", "CT", "slice"),
        ("modality: CXR", "DX", "radiograph"),
        ("modality: cr", "CR", "radiograph"),
    ],
)
def test_pictures_are_of_the_kind_of_their_modality(
    tmp_path: Path, images: str, modality: str, kind: str
) -> None:
    (tmp_path / "card.yaml").write_text(f"{TRIAL}images: {{table: a.csv, image: file, {images}}}\n")
    table = load_card(tmp_path / "card.yaml").images
    assert table is not None and (table.modality, table.kind) == (modality, kind)


@pytest.mark.parametrize(
    "text",
    [
        "images: {table: a.csv, image: file, modality: MR}",
        "images: {table: a.csv, image: file, labels: {pos: covid}}",
        "labels: {table: a.csv, label: result}",
    ],
)
def test_what_a_trial_card_may_not_say(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.yaml").write_text(f"{TRIAL}{text}\n")
    with pytest.raises(ConfigError, match="covidx card init"):
        load_card(tmp_path / "card.yaml")


def test_a_card_in_another_encoding(tmp_path: Path) -> None:
    """YAML is UTF-8 or UTF-16 with its mark (YAML 1.2, 5.2); Latin-1 is refused."""
    text = f"{TRIAL}title: Köln\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "card.yaml").write_text(text, encoding=encoding)
        assert load_card(tmp_path / "card.yaml").title == "Köln"
    (tmp_path / "card.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match="Save it as UTF-8"):
        load_card(tmp_path / "card.yaml")
