"""What is known of a second data set's labels before its images are ingested."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from covidx.cohort import Classes
from covidx.ingest.table import read_image_table
from covidx.pipelines.labels import label_rows, map_labels
from covidx.pipelines.source import Source
from covidx.wording import counted


def labels_named(source: Source, classes: Classes) -> pd.Series | None:
    """The labels that a source's own tables name, one a row; None where they name none.

    Parameters
    ----------
    source : Source
        The second data set.
    classes : Classes
        Of the model.
    """
    if source.labels is not None:
        labels: pd.Series = label_rows(source, classes)["label"]
        return labels
    if source.card is None or source.card.images is None:
        return None
    rows, _ = read_image_table(source.images, source.card)
    return pd.Series([row.label for row in rows], dtype=object)


def check_labels(labels: pd.Series, classes: Classes, mapping: Mapping[str, str]) -> list[str]:
    """Which labels are no class of the model, and how they could be one.

    Parameters
    ----------
    labels : Series
        As the second data set names them.
    classes : Classes
        Of the model.
    mapping : mapping
        Label -> class, as the user has it so far.

    Returns
    -------
    list of str
        A line a label that is left out; empty where every label is a class.

    Raises
    ------
    InvalidInputError
        As `map_labels`: ``CLASS_UNKNOWN`` or ``NOTHING_MAPPED``.
    """
    kept, _ = map_labels(pd.DataFrame({"label": labels}), classes, mapping)
    known = {*classes.names, "rest", *mapping}
    counts = labels.dropna().value_counts()
    left = {str(name): int(n) for name, n in counts.items() if str(name) not in known}
    if not left or len(kept) == len(labels.dropna()):
        return []
    lines = [
        f"label {name} ({counted(n, 'row')}) is no class of the model and is left out; if it is "
        f"one, repeat with --map '{name}=CLASS'"
        for name, n in left.items()
    ]
    return [*lines, f"classes: {', '.join(classes.names)}; rest is all but {classes.positive}"]
