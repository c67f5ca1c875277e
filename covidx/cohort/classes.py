"""The classes of a data set, in the order of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from covidx.errors import InvalidTableError


@dataclass(frozen=True)
class Classes:
    """Class names in the model's order, and the positive one.

    Parameters
    ----------
    names : tuple of str
        The reference class first.
    positive : str
        One of the others.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS`` or ``POSITIVE_UNKNOWN``.
    """

    names: tuple[str, ...]
    positive: str

    @property
    def reference(self) -> str:
        """The class of images without a finding: the first name."""
        return self.names[0]

    def __post_init__(self) -> None:
        if len(set(self.names)) < 2 or len(set(self.names)) != len(self.names):
            raise InvalidTableError(
                "ONE_CLASS",
                "A classifier needs at least two classes, each named once.",
                actual=", ".join(self.names) or "none",
                hint=(
                    "Add patients of a second class, or correct the classes in the labels "
                    "or the card."
                ),
            )
        if self.positive not in self.names or self.positive == self.reference:
            raise InvalidTableError(
                "POSITIVE_UNKNOWN",
                "The positive class must be one of the classes, and not the reference.",
                expected=" or ".join(self.names[1:]),
                actual=self.positive,
                hint="Name it with --positive (make: POSITIVE=...).",
            )


def classes_of(labels: Sequence[str], positive: str = "covid-19") -> Classes:
    """Order the labels that occur: ``normal`` (or the first that is not positive) leads.

    Parameters
    ----------
    labels : sequence of str
        One an image or patient.
    positive : str
        The positive class.

    Raises
    ------
    InvalidTableError
        As `Classes`.

    Examples
    --------
    >>> classes_of(["covid-19", "flu", "normal"]).names
    ('normal', 'flu', 'covid-19')
    """
    if positive not in labels and len(set(labels)) > 1:
        raise InvalidTableError(
            "POSITIVE_UNKNOWN",
            "The positive class is none of the labels.",
            expected=" or ".join(sorted(set(labels) - {"normal"})),
            actual=positive,
            hint="Name it with --positive (make: POSITIVE=...).",
        )
    names = sorted(set(labels) - {positive}, key=lambda name: (name != "normal", name))
    return Classes((*names, *([positive] if positive in labels else [])), positive)
