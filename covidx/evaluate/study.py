"""What an evaluation is made on: one arm's test rows, its validation rows, and its threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from covidx.errors import CovidxError, InvalidInputError, InvalidTableError, LeakageError
from covidx.evaluate.operating_point import FIXED, OperatingPoint, Rule, choose_operating_point
from covidx.evaluate.rows import SHOWN, Rows
from covidx.tables import ROLES, probability_columns

__all__ = ["Study", "ThresholdRule", "arms_of", "make_study", "need_two_classes"]

USUAL_POSITIVE = "covid-19"


@dataclass(frozen=True)
class ThresholdRule:
    """How the threshold is found: chosen on validation rows, or given.

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
                hint="Say who chose it and on which patients; not on these test patients.",
            )
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InvalidInputError(
                "THRESHOLD_RANGE",
                "A threshold on a probability lies between 0 and 1.",
                actual=self.threshold,
            )

    def point(self, validation: pd.DataFrame, positive: str) -> OperatingPoint | None:
        """The operating point; None where nothing was given and there are no validation rows."""
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
    test, validation : DataFrame
        Rows of a predictions table; validation may be empty.
    point : OperatingPoint, optional
    """

    arm: str
    positive: str
    test: pd.DataFrame
    validation: pd.DataFrame
    point: OperatingPoint | None

    @cached_property
    def rows(self) -> Rows:
        """The test rows, checked."""
        return Rows.of(self.test, self.positive).only_test()

    @cached_property
    def validation_rows(self) -> Rows | None:
        """The validation rows, checked; None where there are none."""
        return None if self.validation.empty else Rows.of(self.validation, self.positive)


def arms_of(table: pd.DataFrame) -> list[str]:
    """Names of the arms, in the order of the table."""
    return list(dict.fromkeys(table["arm"].astype(str)))


def make_study(
    table: pd.DataFrame,
    how: ThresholdRule,
    *,
    arm: str | None = None,
    positive: str | None = None,
    fold: int | None = None,
) -> Study:
    """Select an arm's rows and find its threshold.

    Parameters
    ----------
    table : DataFrame
        A predictions table, its columns complete.
    how : ThresholdRule
    arm : str, optional
        Must be named where the table has several.
    positive : str, optional
        ``covid-19`` where that is a class, else the first probability column's.
    fold : int, optional
        Must be named where several folds have validation rows: each has its own threshold.

    Raises
    ------
    InvalidTableError
        ``ROLE_UNKNOWN``, ``ARM_UNKNOWN``, ``FOLD_UNKNOWN``, ``NO_TEST_ROWS``, ``ONE_CLASS``, or
        what `Rows.of` refuses.
    LeakageError
        ``GROUP_IN_TWO_ROLES``, or ``THRESHOLD_ON_TEST``.
    """
    unknown = sorted(set(table["role"].astype(str)) - set(ROLES))
    if unknown:
        raise InvalidTableError(
            "ROLE_UNKNOWN",
            "Rows have a role that is not known.",
            expected=", ".join(ROLES),
            actual=", ".join(unknown),
        )
    arm = _one("ARM_UNKNOWN", "arm", arms_of(table), arm)
    rows = table[table["arm"].astype(str) == arm]
    if fold is not None or rows[rows["role"] == "validation"]["fold"].nunique() > 1:
        folds = [str(f) for f in sorted(rows["fold"].unique())]
        fold = int(_one("FOLD_UNKNOWN", "fold", folds, None if fold is None else str(fold)))
        rows = rows[rows["fold"] == fold]
    test, validation = (rows[rows["role"] == role] for role in ("test", "validation"))
    if test.empty:
        raise InvalidTableError(
            "NO_TEST_ROWS",
            "There are no rows with role test.",
            actual=", ".join(sorted(map(str, rows["role"].unique()))),
            hint="Metrics are reported on test rows only.",
        )
    _need_apart(validation, test)
    classes = list(probability_columns(rows))
    positive = positive or (USUAL_POSITIVE if USUAL_POSITIVE in classes else classes[0])
    study = Study(arm, positive, test, validation, how.point(validation, positive))
    need_two_classes(study.rows)
    return study


def _one(code: str, what: str, names: list[str], wanted: str | None) -> str:
    """The only name, or the one that was asked for."""
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


def _need_apart(validation: pd.DataFrame, test: pd.DataFrame) -> None:
    """Refuse groups that the threshold would have seen before the test."""
    both = sorted(set(validation["group_id"].astype(str)) & set(test["group_id"].astype(str)))
    if both:
        more = f" and {len(both) - SHOWN} more" if len(both) > SHOWN else ""
        raise LeakageError(
            "GROUP_IN_TWO_ROLES",
            "Groups have validation rows and test rows: thresholds and calibrations would leak.",
            expected="each group_id in one role",
            actual=f"{', '.join(both[:SHOWN])}{more}",
            hint="Divide by patient; where the rows are of several folds, name one with --fold.",
        )


def need_two_classes(rows: Rows) -> None:
    """Refuse rows of one class (``ONE_CLASS``)."""
    positives = int(rows.truth.sum())
    if positives in (0, len(rows)):
        raise InvalidTableError(
            "ONE_CLASS",
            "The test rows hold one class only: no system can be judged on them.",
            expected=f"rows of {rows.positive} and of the rest",
            actual=f"{positives} {rows.positive}, {len(rows) - positives} rest",
            hint="Is --positive the right class, and are the labels right?",
        )
