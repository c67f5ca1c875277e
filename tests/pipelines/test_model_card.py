"""What a model card says of a bundle: its use, training data, results and limits."""

from __future__ import annotations

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate, undefined
from covidx.inference import ImageBundle
from covidx.pipelines.model_card import CLASSIFIES_IMAGES, render_model_card
from tests.inference.conftest import make_bundle

ESTIMATES = {
    "auroc": Estimate(0.91, 0.85, 0.95, 40, "DeLong"),
    "ppv": undefined(0, "Wilson", "no row is called positive"),
}


def card(bundle: ImageBundle) -> str:
    return render_model_card(
        bundle,
        "covidx P1",
        use=CLASSIFIES_IMAGES,
        architecture="tf_efficientnet_lite0, top-k bag",
        inputs="CT",
        preprocessing=["lung window", "crop to the lungs"],
        estimates=ESTIMATES,
        tested="40 test patients",
        limits=["Few patients."],
    )


def test_a_card_says_what_a_reader_needs() -> None:
    text = card(make_bundle())
    for part in (
        RESEARCH_NOTICE,
        "9 (3 normal, 2 other, 4 covid-19)",
        "**simulated** (card `none`)",
        "Manufacturers: covidx phantom A",
        "5 to 7 mm",
        "**covid-19** is positive, against normal, other",
        "Threshold: 0.35, by youden on validation",
        "1. lung window\n2. crop to the lungs",
        "| auroc | 0.910 | 0.850 to 0.950 | 40 | DeLong |",
        "| ppv | undefined | none | 0 | Wilson (no row is called positive) |",
        "On 40 test patients.",
        "a score on a real scan is not interpretable",
        "- Few patients.",
    ):
        assert part in text, part
    assert text == card(make_bundle())


def test_display_greys_and_missing_facts() -> None:
    trained = make_bundle().trained_on.model_copy(
        update={
            "units": "display",
            "domain": "real",
            "manufacturers": [],
            "slice_thickness_mm": None,
        }
    )
    text = card(make_bundle(trained_on=trained))
    assert "as display greys" in text
    assert "not proven Hounsfield units" in text
    assert "Manufacturers: unknown" in text
    assert "simulated patients" not in text
