"""Expected values for the statistics, each with the software or paper it came from.

The arrays are whole-number congruences, so that any language makes them again without a file.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

INDEX = np.arange(60)
TRUTH = INDEX * 7 % 3 == 0  # 20 positive, 40 negative
SCORES_A = ((INDEX * 37 % 101) + 25 * TRUTH) / 130  # no ties
SCORES_B = np.floor(((INDEX * 53 % 97) + 12 * TRUTH) / 10) / 11  # 11 distinct values
GROUPS = INDEX // 4

# R 4.2.2, pROC 1.18.0: auc(), var(method="delong"), cov(method="delong"), ci.auc(),
# coords(best.method="youden"); roc(truth, score, direction="<").
PROC_A = (0.71625, 0.00483767290823)
PROC_B = (0.616875, 0.00586963246457)
PROC_COVARIANCE = 0.000752479757085
PROC_YOUDEN_A = 0.30  # at 0.3346, 0.4115 and 0.4885; and at 0.2577, which pROC's floats miss
PROC_AT = (0.257692307692, 0.95, 0.35)  # threshold, sensitivity, specificity

# Hanley and McNeil, Radiology 1982;143:29-36, table of 109 CT ratings by one reader
# (58 normal, 51 abnormal): W = 0.893. DeLong's standard error by pROC 1.18.0.
HANLEY_NORMAL = (33, 6, 6, 11, 2)
HANLEY_ABNORMAL = (3, 2, 2, 11, 33)
HANLEY_AREA = 0.893
HANLEY_DELONG = (0.8931710615281, 0.0307244083794)

# statsmodels 0.15.0: proportion_confint(k, n, method="wilson").
STATSMODELS_WILSON = [
    (0, 10, 0.0, 0.27753279986288926),
    (9, 10, 0.5958499732047614, 0.982123786904927),
    (27, 31, 0.7114759374369357, 0.9486571562537085),
]
# Newcombe, Stat Med 1998;17:857-872, table I, method 3 (score, no continuity correction).
NEWCOMBE_WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]

# statsmodels 0.15.0: GLM(Binomial).fit(cov_type="cluster") on the logit of SCORES_A, GROUPS.
STATSMODELS_INTERCEPT = (-0.61140555, 0.18856107)
STATSMODELS_SLOPE = (0.80472942, 0.32110533)


def predictions(
    scores: np.ndarray,
    truth: np.ndarray,
    *,
    role: str = "test",
    groups: np.ndarray | None = None,
    folds: np.ndarray | int = 0,
) -> pd.DataFrame:
    """A predictions table of two classes."""
    n = len(scores)
    groups = np.arange(n) if groups is None else groups
    return pd.DataFrame(
        {
            "run_id": "r",
            "arm": "p1",
            "unit_id": [f"u{i}" for i in range(n)],
            "level": "patient",
            "patient_id": [f"p{g}" for g in groups],
            "group_id": [f"g{g}" for g in groups],
            "fold": folds,
            "role": role,
            "split_sha256": "s",
            "bundle_sha256": "b",
            "arms_used": "p1",
            "label": np.where(truth, "covid-19", "rest"),
            "prob_covid-19": scores,
            "prob_rest": 1 - np.asarray(scores),
        }
    )


def three_classes(seed: int = 0, n: int = 90, per_group: int = 1) -> pd.DataFrame:
    """A predictions table of three classes with some skill."""
    rng = np.random.default_rng(seed)
    classes = np.array(["covid-19", "other-pneumonia", "normal"])
    labels = np.arange(n) // per_group % 3
    logits = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[labels]
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    table = predictions(share[:, 0], labels == 0, groups=np.arange(n) // per_group)
    table = table.drop(columns="prob_rest").assign(label=classes[labels])
    return table.assign(**{"prob_other-pneumonia": share[:, 1], "prob_normal": share[:, 2]})
