"""The labels of one data set in the classes of a model that was trained on another."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from covidx.class_names import label_key
from covidx.cohort import Classes
from covidx.errors import InvalidInputError
from covidx.pipelines.source import Source
from covidx.tables import PROBABILITY_PREFIX, probability_columns
from covidx.wording import counted

REST = "rest"
"""All classes but the positive one, where a data set tells them no further apart."""


def label_rows(source: Source, classes: Classes | None = None) -> pd.DataFrame:
    """The label table of a source that has one.

    Parameters
    ----------
    source : Source
        What the user named.
    classes : Classes, optional
        Of a model: `map_labels` says later which labels are none of them.
    """
    if classes is None:
        return source.label_rows
    return source.read_labels()


def rest_note(labelled: pd.DataFrame, classes: Classes) -> list[str]:
    """What the negative side consists of, where it is several classes; empty for one.

    Parameters
    ----------
    labelled : DataFrame
        With ``label``.
    classes : Classes
        Of these labels.
    """
    counts = labelled["label"].value_counts()
    others = [name for name in classes.names if name != classes.positive]
    if len(others) < 2:
        return []
    rest = ", ".join(f"{name} ({counts.get(name, 0)})" for name in others)
    return [f"{classes.positive} is judged against the rest, which is {rest}"]


def map_labels(
    manifest: pd.DataFrame, classes: Classes, mapping: Mapping[str, str], noun: str = "image"
) -> tuple[pd.DataFrame, list[str]]:
    """Give each image a class of the model; what has none is left out and counted.

    Parameters
    ----------
    manifest : DataFrame
        With `label`.
    classes : Classes
        Of the model.
    mapping : dict
        Label -> class or ``rest``, or an empty name to leave it out; a label that is spelt like a
        class, but for case, blanks and dashes, needs no entry.
    noun : str
        What a row is called in the notes.

    Raises
    ------
    InvalidInputError
        ``CLASS_UNKNOWN``: a label is mapped to what is no class; ``NOTHING_MAPPED``.
    """
    known = (*classes.names, REST)
    named = {label_key(name): name for name in known}
    wrong = sorted({name for name in mapping.values() if name and label_key(name) not in named})
    if wrong:
        raise InvalidInputError(
            "CLASS_UNKNOWN",
            "A label is mapped to a class that the model does not have.",
            expected=", ".join(known),
            actual=", ".join(wrong),
            hint="Map labels to these with --map label=class (make: MAP=label=class).",
        )
    to: dict[str, str | None] = {name: name for name in known}
    counts = manifest["label"].value_counts()
    for label in map(str, counts.index):
        to.setdefault(label, named.get(label_key(label)))
    for label, name in mapping.items():
        of_label = [one for one in counts.index if label_key(one) == label_key(label)] or [label]
        to |= dict.fromkeys(of_label, named.get(label_key(name)))
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
        f"label {name}: {counted(n, noun)} "
        + (f"as {to[str(name)]}" if to[str(name)] else "left out, as the model has no such class")
        for name, n in counts.items()
    ]
    absent = [label for label in mapping if label_key(label) not in map(label_key, counts.index)]
    notes += [f"label {label}, which is mapped: no {noun}" for label in absent]
    return kept, notes


def as_rest(predictions: pd.DataFrame, positive: str) -> pd.DataFrame:
    """The `predictions` with two classes alone: `positive`, and the sum of the others as `REST`."""
    columns = list(probability_columns(predictions).values())
    score = predictions[f"{PROBABILITY_PREFIX}{positive}"]
    label = predictions["label"].where(predictions["label"] == positive, REST)
    two = {f"{PROBABILITY_PREFIX}{REST}": 1 - score, f"{PROBABILITY_PREFIX}{positive}": score}
    return predictions.drop(columns=columns).assign(label=label, **two)
