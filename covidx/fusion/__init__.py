"""P3: the image arm and the clinical arm of the same patients, fused, with contributions."""

from pathlib import Path

from covidx.fusion.arms import BOTH, CLINICAL_ARM, IMAGE, PATTERNS, Arms, logit
from covidx.fusion.bundle import (
    CLINICAL_FOLDER,
    IMAGE_FOLDER,
    Fuser,
    FusionBundle,
    FusionPredictor,
    save_fusion,
    score,
)
from covidx.fusion.image import ImageArm, read_bag, read_images, with_features
from covidx.fusion.joint import ImageTraining, JointFusion, fit_joint
from covidx.fusion.late import Contributions, LateFusion, Line, fit_late, fit_scale
from covidx.fusion.out_of_fold import Mask, OutOfFold, cross_fit, held_out
from covidx.fusion.patients import make_arms, predictions_of
from covidx.fusion.predict import PatientPrediction, predict_one, predict_patients
from covidx.fusion.recipe import JointLearning, Recipe

SERVED = Path(__file__).with_name("served.py")
"""The script that MLflow serves a bundle from."""

__all__ = [
    "BOTH",
    "CLINICAL_ARM",
    "CLINICAL_FOLDER",
    "IMAGE",
    "IMAGE_FOLDER",
    "PATTERNS",
    "SERVED",
    "Arms",
    "Contributions",
    "Fuser",
    "FusionBundle",
    "FusionPredictor",
    "ImageArm",
    "ImageTraining",
    "JointFusion",
    "JointLearning",
    "LateFusion",
    "Line",
    "Mask",
    "OutOfFold",
    "PatientPrediction",
    "Recipe",
    "cross_fit",
    "fit_joint",
    "fit_late",
    "fit_scale",
    "held_out",
    "logit",
    "make_arms",
    "predict_one",
    "predict_patients",
    "predictions_of",
    "read_bag",
    "read_images",
    "save_fusion",
    "score",
    "with_features",
]
