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

# R 4.2.2, pROC 1.18.0: roc.test(a, b, method="delong", paired=TRUE).
PROC_TEST = (1.03592393092, 0.300237632195, -0.0886421073858, 0.287392107386)  # Z, p, interval

# R 4.2.2, mcnemar.test(matrix(c(794, 86, 150, 570), 2), correct=FALSE), the two surveys of
# presidential approval in Agresti, Categorical Data Analysis, 2002, table 10.1; the same by
# statsmodels 0.15.0. Exact: binom.test(3, 15), binom.test(0, 5), binom.test(6, 12).
AGRESTI = (794, 150, 86, 570)  # yes-yes, yes-no, no-yes, no-no
AGRESTI_P = 3.09929344105e-05
MCNEMAR_EXACT = [(3, 12, 0.03515625), (0, 5, 0.0625), (6, 6, 1.0)]
# statsmodels 0.15.0, mcnemar(exact=True): SCORES_A and SCORES_B right at 0.5.
STATSMODELS_MCNEMAR = (15, 13, 0.8505540192127228)

# R 4.2.2, p.adjust(method="holm"); the same by statsmodels' multipletests.
HOLM = [(0.01, 0.04), (0.04, 0.09), (0.03, 0.09), (0.005, 0.025), (0.5, 0.5)]

# R 4.2.2, binom.test()$conf.int; the same by statsmodels' proportion_confint(method="beta").
R_CLOPPER_PEARSON = [
    (0, 10, 0.0, 0.308497107819),
    (9, 10, 0.5549838829718047, 0.9974714214555382),
    (27, 31, 0.701664170992, 0.963698338021),
]

# epiR 2.0.57, epi.tests() on its own example (Scott, Greenburg and Poole, Intern Med J
# 2008;38:120-129, table 1): tp, fp, fn, tn; LR+ and LR- with their intervals.
EPIR_COUNTS = (670, 202, 74, 640)
EPIR_LR_POSITIVE = (3.7537261790695, 3.3206884355075, 4.243234648805)
EPIR_LR_NEGATIVE = (0.1308551747312, 0.1050643235119, 0.162977080912)

# R 4.2.2, glm(TRUTH ~ qlogis(SCORES_A), family=binomial).
R_PLATT = (-0.598217919201, 0.804729401506)  # intercept, slope
# R 4.2.2, isoreg(SCORES_A, TRUTH)$yf at the 1st, 15th, 30th, 45th and 60th score in order.
R_ISOTONIC = (0, 0.2, 0.333333333333, 0.352941176471, 1)

# dcurves 1.1.7 (Python, by the authors of decision curves): threshold, model SCORES_A, treat all.
DCURVES = [
    (0.05, 0.301754, 0.298246),
    (0.20, 0.195833, 0.166667),
    (0.35, 0.052564, -0.025641),
    (0.50, -0.033333, -0.333333),
]


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
