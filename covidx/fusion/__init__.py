"""P3: the image arm and the clinical arm of the same patients, fused, with contributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.fusion.arms import BOTH, CLINICAL_ARM, IMAGE, PATTERNS, Arms, logit
    from covidx.fusion.bundle import (
        CLINICAL_FOLDER,
        IMAGE_FOLDER,
        Fuser,
        FusionBundle,
        FusionParts,
        score,
    )
    from covidx.fusion.cross_fitting import CrossFittedArms, cross_fit_arms
    from covidx.fusion.image import ImageArm, read_bag, read_images, with_features
    from covidx.fusion.joint import ImageTraining, JointFusion, fit_joint
    from covidx.fusion.late import (
        Contributions,
        LateFusion,
        Line,
        fit_late,
        fit_scale,
        late_out_of_fold,
    )
    from covidx.fusion.out_of_fold import Mask, OutOfFold, cross_fit, held_out
    from covidx.fusion.patients import make_arms, predictions_of
    from covidx.fusion.predict import FusionPayload, FusionPredictor
    from covidx.fusion.recipe import FusionRecipe, JointLearning
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
