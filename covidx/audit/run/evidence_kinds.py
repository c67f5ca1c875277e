"""Evidence that runs of the kinds that classify have besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd

from covidx.audit.run.evidence import Evidence
from covidx.wording import counted


class ImageEvidence(Evidence):
    """Of a run that trained an image classifier."""

    texts: ClassVar[Mapping[str, str]] = {
        "explanation": "Heatmaps, each examined by hiding its hot part: <cases>",
        "blind_pixels": "Pixels are scored by code that sees no label: <bundle>",
        "known_in_time": "The image is there when the model is asked: <bundle/bundle.json>",
        "model": "{run.bundle.recipe.architecture.backbone}, deep learning: <bundle/bundle.json>",
    }
    failures = "cases"

    @property
    def _recipe(self) -> Mapping[str, Any]:
        """The configuration that the run's kind of image took."""
        recipe: Mapping[str, Any] = self.config[self.fields.recipe.preprocessing.input]
        return recipe

    def _preprocessing(self) -> str | None:
        values = self.fields.recipe.preprocessing.model_dump().items()
        text = ", ".join(f"{name} {value}" for name, value in values)
        return f"One code for all images ({text}): <bundle/bundle.json>"

    def _initial(self) -> str | None:
        weights = "ImageNet" if self._recipe["learning"]["pretrained"] else "Chance"
        return f"{weights}, seed {self.config['seed']}: <run.json>"

    def _training(self) -> str | None:
        values = {k: v for k, v in self._recipe["learning"].items() if k != "augmentation"}
        text = ", ".join(f"{name} {value}" for name, value in values.items())
        return f"{text}; augmentation: <run.json>; curves: <figures/training.png>"

    def _ensemble(self) -> str | None:
        members = self.fields.recipe.architecture.members
        if members == 1:
            return "One model, no ensemble: <bundle/bundle.json>"
        return (
            f"Mean logits of {members} networks, each trained without one fold of the training "
            "patients: <bundle/bundle.json>"
        )

    def _selection(self) -> str | None:
        chosen = "Lowest loss on validation patients"
        if self._recipe["learning"]["patience"] is None:
            chosen = "The last epoch; no row chose it"
        return f"{chosen}: <report.html>"


class ClinicalEvidence(Evidence):
    """Of a run that trained a clinical model."""

    texts: ClassVar[Mapping[str, str]] = {
        "model": "{run.bundle.recipe.name} ({run.bundle.recipe.kind}): <bundle/bundle.json>",
        "selection": "Mean AUROC of inner folds of training rows: <models.json>",
    }

    def _explanation(self) -> str | None:
        return self._if_there("importance.json", "Contributions to the score:")

    def _missing(self) -> str | None:
        return self._gaps(", ".join(sorted({r["missing"] for r in self.config["recipes"]})))

    def _columns(self) -> str | None:
        columns = counted(len(self.fields.columns), "column")
        return f"{columns} with meaning, unit and range: <bundle/MODEL_CARD.md>"

    def _predictors(self) -> str | None:
        whose = "The card's" if self.config["features"] is None else "The configuration's"
        return f"{whose} choice: <run.json>"

    def _people(self) -> pd.DataFrame | None:
        if self.run.clinical is None:
            return None
        values = self.run.clinical.set_index("patient_id")
        named = {c.concept: values[c.name] for c in self.fields.columns if c.name in values}
        roles = self.run.splits.drop_duplicates("patient_id").set_index("patient_id")["role"]
        table = pd.DataFrame({"role": roles})
        table["age"] = named.get("age_years", pd.Series(dtype=float))
        table["sex"] = named.get("male", pd.Series(dtype=float)).map({1.0: "M", 0.0: "F"})
        return table


class FusionEvidence(Evidence):
    """Of a run that trained a fusion."""

    texts: ClassVar[Mapping[str, str]] = {
        "model": ClinicalEvidence.texts["model"],
        "selection": "AUROC of out-of-fold scores of training patients: <report.html>",
        "ensemble": "Image and clinical arm, fused: <arms.json>",
    }

    def _explanation(self) -> str | None:
        return self._if_there("contributions.csv", "Contributions to the score:")

    def _missing(self) -> str | None:
        return self._gaps("by the recipe of each arm")
