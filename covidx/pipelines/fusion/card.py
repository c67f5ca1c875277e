"""The model card that travels in the bundle of P3."""

from __future__ import annotations

from pathlib import Path

from covidx.cards import ModelFacts, write_model_card
from covidx.evaluate import Metrics
from covidx.fusion import FusionPredictor

__all__ = ["write_fusion_model_card"]


def write_fusion_model_card(
    folder: Path, predictor: FusionPredictor, what: str, metrics: Metrics, notes: list[str]
) -> None:
    """Write ``MODEL_CARD.md`` into the bundle's folder, test results and all."""
    bundle, image = predictor.bundle, predictor.image.bundle
    seen = image.trained_on
    columns = [f"{c.name}{f' ({c.unit})' if c.unit else ''}" for c in predictor.rows.columns]
    facts = ModelFacts(
        name=f"covidx P3: {bundle.positive} on {seen.modality} and clinical rows",
        architecture=f"{what}; P1 {image.recipe.architecture.backbone}, "
        f"P2 {', '.join(bundle.clinical_sha256)}",
        positive=bundle.positive,
        classes=bundle.classes,
        modality=f"{seen.modality} and clinical rows",
        units=seen.units,
        domain=bundle.trained_on.domain,
        card_identifier=bundle.trained_on.dataset,
        card_sha256=seen.card_sha256 or "none",
        patients_by_class=bundle.trained_on.patients,
        manufacturers=seen.manufacturers,
        slice_thickness_mm=seen.slice_thickness_mm,
        preprocessing=[
            *(f"image, {k}: {v}" for k, v in image.recipe.preprocessing.model_dump().items()),
            f"clinical row, as the training table: {', '.join(columns)}",
        ],
        threshold=bundle.threshold.value,
        threshold_origin=bundle.threshold.provenance,
        metrics=metrics.to_json(),
        metrics_on=f"{metrics.n} test {metrics.level}s of the same data set",
        limits=notes,
        bundle_sha256=bundle.sha256,
        versions=bundle.versions,
    )
    write_model_card(folder, facts)
