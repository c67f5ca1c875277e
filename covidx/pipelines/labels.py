"""The labels of one data set in the classes of a model that was trained on another."""

from __future__ import annotations

import pandas as pd

from covidx.cohort import Classes
from covidx.errors import InvalidInputError
from covidx.tables import PROBABILITY_PREFIX, probability_columns
from covidx.wording import counted

REST = "rest"
"""All classes but the positive one, where a data set tells them no further apart."""


def map_labels(
    manifest: pd.DataFrame, classes: Classes, mapping: dict[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Give each image a class of the model; what has none is left out and counted.

    Parameters
    ----------
    manifest : DataFrame
        With `label`.
    classes : Classes
        Of the model.
    mapping : dict
        Label -> class or ``rest``; a label that is a class needs no entry.

    Raises
    ------
    InvalidInputError
        ``CLASS_UNKNOWN``: a label is mapped to what is no class; ``NOTHING_MAPPED``.
    """
    known = (*classes.names, REST)
    wrong = sorted(set(mapping.values()) - set(known))
    if wrong:
        raise InvalidInputError(
            "CLASS_UNKNOWN",
            "A label is mapped to a class that the model does not have.",
            expected=", ".join(known),
            actual=", ".join(wrong),
            hint="Map labels to these with --map label=class (make: MAP=label=class).",
        )
    to = {name: name for name in known} | mapping
    counts = manifest["label"].value_counts()
    mapped = manifest.assign(label=manifest["label"].map(to))
    kept = mapped.dropna(subset="label").reset_index(drop=True)
    if kept.empty:
        raise InvalidInputError(
            "NOTHING_MAPPED",
            "No label of this data set is a class of the model.",
            expected=", ".join(known),
            actual=", ".join(f"{name}: {n}" for name, n in counts.items()),
            hint="Map them with --map label=class (or =rest).",
        )
    notes = [
        f"label {name}: {counted(n, 'image')} "
        + (f"as {to[name]}" if name in to else "left out, as the model has no such class")
        for name, n in counts.items()
    ]
    return kept, notes


def as_rest(predictions: pd.DataFrame, positive: str) -> pd.DataFrame:
    """The `predictions` with two classes alone: `positive`, and the sum of the others as `REST`."""
    columns = list(probability_columns(predictions).values())
    score = predictions[f"{PROBABILITY_PREFIX}{positive}"]
    label = predictions["label"].where(predictions["label"] == positive, REST)
    two = {f"{PROBABILITY_PREFIX}{REST}": 1 - score, f"{PROBABILITY_PREFIX}{positive}": score}
    return predictions.drop(columns=columns).assign(label=label, **two)
