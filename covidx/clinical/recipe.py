"""What a clinical model is made of: the configuration of one recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from covidx.config import Config

Kind = Literal["logistic", "svm", "forest", "boosting", "mlp", "menni"]
Value = float | int | str | list[int] | None


class ClinicalRecipe(Config):
    """One model, from raw row to probability."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Kind
    penalty: Literal["l2", "l1"] = Field("l2", description="of the logistic model")
    missing: Literal["median", "iterative", "native", "only"] = Field(
        "median",
        description=(
            "median, iterative: fill in, with an indicator a column; native: left to boosting; "
            "only: the model sees nothing but which values are missing"
        ),
    )
    select: int | None = Field(None, ge=1, description="keep so many columns, by F test")
    calibration: Literal["none", "sigmoid", "isotonic"] = "none"
    grid: dict[str, list[Value]] = Field(
        default_factory=dict, description="hyper-parameter -> values tried on inner folds"
    )

    @model_validator(mode="after")
    def _fits(self) -> ClinicalRecipe:
        if self.missing == "native" and (self.kind != "boosting" or self.select):
            raise ValueError("missing: native is for boosting without selection")
        if self.kind == "svm" and self.calibration == "none":
            raise ValueError("an SVM has no probabilities of its own: calibration: sigmoid")
        if self.penalty == "l1" and self.kind != "logistic":
            raise ValueError("penalty is of the logistic model")
        if self.kind == "menni" and (
            self.grid or self.select or self.calibration != "none" or self.missing != "median"
        ):
            raise ValueError("the formula is fixed: it has no options")
        return self


CONTROLS = (
    ClinicalRecipe(name="missingness-logistic", kind="logistic", missing="only"),
    ClinicalRecipe(name="missingness-forest", kind="forest", missing="only"),
)
"""What is known from the pattern of missing values alone; the better on inner folds is shown."""
