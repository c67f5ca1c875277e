"""How the arms are fused: the configuration of one recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from covidx.config import Config


class JointLearning(Config):
    """The joint network and its training; defaults of Mei et al. (Nat Med 2020;26:1224).

    Theirs, as their code has them: 512 image features, hidden 64, noise, dropout, rates, epochs and
    batch. Ours: that an arm is dropped in training. All epochs are trained and the last one is
    kept, so that no patient chooses one.
    """

    width: int = Field(512, ge=1, description="image features; other widths pass a layer")
    hidden: int = Field(64, ge=1)
    noise: float = Field(1.0, ge=0, description="Gaussian, on the normalised clinical input")
    dropout: float = Field(0.5, ge=0, lt=1, description="of image features")
    absent: float = Field(0.2, ge=0, lt=0.5, description="chance that an arm is dropped, each")
    rate: float = Field(2e-3, gt=0)
    rate_decay: float = Field(0.95, gt=0, le=1, description="by epoch")
    weight_decay: float = Field(1e-4, ge=0)
    epochs: int = Field(40, ge=1)
    batch: int = Field(16, ge=2)
    end_to_end: bool = Field(
        False, description="train P1's network on, with the loss of the image; else its features"
    )


class FusionRecipe(Config):
    """One way from the arms to P3.

    ``late``: logistic regression on the log odds of P1 and P2. ``stacking``: on those of P1 and of
    all clinical models. ``joint``: the network of Mei et al. ``gated``: the same inputs, weighed
    against each other by a gate (Arevalo et al., arXiv:1702.01992).
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Literal["late", "stacking", "joint", "gated"]
    learning: JointLearning | None = Field(None, description="of joint and gated")

    @model_validator(mode="after")
    def _fits(self) -> FusionRecipe:
        if (self.learning is None) != (self.kind in ("late", "stacking")):
            raise ValueError("joint and gated recipes have learning (such as {}), others have none")
        return self
