"""What runs of the kinds that classify show, each besides the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from covidx.audit.run.evidence import Evidence
from covidx.wording import counted


class ImageEvidence(Evidence):
    """Of a run that trained an image classifier."""

    failures = "cases"

    @property
    def _recipe(self) -> Mapping[str, Any]:
        """The configuration that the run's kind of image took."""
        recipe: Mapping[str, Any] = self.config[self.fields.recipe.preprocessing.input]
        return recipe

    def _model(self) -> str | None:
        backbone = self.fields.recipe.architecture.backbone
        return f"{backbone}, deep learning: {self._to('bundle/bundle.json')}"

    def _preprocessing(self) -> str | None:
        values = self.fields.recipe.preprocessing.model_dump().items()
        text = ", ".join(f"{name} {value}" for name, value in values)
        return f"One code for all images ({text}): {self._to('bundle/bundle.json')}"

    def _initial(self) -> str | None:
        weights = "ImageNet" if self._recipe["learning"]["pretrained"] else "Chance"
        return f"{weights}, seed {self.config['seed']}: {self._to('run.json')}"

    def _training(self) -> str | None:
        values = {k: v for k, v in self._recipe["learning"].items() if k != "augmentation"}
        text = ", ".join(f"{name} {value}" for name, value in values.items())
        curves = f"; curves: {self._to('figures/training.png')}"
        return f"{text}; augmentation: {self._to('run.json')}{curves}"

    def _selection(self) -> str | None:
        return f"Lowest loss on validation patients: {self._to('report.html')}"

    def _explanation(self) -> str | None:
        return f"Grad-CAM, examined by hiding the hot and the cold part: {self._to('cases')}"

    def _blind_pixels(self) -> str | None:
        return f"Pixels are scored by code that sees no label: {self._to('bundle')}"

    def _known_in_time(self) -> str | None:
        return f"The image is there when the model is asked: {self._to('bundle/bundle.json')}"


class _RecipeEvidence(Evidence):
    """Of a run that chose among recipes."""

    explanation = ""
    """The file that says what moved a score."""

    def _model(self) -> str | None:
        recipe = self.fields.recipe
        return f"{recipe.name} ({recipe.kind}): {self._to('bundle/bundle.json')}"

    def _explanation(self) -> str | None:
        return self._if_there(self.explanation, "Contributions to the score:")


class ClinicalEvidence(_RecipeEvidence):
    """Of a run that trained a clinical model."""

    explanation = "importance.json"

    def _selection(self) -> str | None:
        return f"Mean AUROC of inner folds of training rows: {self._to('models.json')}"

    def _missing(self) -> str | None:
        return self._gaps(", ".join(sorted({r["missing"] for r in self.config["recipes"]})))

    def _columns(self) -> str | None:
        columns = counted(len(self.fields.columns), "column")
        return f"{columns} with meaning, unit and range: {self._to('bundle/MODEL_CARD.md')}"

    def _predictors(self) -> str | None:
        whose = "The card's" if self.config["features"] is None else "The configuration's"
        return f"{whose} choice: {self._to('run.json')}"

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


class FusionEvidence(_RecipeEvidence):
    """Of a run that trained a fusion."""

    explanation = "contributions.csv"

    def _selection(self) -> str | None:
        return f"AUROC on validation patients: {self._to('report.html')}"

    def _ensemble(self) -> str | None:
        return f"Image and clinical arm, fused: {self._to('arms.json')}"

    def _missing(self) -> str | None:
        return self._gaps("by the recipe of each arm")
