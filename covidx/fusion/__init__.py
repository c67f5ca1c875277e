"""P3: the image arm and the clinical arm of the same patients, fused; what each moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.fusion.arms import BOTH, CLINIC, IMAGE, PATTERNS, Arms, logit
    from covidx.fusion.bundle import (
        CLINICAL_FOLDER,
        IMAGE_FOLDER,
        Fuser,
        FusionBundle,
        FusionParts,
        score,
    )
    from covidx.fusion.image import ImageArm, read_bag, read_images, with_features
    from covidx.fusion.joint import ImageTraining, JointFusion, fit_joint
    from covidx.fusion.late import LateFusion, Line, Parts, fit_late, fit_scale
    from covidx.fusion.patients import make_arms, predictions_of
    from covidx.fusion.predict import FusionPayload, FusionPredictor
    from covidx.fusion.recipe import FusionRecipe, JointLearning
    from covidx.fusion.unseen import Mask, OutOfFold, cross_fit, held_out
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "BOTH",
    "CLINIC",
    "CLINICAL_FOLDER",
    "IMAGE",
    "IMAGE_FOLDER",
    "PATTERNS",
    "Arms",
    "Fuser",
    "FusionBundle",
    "FusionParts",
    "FusionPayload",
    "FusionPredictor",
    "FusionRecipe",
    "ImageArm",
    "ImageTraining",
    "JointFusion",
    "JointLearning",
    "LateFusion",
    "Line",
    "Mask",
    "OutOfFold",
    "Parts",
    "cross_fit",
    "fit_joint",
    "fit_late",
    "fit_scale",
    "held_out",
    "logit",
    "make_arms",
    "predictions_of",
    "read_bag",
    "read_images",
    "score",
    "with_features",
]
