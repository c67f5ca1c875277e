"""Arms of patients who never were, with answers that can be worked out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from covidx.fusion import Arms

ROLES = ("train", "validation", "test")


def patients(n: int, seed: int = 0) -> pd.DataFrame:
    """Half of them positive; 3 parts train, 1 validation, 1 test."""
    role = np.array(ROLES)[np.array([0, 0, 0, 1, 2])[np.arange(n) % 5]]
    label = np.where(np.random.default_rng(seed).permutation(n) < n // 2, "covid-19", "rest")
    names = [f"p{i:04d}" for i in range(n)]
    return pd.DataFrame(
        {"patient_id": names, "group_id": names, "label": label, "fold": 0, "role": role}
    )


def arms(n: int = 400, seed: int = 0, image: float = 1.0, clinic: float = 1.0) -> Arms:
    """Both arms know the class, independently: Gaussians `image` and `clinic` apart."""
    chance, who = np.random.default_rng(seed + 1), patients(n, seed)
    truth = (who["label"] == "covid-19").to_numpy()
    by_image = chance.normal(np.where(truth, image, -image), 1.0)
    value = chance.normal(np.where(truth, clinic, -clinic), 1.0)
    features = chance.normal(size=(n, 8))
    features[:, 0] = by_image
    values = pd.DataFrame({"crp": value, "age": chance.normal(size=n)})
    # Of two such Gaussians the log odds are twice the shift times the value.
    return Arms(
        who,
        2 * image * by_image,
        features,
        pd.DataFrame({"logistic": 2 * clinic * value}),
        values,
    )
