"""The threshold from which a score counts as positive: chosen on validation rows, never on test."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import model_validator

from covidx.config import Config
from covidx.errors import InvalidTableError, LeakageError
from covidx.evaluate.blocks import FloatArray, IntArray
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import BoolArray
from covidx.tables import OUT_OF_FOLD

Rule = Literal["youden", "sensitivity", "specificity", "cost"]
FIXED = "fixed"
"""The rule of a threshold that was given, not chosen here."""

HONEST_ROLES = ("validation", OUT_OF_FOLD)
"""Roles whose rows may choose a threshold: those of out-of-fold rows were scored by a model that
had not seen them, as validation rows were."""

_DIAGNOSTIC = r"(?<!pcr)(?<!pcr[ -])(?<!rapid[ -])(?<!antigen[ -])(?<!antibody[ -])(?<!flow[ -])"
_ROWS = r"(set|split|fold|row|data|dataset|partition|patient|case|image|scan|sample|subject)s?\b"
_SAYS_TEST = re.compile(
    rf"^\W*test(ing)?\b(?=\W*$|\s*[,;:(=])|{_DIAGNOSTIC}\btest(ing)?[ -]{_ROWS}"
    rf"|\b(evaluation|eval)[ -]{_ROWS}|\b(these|same)( very)?[ -]{_ROWS}",
    re.I,
)
_SAYS_HELD_OUT = re.compile(r"\bh[eo]ld[ -]?outs?\b", re.I)


def says_test(origin: str) -> bool:
    """Whether `origin`, in words, says that a threshold was chosen on the rows under test.

    A test may be a PCR, and a holdout may be a validation set; both are let pass.

    Examples
    --------
    >>> [says_test(origin) for origin in ("the test set", "the holdout", "these very patients")]
    [True, True, True]
    >>> [says_test(origin) for origin in ("PCR-test patients of 2020", "Test centre Bonn, 2020")]
    [False, False]
    """
    held_out = _SAYS_HELD_OUT.search(origin) and not re.search("validation|tuning", origin, re.I)
    return bool(_SAYS_TEST.search(origin) or held_out)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and where it comes from.

    Parameters
    ----------
    threshold : float
        A row is called positive if its score is at least this.
    rule : str
        How it was chosen, such as ``youden`` or ``sensitivity >= 0.95``; ``fixed`` if given.
    origin : str
        On which rows, such as ``validation, n = 60 (27 positive)``; who fixed it, and on what.

    Raises
    ------
    LeakageError
        ``THRESHOLD_ON_TEST`` if `origin` says test rows.
    ValueError
        If `threshold` is not finite.
    """

    threshold: float
    rule: str
    origin: str

    def __post_init__(self) -> None:
        if says_test(self.origin):
            raise _on_test(self.origin)
        if not math.isfinite(self.threshold):
            raise ValueError(f"A threshold is a finite number, not {self.threshold}.")

    @property
    def text(self) -> str:
        """Rule and origin in one line."""
        if self.rule == FIXED:
            return f"fixed beforehand: {self.origin}"
        return f"{self.rule} on {self.origin}"

    @property
    def short(self) -> str:
        """The rule, and which kind of rows, for a legend."""
        if self.rule == FIXED:
            return "fixed beforehand"
        return f"{self.rule} on {self.origin.split(',')[0]}"

    def decide(self, scores: FloatArray) -> BoolArray:
        """Which of `scores` are called positive, shape (rows,)."""
        return scores >= self.threshold


class OperatingRule(Config):
    """How a pipeline chooses its threshold on validation rows; as in `choose_operating_point`."""

    rule: Rule
    target: float | None = None
    prevalence: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> OperatingRule:
        _check_target(self.rule, self.target, self.prevalence)
        return self

    def choose(self, validation: pd.DataFrame, positive: str) -> OperatingPoint:
        """The threshold by this rule for the class `positive` on `validation` rows."""
        return choose_operating_point(validation, positive, **self.model_dump())


def choose_operating_point(
    validation: pd.DataFrame,
    positive: str,
    *,
    rule: Rule = "youden",
    target: float | None = None,
    prevalence: float | None = None,
) -> OperatingPoint:
    """Choose a threshold on validation rows.

    Candidates lie midway between neighbouring distinct scores, so that rounding of a score does
    not turn its decision, below the lowest score (all are
    called positive) and above the highest (none is).

    Parameters
    ----------
    validation : DataFrame
        Rows of a predictions table, one arm, role ``validation`` or ``out-of-fold``.
    positive : str
        The positive class.
    rule : str
        ``youden``: largest sensitivity + specificity - 1 (Youden, Cancer 1950;3:32-35), the
        lower threshold on ties. ``sensitivity``: the highest threshold that reaches `target`.
        ``specificity``: the lowest threshold that reaches `target`. ``cost``: least expected
        cost, where a missed positive costs `target` times as much as a false alarm
        (Metz, Semin Nucl Med 1978;8:283-298); the lower threshold on ties.
    target : float, optional
        Between 0 and 1 for sensitivity and specificity; above 0 for cost.
    prevalence : float, optional
        For cost; that of the validation rows unless given.

    Raises
    ------
    LeakageError
        ``THRESHOLD_ON_TEST`` or ``THRESHOLD_ON_TRAIN`` if any row has that role.
    InvalidTableError
        ``ONE_CLASS``, or what `Rows.of` refuses.
    ValueError
        If `target` or `prevalence` is missing, does not go with the rule or is out of range.
    """
    _check_role(validation)
    rows = Rows.of(validation, positive)
    scores, truth = rows.scores, rows.truth
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise InvalidTableError(
            "ONE_CLASS",
            "A threshold cannot be chosen: the validation rows hold one class only.",
            expected=f"rows of {positive} and of the rest",
            actual=f"{positives} positive, {negatives} negative",
            hint="Use more patients, or stratified splits.",
        )
    _check_target(rule, target, prevalence)
    candidates, hits, false_alarms = _candidates(scores, truth)
    if rule == "youden":
        # Whole numbers, so that ties are ties: J = found/P - false alarms/N, times P times N.
        best = int(np.argmax(hits * negatives - false_alarms * positives))
        name = "youden"
    elif rule == "sensitivity":
        best = int(np.flatnonzero(hits >= (target or 0) * positives - 1e-9)[-1])
        name = f"sensitivity >= {target:g}"
    elif rule == "cost":
        ratio, share = target or 0, positives / len(rows) if prevalence is None else prevalence
        missed = ratio * share * (positives - hits) / positives
        cost = missed + (1 - share) * false_alarms / negatives
        best = int(np.argmin(np.round(cost, 12)))
        name = f"least cost, FN : FP = {ratio:g} : 1 at prevalence {share:.3g}"
    else:
        kept = negatives - false_alarms >= (target or 0) * negatives - 1e-9
        best = int(np.flatnonzero(kept)[0]) if kept.any() else len(candidates) - 1
        name = f"specificity >= {target:g}"
    origin = f"{rows.role}, n = {len(rows)} ({positives} positive)"
    return OperatingPoint(float(candidates[best]), name, origin)


def decide_by_fold(
    scores: FloatArray, folds: IntArray, points: Mapping[int, OperatingPoint]
) -> BoolArray:
    """Which scores are called positive, each at the threshold of its fold, shape (rows,).

    Parameters
    ----------
    scores : array, shape (rows,)
        Probabilities of the positive class.
    folds : int array, shape (rows,)
        Fold of each row.
    points : mapping
        Fold -> operating point.
    """
    thresholds = np.array([points[fold].threshold for fold in folds.tolist()])
    called: BoolArray = scores >= thresholds
    return called


def _check_target(rule: Rule, target: float | None, prevalence: float | None) -> None:
    most = math.inf if rule == "cost" else 1
    if (rule == "youden") != (target is None) or not 0 <= (target or 0) <= most:
        raise ValueError(
            "target goes with sensitivity and specificity (0..1), or with cost (a ratio): "
            f"{rule} {target}"
        )
    if prevalence is not None and (rule != "cost" or not 0 < prevalence < 1):
        raise ValueError(f"prevalence goes with cost, between 0 and 1: {rule} {prevalence}")


def _candidates(scores: FloatArray, truth: BoolArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Thresholds from low to high, with the positives and the negatives at or above each."""
    levels = np.unique(scores)
    # Halves first: neighbouring floats may have no number between them.
    between = np.maximum(levels[:-1] / 2 + levels[1:] / 2, np.nextafter(levels[:-1], 2))
    last = np.nextafter(levels[-1], 2) if levels[-1] >= 1 else (levels[-1] + 1) / 2
    thresholds = np.concatenate([[0.0], between, [last]])
    hits = truth.sum() - np.searchsorted(np.sort(scores[truth]), thresholds)
    false_alarms = (~truth).sum() - np.searchsorted(np.sort(scores[~truth]), thresholds)
    return thresholds, hits, false_alarms


def _check_role(validation: pd.DataFrame) -> None:
    roles = set(validation.get("role", pd.Series(dtype=object)).astype(str))
    if "test" in roles:
        raise _on_test("rows with role test")
    if "train" in roles:
        raise LeakageError(
            "THRESHOLD_ON_TRAIN",
            "A threshold chosen on training rows is too good to be true.",
            expected="rows with role validation",
            actual="rows with role train",
        )


def _on_test(actual: str) -> LeakageError:
    return LeakageError(
        "THRESHOLD_ON_TEST",
        "A threshold chosen on test rows makes their sensitivity and specificity too good.",
        expected="rows with role validation",
        actual=actual,
        hint="Choose it on validation rows and apply it to test rows unchanged.",
    )
