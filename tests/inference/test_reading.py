"""Which image of which input: pictures of a set under the names that its table has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from covidx.cards import DataCard
from covidx.errors import StoreError
from covidx.inference import Prediction
from covidx.inference.linkage import Links
from covidx.inference.reading import InputImage, Inputs
from covidx.ingest import Identities, read_linkage

NAMES = ["scans/a.png", "scans/b.png", "scans/c.png"]
CARD = {"identifier": "toy", "classes": ["normal", "covid-19"], "positive": "covid-19"}
TABLE = {"table": "images.csv", "image": "image", "label": "label", "patient": "who"}


def card(**images: str) -> DataCard:
    return DataCard.model_validate({**CARD, "public_ids": True, "images": {**TABLE, **images}})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A set whose table lies above its pictures; one label is no class."""
    root = tmp_path / "set"
    (root / "scans").mkdir(parents=True)
    for k, name in enumerate(NAMES):
        grey = np.arange(1200, dtype=np.uint16).reshape(30, 40).astype(np.uint8) + k
        Image.fromarray(grey).save(root / name)
    rows = {"image": NAMES, "label": ["covid-19", "normal", "flu"], "who": ["p1", "p2", "p3"]}
    pd.DataFrame(rows).to_csv(root / "images.csv", index=False)
    return root


def places(found: list[InputImage]) -> list[tuple[int, str, str | None]]:
    return [(one.source.number, one.source.place, one.source.patient_id) for one in found]


def test_pictures_that_are_named_are_read_alone(pictures: Path) -> None:
    named = [pictures / NAMES[1], pictures / NAMES[0]]
    found = list(Inputs.of(named, card=card()).images())
    assert places(found) == [(1, NAMES[1], "p2"), (2, NAMES[0], "p1")]
    assert [one.source.path for one in found] == list(map(str, named))
    assert all(one.problem is None for one in found)


@pytest.mark.parametrize("within", ["", "scans"])
def test_every_picture_of_a_set_has_its_name_in_the_table(pictures: Path, within: str) -> None:
    """Of the row that is refused nobody knows the patient, but the row and its reason."""
    found = list(Inputs.of(pictures / within, card=card()).images())
    assert places(found) == [(1, NAMES[0], "p1"), (1, NAMES[1], "p2"), (1, "images.csv:4", None)]
    assert found[2].problem is not None and found[2].problem.startswith("LABEL_UNKNOWN: Row 4:")
    (alone,) = Inputs.of(pictures / NAMES[2], card=card()).images()
    assert alone.source.place == NAMES[2] and alone.problem == found[2].problem


def test_names_of_a_set_are_pseudonyms_unless_they_are_public(pictures: Path) -> None:
    private = card().model_copy(update={"public_ids": False})
    ids = Identities.keyed()
    found = list(Inputs.of([pictures / NAMES[0]], card=private).images())
    assert places(found) == [(1, ids.path(NAMES[0]), ids.patient("p1"))]


def test_a_picture_that_the_table_does_not_name(pictures: Path) -> None:
    Image.fromarray(np.eye(30, dtype=np.uint8) * 9).save(pictures / "scans" / "d.png")
    (found,) = Inputs.of(pictures / "scans" / "d.png", card=card()).images()
    assert found.image is None and found.source.place == "scans/d.png"
    assert found.problem is not None and "RASTER_UNNAMED" in found.problem


def test_without_a_card_the_user_says_what_pictures_are(pictures: Path) -> None:
    for said, modality in ((None, "OT"), ("CXR", "DX"), ("ct", "CT")):
        (found,) = Inputs.of(pictures / NAMES[0], modality=said).images()
        assert found.image is not None and found.image.fields["modality"] == modality


def test_files_behind_pseudonyms_are_kept_beside_the_key(pictures: Path, tmp_path: Path) -> None:
    private = card().model_copy(update={"public_ids": False})
    for described, known in ((private, True), (card(), False)):
        inputs = Inputs.of(pictures / NAMES[0], card=described)
        links = Links(inputs.identities, tmp_path / f"{known}.csv")
        found = [Prediction(source) for source, _, _ in inputs.images()]
        assert list(links.noting(iter(found))) == found
        links.write()
        if not known:
            with pytest.raises(StoreError, match="LINKAGE_MISSING"):
                read_linkage(tmp_path / f"{known}.csv")
            continue
        (row,) = read_linkage(tmp_path / f"{known}.csv").to_dict("records")
        assert row["path"] == found[0].source.place and row["image_id"] == found[0].source.image_id
        assert row["source_path"] == str(pictures / NAMES[0])
