"""What is evaluated: one arm's test rows, its validation rows, and its threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from covidx.errors import CovidxError, InvalidInputError, InvalidTableError, LeakageError
from covidx.evaluate.operating_point import (
    FIXED,
    HONEST_ROLES,
    OperatingPoint,
    Rule,
    choose_operating_point,
)
from covidx.evaluate.positive import positive_class
from covidx.evaluate.rows import Rows
from covidx.tables import OUT_OF_FOLD, ROLES, probability_columns
from covidx.wording import listed


@dataclass(frozen=True)
class ThresholdRule:
    """How the threshold comes about: chosen on validation rows, or given.

    Parameters
    ----------
    rule, target, prevalence
        As in `choose_operating_point`.
    threshold : float, optional
        Given, between 0 and 1; then the rule is not applied.
    origin : str, optional
        Who chose the given threshold, and on what.

    Raises
    ------
    InvalidInputError
        ``THRESHOLD_ORIGIN`` if one of threshold and origin is given alone,
        ``THRESHOLD_RANGE`` if it cannot be a probability.
    """

    rule: Rule = "youden"
    target: float | None = None
    prevalence: float | None = None
    threshold: float | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        if (self.threshold is None) != (self.origin is None or not self.origin.strip()):
            raise InvalidInputError(
                "THRESHOLD_ORIGIN",
                "A given threshold and its origin belong together.",
                expected="both, or neither",
                actual=f"threshold {self.threshold}, origin {self.origin}",
                hint="State who chose it and on which patients; not on these test patients.",
            )
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InvalidInputError(
                "THRESHOLD_RANGE",
                "A threshold on a probability lies between 0 and 1.",
                actual=self.threshold,
            )

    def point(self, validation: pd.DataFrame, positive: str) -> OperatingPoint | None:
        """The operating point for the class `positive` by `validation` rows; None without these."""
        if self.threshold is not None:
            return OperatingPoint(self.threshold, FIXED, str(self.origin).strip())
        if validation.empty:
            return None
        try:
            return choose_operating_point(
                validation,
                positive,
                rule=self.rule,
                target=self.target,
                prevalence=self.prevalence,
            )
        except CovidxError:
            raise
        except ValueError as error:
            raise InvalidInputError("TARGET_INVALID", str(error)) from error


@dataclass(frozen=True, eq=False)
class Study:
    """One arm's rows and its operating point.

    Parameters
    ----------
    arm, positive : str
        Name of the arm, and the positive class.
    test, validation : DataFrame
        Rows of a predictions table; validation may be empty.
    point : OperatingPoint, optional
        None too where each fold has its own.
    fold_points : mapping
        Fold -> operating point, where several folds have validation rows; `validation` is empty
        then, as no rows are for all folds.
    by_group_alone : bool
        The user states that patients divided by ``group_id`` are independent.
    """

    arm: str
    positive: str
    test: pd.DataFrame
    validation: pd.DataFrame
    point: OperatingPoint | None
    fold_points: Mapping[int, OperatingPoint] = field(default_factory=dict)
    by_group_alone: bool = False

    @cached_property
    def rows(self) -> Rows:
        """The test rows, checked."""
        return Rows.of(self.test, self.positive, by_group_alone=self.by_group_alone).only_test()

    @cached_property
    def validation_rows(self) -> Rows | None:
        """The validation rows, checked; None where there are none."""
        return None if self.validation.empty else Rows.of(self.validation, self.positive)

    @property
    def folds(self) -> list[int]:
        """Folds of the test rows."""
        return sorted(set(self.rows.folds.tolist()))


def arms_of(table: pd.DataFrame) -> list[str]:
    """Names of the arms of `table`, in its order."""
    return list(dict.fromkeys(table["arm"].astype(str)))


def make_study(
    table: pd.DataFrame,
    rule: ThresholdRule,
    *,
    arm: str | None = None,
    positive: str | None = None,
    fold: int | None = None,
    by_group_alone: bool = False,
) -> Study:
    """Select an arm's rows and find its threshold, or one for each fold of its test rows.

    Parameters
    ----------
    table : DataFrame
        A predictions table, its columns complete.
    rule : ThresholdRule
        How the threshold is chosen, or that it is given.
    arm : str, optional
        Must be named where the table has several.
    positive : str, optional
        By its name (`positive_class`) unless given.
    fold : int, optional
        Only this one. Must be named where patients have test rows in several folds.
    by_group_alone : bool
        The user states that ``group_id`` is all that is not independent.

    Raises
    ------
    InvalidInputError
        ``POSITIVE_UNKNOWN``.
    InvalidTableError
        ``ROLE_UNKNOWN``, ``ARM_UNKNOWN``, ``FOLD_UNKNOWN``, ``NO_TEST_ROWS``, ``ONE_CLASS``, or
        what `Rows.of` refuses.
    LeakageError
        ``GROUP_IN_TWO_ROLES``, or ``THRESHOLD_ON_TEST``.
    """
    known = (*ROLES, OUT_OF_FOLD)
    unknown = sorted(set(table["role"].astype(str)) - set(known))
    if unknown:
        raise InvalidTableError(
            "ROLE_UNKNOWN",
            "Rows have a role that is not known.",
            expected=", ".join(known),
            actual=", ".join(unknown),
            hint="Write the roles as these words in the table.",
        )
    arm = _only_name("ARM_UNKNOWN", "arm", arms_of(table), arm)
    rows = table[table["arm"].astype(str) == arm]
    if fold is not None:
        rows = rows[rows["fold"].astype(str) == _fold_of(rows, str(fold))]
    test = rows[rows["role"] == "test"]
    if test.empty:
        raise InvalidTableError(
            "NO_TEST_ROWS",
            "There are no rows with role test.",
            actual=", ".join(sorted(map(str, rows["role"].unique()))),
            hint="Metrics are reported on test rows only.",
        )
    if any((test.groupby(key)["fold"].nunique() > 1).any() for key in ("unit_id", "patient_id")):
        _fold_of(rows, None)  # a patient tested in several folds: these are not independent
    positive = positive or positive_class(list(probability_columns(rows)))
    usable = [role for role in HONEST_ROLES if (rows["role"] == role).any()]
    validation = rows[rows["role"].isin(usable[:1])]
    folds = sorted(test["fold"].unique().tolist())
    own = len(folds) > 1 and set(folds) <= set(validation["fold"]) and rule.threshold is None
    for part in [rows[rows["fold"] == k] for k in folds] if own else [rows]:
        _need_apart(part)
    points = {k: rule.point(validation[validation["fold"] == k], positive) for k in folds if own}
    study = Study(
        arm,
        positive,
        test,
        validation.iloc[:0] if own else validation,
        None if own else rule.point(validation, positive),
        {k: point for k, point in points.items() if point is not None},
        by_group_alone,
    )
    need_two_classes(study.rows)
    return study


def _fold_of(rows: pd.DataFrame, wanted: str | None) -> str:
    folds = [str(f) for f in sorted(rows["fold"].unique())]
    return _only_name("FOLD_UNKNOWN", "fold", folds, wanted)


def _only_name(code: str, what: str, names: list[str], wanted: str | None) -> str:
    """The only one of `names`, or the `wanted` one."""
    if wanted in names:
        return str(wanted)
    if wanted is None and len(names) == 1:
        return names[0]
    raise InvalidTableError(
        code,
        f"The table does not have this {what}." if wanted else f"The table has several {what}s.",
        expected=f"one of {', '.join(names)}",
        actual=wanted,
        hint=f"Name one with --{what}.",
    )


def _need_apart(rows: pd.DataFrame) -> None:
    """Refuse patients, and groups, whose rows have several roles: what is fitted would leak.

    A training row may have an out-of-fold score of a model that had not seen it.
    """
    role = rows["role"].astype(str).replace(OUT_OF_FOLD, "train")
    for key, what in (("patient_id", "Patients"), ("group_id", "Groups")):
        several = role.groupby(rows[key].astype(str)).nunique() > 1
        both = sorted(several.index[several])
        if both:
            roles = sorted(set(role[rows[key].astype(str).isin(both)]))
            raise LeakageError(
                "GROUP_IN_TWO_ROLES",
                f"{what} have rows of several roles ({', '.join(roles)}): thresholds, calibrations "
                "and figures would leak.",
                expected=f"each {key} in one role",
                actual=listed(both),
                hint="Divide by patient; where the rows are of several folds, name one with "
                "--fold.",
            )


def need_two_classes(rows: Rows) -> None:
    """Refuse `rows` of one class (``ONE_CLASS``)."""
    positives = int(rows.truth.sum())
    if positives in (0, len(rows)):
        raise InvalidTableError(
            "ONE_CLASS",
            "The test rows hold one class only: no system can be judged on them.",
            expected=f"rows of {rows.positive} and of the rest",
            actual=f"{positives} {rows.positive}, {len(rows) - positives} rest",
            hint="Is --positive the right class, and are the labels right?",
        )
