"""Labels of a second data set in a model's classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.cohort import Classes
from covidx.errors import InvalidInputError
from covidx.pipelines.labels import as_rest, map_labels
from tests.evaluate.reference import three_classes

CLASSES = Classes(("normal", "other-pneumonia", "covid-19"), "covid-19")


def images(*labels: str) -> pd.DataFrame:
    return pd.DataFrame({"image_id": [f"i{n}" for n in range(len(labels))], "label": labels})


def test_known_labels_stay_named_ones_are_mapped_others_are_counted() -> None:
    table = images("covid-19", "normal", "SARS", "SARS", "sick", "well")
    kept, notes = map_labels(table, CLASSES, {"sick": "other-pneumonia", "well": "rest"})
    assert kept["label"].tolist() == ["covid-19", "normal", "other-pneumonia", "rest"]
    assert kept["image_id"].tolist() == ["i0", "i1", "i4", "i5"]
    assert "label SARS: 2 images left out, as the model has no such class" in notes
    assert "label sick: 1 image as other-pneumonia" in notes


@pytest.mark.parametrize(
    ("labels", "mapping", "code"),
    [
        (["SARS"], {}, "NOTHING_MAPPED"),
        (["SARS"], {"SARS": "flu"}, "CLASS_UNKNOWN"),
    ],
)
def test_what_cannot_be_mapped(labels: list[str], mapping: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        map_labels(images(*labels), CLASSES, mapping)


def test_as_rest_keeps_the_score_and_sums_to_one() -> None:
    table = three_classes()
    two = as_rest(table, "covid-19")
    assert two["prob_covid-19"].equals(table["prob_covid-19"])
    assert np.allclose(two["prob_covid-19"] + two["prob_rest"], 1)
    assert set(two["label"]) == {"covid-19", "rest"}
    assert ((table["label"] == "covid-19") == (two["label"] == "covid-19")).all()
