"""Training P1's network; a training that was interrupted is taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from covidx.cohort import Classes
from covidx.config import Config
from covidx.files import sha256_json
from covidx.imaging import BagCache
from covidx.pipelines.image.config import Recipe
from covidx.runs import git_commit
from covidx.tables import table_digest
from covidx.training import Fit, fit_classifier

__all__ = ["fit_image", "training_folder"]


def training_folder(
    work: Path, recipe: Config, seed: int, rows: pd.DataFrame, digests: Mapping[str, str]
) -> Path:
    """Where the checkpoints of this training lie: the same data, roles, recipe and code."""
    same = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "code": git_commit(),
        "roles": table_digest(rows[["image_id", "role"]]),
        **digests,
    }
    return work / "training" / sha256_json(same)[:16]


def fit_image(
    cache: BagCache,
    rows: pd.DataFrame,
    classes: Classes,
    recipe: Recipe,
    seed: int,
    folder: Path,
) -> Fit:
    """Train; a training that was interrupted is taken up again from its folder.

    Parameters
    ----------
    cache : BagCache
    rows : DataFrame
        Manifest rows with role.
    classes : Classes
    recipe : Recipe
    seed : int
    folder : Path
        As `training_folder`; the caller removes it once the result is safe.
    """
    return fit_classifier(cache, rows, classes, recipe.architecture, recipe.learning, seed, folder)
