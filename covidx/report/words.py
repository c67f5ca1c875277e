"""Metrics in words that a radiologist reads without a glossary."""

from __future__ import annotations

from covidx.evaluate import Metrics, OperatingPoint
from covidx.evaluate.decisions import DECISION_METRICS
from covidx.evaluate.operating_point import FIXED

HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")
"""What is shown first, and printed at the end of a run."""

SIMULATED = (
    "The patients of this cohort are simulated. The figures prove that the software works and say "
    "nothing of skill on real patients."
)
NO_CARD = (
    "No data card describes this cohort: who was included, and where the labels came from, is for "
    "the reader to know."
)
CARD_DRAFT = "The data card is a draft, and does not state: "
"""How the warning begins that a card leaves out what a reader of results asks for."""
COUNTS_LEFT_OUT = "Left out of what the data card knows: "
"""How the warning begins that a card's counts are of another table."""
NO_PATIENTS = (
    "Nothing says whose a picture is: each counts as a patient, and pictures of one patient may "
    "lie in training and test alike."
)
NO_GAIN = "Training the network is not shown to help"
"""How the warning begins that a plain baseline does as well."""
KNOWN_BIAS = "Known bias: "
"""How a bias that a data card lists begins."""
FEWEST_TESTED = 100
FEW_TESTED = f"Fewer than {FEWEST_TESTED} test patients: read the intervals, not the values."
"""Warnings above all figures."""

NAMES = {
    "auroc": "AUROC",
    "auroc_delong": "AUROC, by DeLong",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "mcc": "Matthews' correlation",
    "lr_positive": "Positive likelihood ratio",
    "lr_negative": "Negative likelihood ratio",
    "ece": "Expected calibration error",
    "brier": "Brier score",
    "brier_multiclass": "Brier score of all classes",
    "log_loss_multiclass": "Log loss of all classes",
    "accuracy_argmax": "Accuracy of the most probable class",
}
PER_CLASS = ("auroc", "average_precision", *DECISION_METRICS)
"""Metrics that each class may have."""
RULES = {"youden": "Youden's index (greatest sensitivity + specificity)"}


def metric_name(name: str) -> str:
    """A metric's key, `name`, as words.

    >>> metric_name("auroc"), metric_name("auroc_flu"), metric_name("log_loss")
    ('AUROC', 'AUROC, flu against the rest', 'Log loss')
    >>> metric_name("f1_macro"), metric_name("lr_positive_flu")
    ('F1, mean of all classes', 'Positive likelihood ratio, flu against the rest')
    """
    if name in NAMES:
        return NAMES[name]
    if name.endswith("_macro"):
        return f"{metric_name(name.removesuffix('_macro'))}, mean of all classes"
    for key in PER_CLASS:
        if name.startswith(f"{key}_"):
            return f"{metric_name(key)}, {name.removeprefix(f'{key}_')} against the rest"
    return name.replace("_", " ").capitalize()


def origin_text(point: OperatingPoint) -> str:
    """Where the threshold of `point` came from."""
    if point.rule == FIXED:
        return f"beforehand ({point.origin})"
    return f"by {RULES.get(point.rule, point.rule)} on {point.origin}"


def threshold_text(metrics: Metrics) -> str:
    """Which score of `metrics` counts as positive, and where that threshold came from."""
    if metrics.point is None:
        return ""
    return (
        f"A score of {metrics.point.threshold:.3f} or more is predicted {metrics.positive}; this "
        f"threshold was chosen {origin_text(metrics.point)}, not on test {metrics.level}s."
    )


def metric_meanings(metrics: Metrics) -> dict[str, str]:
    """What each headline metric of `metrics` means, with its counts, by the metric's key."""
    (tn, fp), (fn, tp) = metrics.decisions.tolist()
    positive, units = metrics.positive, f"{metrics.level}s"
    an = "an" if metrics.level.startswith(tuple("aeiou")) else "a"
    meanings = {
        "auroc": f"chance that {an} {metrics.level} with {positive} scores above one without "
        "(0.5 is guessing)",
        "brier": "mean squared error of the score as a probability (0 is best; "
        f"{metrics.prevalence * (1 - metrics.prevalence):.2f} is knowing the prevalence alone)",
    }
    if metrics.point is None:
        return meanings
    return meanings | {
        "sensitivity": f"{tp} of {tp + fn} {units} with {positive} were predicted positive",
        "specificity": f"{tn} of {tn + fp} {units} without {positive} were predicted negative",
        "ppv": f"{tp} of {tp + fp} {units} predicted positive have {positive}, at this cohort's "
        f"prevalence of {metrics.prevalence:.0%}",
        "npv": f"{tn} of {tn + fn} {units} predicted negative do not have {positive}",
        "lr_positive": f"a positive prediction multiplies the odds of {positive} by this "
        "(1 is uninformative, above 10 is strong)",
        "lr_negative": f"a negative prediction multiplies the odds of {positive} by this "
        "(1 is uninformative, below 0.1 is strong)",
    }
