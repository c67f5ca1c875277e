"""What a card may say of a data set: counts only of the table that it was written on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.cards import DataCard
from covidx.files import sha256_file
from covidx.pipelines.card_warnings import card_warnings
from covidx.pipelines.source import Source
from covidx.report.words import NO_CARD, NO_PATIENTS, SIMULATED

CARD = {"identifier": "toy", "classes": ["normal", "covid-19"], "positive": "covid-19"}
BIASES = ["COVID-19 is from one hospital.", "Of 202 files named .jpg none is positive."]


def source(folder: Path, **fields: object) -> Source:
    (folder / "images.csv").write_text("file,label\na.png,covid-19\n")
    table = {"table": "images.csv", "image": "file", "label": "label", "patient": "file"}
    card = DataCard.model_validate({**CARD, "images": table, "known_biases": BIASES, **fields})
    return Source(folder, card=card)


def test_counts_are_of_the_table_that_the_card_names(tmp_path: Path) -> None:
    named = source(tmp_path)
    digest = sha256_file(tmp_path / "images.csv")
    for hashes in ({}, {"images.csv": "0" * 64}):
        draft, left, bias = card_warnings(source(tmp_path, hashes=hashes))
        assert draft.startswith("The data card is a draft, and does not state: title, ")
        assert "1 of 2 known biases" in left and digest in left
        assert bias == f"Known bias: {BIASES[0]}"
    named = source(tmp_path, hashes={"images.csv": digest})
    assert card_warnings(named)[1:] == [f"Known bias: {bias}" for bias in BIASES]


def test_without_a_card_and_of_a_simulated_set(tmp_path: Path) -> None:
    assert card_warnings(Source(tmp_path)) == [NO_CARD]
    (tmp_path / "labels.csv").write_text("path,label\na.png,covid-19\n")
    films = Source(tmp_path, tmp_path / "labels.csv", pictures="CXR")
    assert card_warnings(films) == [NO_CARD, NO_PATIENTS]
    (tmp_path / "labels.csv").write_text("path,patient_id,label\na.png,p1,covid-19\n")
    assert card_warnings(replace(films)) == [NO_CARD]
    card = source(tmp_path).card
    assert card is not None and card.images is not None
    nobody = card.images.model_copy(update={"patient": None})
    assert NO_PATIENTS in card_warnings(
        Source(tmp_path, card=card.model_copy(update={"images": nobody}))
    )
    assert card_warnings(source(tmp_path, domain="simulated")) == [SIMULATED]
