"""The rows of a predictions table that metrics are computed on, checked once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from covidx.errors import InvalidTableError
from covidx.evaluate.blocks import FloatArray, IntArray
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.weighted import BoolArray, Ranking
from covidx.tables import PREDICTIONS, check, probability_columns
from covidx.wording import listed

SUM_TOLERANCE = 0.01
"""How far a row's probabilities may sum from 1 (rounding in another system's table)."""


@dataclass(frozen=True)
class Rows:
    """Predictions of one arm and role, without faults.

    Parameters
    ----------
    classes : tuple of str
        In the order of the table's probability columns.
    positive : str
        The class that sensitivity is of; all others are the rest.
    level : str
        What a row is: ``patient`` or ``image``.
    role : str
        ``validation``, ``test`` or ``train``.
    probabilities : array, shape (rows, classes)
        Each row sums to 1.
    labels : int array, shape (rows,)
        Index into `classes`.
    groups : array, shape (rows,)
        What is not independent of each other: rows of one patient, and rows of one group.
    folds : int array, shape (rows,)
        Fold of each row.
    units, patients : array, shape (rows,)
        Ids, by which other tables are joined.
    """

    classes: tuple[str, ...]
    positive: str
    level: str
    role: str
    probabilities: FloatArray
    labels: IntArray
    groups: npt.NDArray[np.str_]
    folds: IntArray
    units: npt.NDArray[np.str_]
    patients: npt.NDArray[np.str_]

    @classmethod
    def of(cls, predictions: pd.DataFrame, positive: str, *, by_group_alone: bool = False) -> Rows:
        """Check a predictions table and take its numbers.

        Parameters
        ----------
        predictions : DataFrame
            Rows of one arm, role and level.
        positive : str
            The class that sensitivity is of.
        by_group_alone : bool
            Take ``group_id`` for all that is not independent, even where it divides a patient.

        Raises
        ------
        InvalidTableError
            ``TABLE_EMPTY``, ``SCORE_INVALID``, ``LABEL_MISSING``, ``LABEL_UNKNOWN``,
            ``CLASS_UNKNOWN``, ``DUPLICATE_IDS``, ``MIXED_ROWS`` or ``TABLE_INVALID``.
        """
        if predictions.empty:
            raise InvalidTableError(
                "TABLE_EMPTY",
                "The predictions table has no rows.",
                hint="Check the arm and the role that were selected.",
            )
        _check_scores(predictions)
        _check_ids(predictions)
        table = check(predictions, PREDICTIONS)
        columns = probability_columns(table)
        classes = tuple(columns)
        _check_labels(table, classes, positive)
        groups, patients = (table[c].to_numpy(np.str_) for c in ("group_id", "patient_id"))
        return cls(
            classes=classes,
            positive=positive,
            level=str(table["level"].iloc[0]),
            role=str(table["role"].iloc[0]),
            probabilities=table[list(columns.values())].to_numpy(np.float64),
            labels=pd.Index(classes).get_indexer(pd.Index(table["label"])).astype(np.int64),
            groups=groups if by_group_alone else joined([groups, patients]),
            folds=table["fold"].to_numpy(np.int64),
            units=table["unit_id"].to_numpy(np.str_),
            patients=patients,
        )

    def only_test(self) -> Rows:
        """Itself, if its role is ``test``.

        Raises
        ------
        InvalidTableError
            ``ROLE_NOT_TEST``.
        """
        if self.role != "test":
            raise InvalidTableError(
                "ROLE_NOT_TEST",
                "Metrics are reported on test rows only.",
                expected="role test",
                actual=f"role {self.role}",
                hint="Select the rows with role test.",
            )
        return self

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Rows:
        """Rows by `which`: a mask, or indices in another order."""
        per_row = ("probabilities", "labels", "groups", "folds", "units", "patients")
        return replace(self, **{name: getattr(self, name)[which] for name in per_row})

    def in_fold(self, fold: int) -> Rows:
        """The rows of `fold`, their groups numbered among all, for statistics of all folds."""
        which = self.folds == fold
        part = self.take(which)
        part.__dict__["clusters"] = self.clusters.only(which)  # in place of its own
        return part

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def scores(self) -> FloatArray:
        """Probability of the positive class, shape (rows,)."""
        return self.probabilities[:, self.classes.index(self.positive)]

    @property
    def truth(self) -> BoolArray:
        """Whether a row is of the positive class, shape (rows,)."""
        truth: BoolArray = self.labels == self.classes.index(self.positive)
        return truth

    @cached_property
    def clusters(self) -> Clusters:
        """The rows' groups, drawn as one stratum."""
        return Clusters.of(self.groups)

    @cached_property
    def rankings(self) -> dict[str, Ranking]:
        """Of every class's probability against the rest; kept, so that statistics share them."""
        return {
            name: Ranking(self.probabilities[:, k], self.labels == k, self.clusters)
            for k, name in enumerate(self.classes)
        }


def joined(divisions: Sequence[npt.NDArray[np.str_]]) -> npt.NDArray[np.str_]:
    """Groups that none of several divisions of the same rows divides.

    Connected components: two rows are in one group where any division has them in one, or where
    a chain of such rows joins them. The first division is given back where it is that already.

    Parameters
    ----------
    divisions : sequence of array, shape (rows,)
        Names of groups, one division an array.
    """
    numbered = [np.unique(names, return_inverse=True) for names in divisions]
    n, shift = len(divisions[0]), np.cumsum([len(divisions[0])] + [len(x) for x, _ in numbered])
    nodes = np.concatenate([codes + k for (_, codes), k in zip(numbered, shift, strict=False)])
    edges = coo_matrix(
        (np.ones(len(nodes)), (np.tile(np.arange(n), len(numbered)), nodes)),
        shape=(shift[-1], shift[-1]),
    )
    count, component = connected_components(edges, directed=False)
    return divisions[0] if count == len(numbered[0][0]) else component[:n].astype(np.str_)


def _check_scores(predictions: pd.DataFrame) -> None:
    columns = list(probability_columns(predictions).values())
    if not columns:
        raise InvalidTableError(
            "SCORE_INVALID",
            "The predictions table has no probability column.",
            expected="one column prob_<class> a class",
            actual=list(predictions.columns),
        )
    values = predictions[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    bad = ~((values >= 0) & (values <= 1)).all(axis=1)
    _refuse("SCORE_INVALID", "Probabilities are missing or outside 0..1.", _ids(predictions[bad]))
    sums = values.sum(axis=1)
    _refuse(
        "SCORE_INVALID",
        "Probabilities of a row do not sum to 1.",
        _ids(predictions[np.abs(sums - 1) > SUM_TOLERANCE]),
        "Give one probability column a class, the negative class included.",
    )


def _check_ids(predictions: pd.DataFrame) -> None:
    for column in ("arm", "role", "level"):
        if column in predictions and predictions[column].nunique(dropna=False) > 1:
            raise InvalidTableError(
                "MIXED_ROWS",
                f"The rows mix several values of {column}.",
                expected=f"one {column}",
                actual=sorted(map(str, predictions[column].unique())),
                hint=f"Select one {column} first.",
            )
    if "unit_id" in predictions:
        twice = predictions["unit_id"].duplicated()
        _refuse("DUPLICATE_IDS", "Units occur more than once.", _ids(predictions[twice]))


def _check_labels(table: pd.DataFrame, classes: tuple[str, ...], positive: str) -> None:
    if positive not in classes:
        raise InvalidTableError(
            "CLASS_UNKNOWN",
            "The positive class has no probability column.",
            expected=", ".join(classes),
            actual=positive,
        )
    _refuse("LABEL_MISSING", "Rows have no label.", _ids(table[table["label"].isna()]))
    unknown = table[~table["label"].isin(classes)]
    _refuse(
        "LABEL_UNKNOWN",
        "Labels have no probability column.",
        [f"{row.unit_id} ({row.label})" for row in unknown.itertuples()],
        f"Known classes: {', '.join(classes)}. Correct the labels, or say what they are with "
        "--map LABEL=CLASS; --map LABEL= leaves its rows out.",
    )


def _ids(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.get("unit_id", table.index)]


def _refuse(code: str, message: str, ids: Iterable[str], hint: str | None = None) -> None:
    """Raise if there are ids, naming the first of them."""
    names = list(ids)
    if names:
        raise InvalidTableError(code, message, actual=f"unit_id {listed(names)}", hint=hint)
