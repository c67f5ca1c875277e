from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from covidx.cards import CARD_FOLDER, card_digest, load_card
from covidx.errors import ConfigError
from covidx.tables import MANIFEST, read_csv

COVID_CT = Path(__file__).parents[2] / "../shared/data/covid-ct"
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
        assert set(card.images.labels.values()) == set(card.classes)


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
    from covidx.phantom.clinical import CLINICAL_COLUMNS
    from covidx.phantom.effects import CLASSES, GENERATOR_VERSION

    card = load_card(Path("phantom"))
    named = [column.name for column in card.columns if column.table == "clinical.csv"]
    assert named == ["patient_id", *CLINICAL_COLUMNS]
    assert card.classes == list(CLASSES)
    assert card.version == str(GENERATOR_VERSION)


def test_phantom_rows_lie_within_the_cards_ranges() -> None:
    import numpy as np

    from covidx.phantom.clinical import draw_clinical

    card = load_card(Path("phantom"))
    ranges = {c.name: (c.low, c.high) for c in card.columns if c.low is not None}
    rng = np.random.default_rng(0)
    for label in card.classes:
        for _ in range(500):
            row = draw_clinical(rng, label, "F", 50)
            for name, (low, high) in ranges.items():
                value = row[name]
                assert value is None or low <= float(value) <= high, (name, value)


@pytest.mark.skipif(not COVID_CT.exists(), reason="../shared/data/covid-ct is absent")
def test_covid_ct_card_matches_its_data() -> None:
    card = load_card(Path("covid-ct"))
    assert card.images is not None
    path = COVID_CT / card.images.table
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card.hashes["images.csv"]
    table = read_csv(path)
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
