"""Which class a label names: spelling that does not count, and labels that name none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from covidx.errors import InvalidTableError
from covidx.wording import counted

NO_CLASS = ""
"""Label of rows that the user or the card leaves out."""

_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_WHOLE = re.compile(r"(-?[0-9]+)(\.0+|,0)")
_BOOLEANS = {"true": "1", "false": "0"}

_INFECTED = re.compile(
    r"(covid|ncov|sars|corona)(cov|virus)?(19|2|2019)?(pos|positive|pneumonia|case)?"
    r"|1|true|yes|y|pos|positive|reactive|detected|confirmed|infected"
)
_NO_RESULT = re.compile(
    r"|na|nan|null|nil|unknown|missing|pending|invalid|inconclusive|indeterminate|undetermined|equivocal"
    r"|borderline|suspected|suspicious|probable|presumptive|possible|unclear|doubtful|ambiguous|error"
    r"|failed|rejected|withdrawn|cancell?ed|insufficient|repeat|retest|tbd|todo"
    r"|(not|no|un)(done|tested|performed|available|applicable|known|reported|sure|clear|specified"
    r"|determined|result|sample|label|labell?ed|interpretable)"
)
"""Without blanks, marks and case: names of the infection, and words for an absent result."""


def label_key(label: object) -> str:
    """What of a label's spelling counts: no case, single blanks within, one kind of dash.

    1, 1.0 and True are one label, as tables of different formats write it.

    Parameters
    ----------
    label : object
        As it stands in a table.

    Examples
    --------
    >>> label_key(" COVID\u201319 "), label_key(1.0), label_key(True)
    ('covid-19', '1', '1')
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", str(label)))
    text = " ".join(_DASHES.sub("-", text).split()).casefold()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else _BOOLEANS.get(text, text)


def by_class(labels: pd.Series, classes: Sequence[str] = ()) -> tuple[pd.Series, list[str]]:
    """Labels under the names of their classes, whatever their spelling.

    Labels that are spelt like none of the classes are one where their spelling alone differs: then
    under the spelling of most rows.

    Parameters
    ----------
    labels : Series of str
        Missing ones stay missing.
    classes : sequence of str
        Names that are known. Two that differ in spelling alone are taken as they are written.

    Returns
    -------
    labels : Series of str
    notes : list of str
        A sentence for each spelling that was changed.
    """
    counts = labels.value_counts()
    keys = [label_key(name) for name in classes]
    known = {key: name for key, name in zip(keys, classes, strict=True) if keys.count(key) == 1}
    for label in sorted(counts.index, key=lambda name: (-counts[name], str(name))):
        if label not in classes and label_key(label) not in keys:
            key = label_key(label)
            known.setdefault(key, key if _WHOLE.fullmatch(str(label)) else label)
    names = {label: known.get(label_key(label), label) for label in counts.index}
    names |= {name: name for name in classes}
    notes = [
        f"label {label}: {counted(int(counts[label]), 'row')} taken as {names[label]}"
        for label in sorted(counts.index, key=str)
        if str(label) != names[label] and not _WHOLE.fullmatch(str(label))
    ]
    return labels.map(names).astype(object).where(labels.notna(), None), notes


def class_named(name: str, classes: Sequence[str]) -> str:
    """The class that is spelt like `name`; `name` itself where none, or more than one, is.

    Parameters
    ----------
    name : str
        As a user wrote it.
    classes : sequence of str
        Names that are known.
    """
    alike = [one for one in classes if label_key(one) == label_key(name)]
    return alike[0] if len(alike) == 1 and name not in classes else name


def with_map(
    labels: pd.Series, label_map: Mapping[str, str], path: Path
) -> tuple[pd.Series, list[str]]:
    """Labels with the classes that the user gave to some of them (`NO_CLASS` for none), and notes.

    Parameters
    ----------
    labels : Series of str
        Missing ones stay missing.
    label_map : mapping
        Label, whatever its spelling -> class; empty for none.
    path : Path
        Of the table, for errors.

    Raises
    ------
    InvalidTableError
        ``MAP_UNUSED``: a label of the map does not occur.
    """
    if not label_map:
        return labels, []
    keys = labels.map(label_key, na_action="ignore")
    counts = keys.value_counts()
    unused = [label for label in label_map if label_key(label) not in counts]
    if unused:
        raise InvalidTableError(
            "MAP_UNUSED",
            "No row has a label that was mapped.",
            path=path,
            expected=", ".join(map(str, labels.dropna().unique()[:10])),
            actual=", ".join(unused),
            hint="Correct the labels in --map LABEL=CLASS.",
        )
    notes = [
        f"label {label}: {counted(int(counts[label_key(label)]), 'row')} "
        f"{f'taken as {name}' if name else 'left out'}, as --map says"
        for label, name in label_map.items()
    ]
    to = {label_key(label): name for label, name in label_map.items()}
    return keys.map(to).astype(object).where(keys.isin(list(to)), labels), notes


def names_infection(label: object) -> bool:
    """Whether a label, whatever its spelling, is a word for the infection or a positive test.

    Parameters
    ----------
    label : object
        As it stands in a table.

    Examples
    --------
    >>> names_infection("SARS-CoV-2"), names_infection("pneumonia")
    (True, False)
    """
    return _INFECTED.fullmatch(_plain(str(label))) is not None


def names_no_result(label: object) -> bool:
    """Whether a label, whatever its spelling, says that there is no result.

    Parameters
    ----------
    label : object
        As it stands in a table.
    """
    return _NO_RESULT.fullmatch(_plain(str(label))) is not None


def doubtful(labels: Sequence[str], positive: str) -> list[str]:
    """Labels that must not become a negative class by themselves, where no classes are named.

    Those that look like the positive class in other words or marks (``covid_19`` or ``positive``
    beside ``covid-19``), and those that say that there is no result (``inconclusive``, ``NA``).

    Parameters
    ----------
    labels : sequence of str
        That occur.
    positive : str
        The positive class.

    Examples
    --------
    >>> doubtful(["covid-19", "covid_19", "flu", "not done"], "covid-19")
    ['covid_19', 'not done']
    """
    same = _plain(positive)
    infected = names_infection(positive)
    return [
        label
        for label in labels
        if label != positive
        and (
            _plain(label) == same
            or label.startswith("#")  # an error of Excel, such as #N/A
            or names_no_result(label)
            or (infected and names_infection(label))
        )
    ]


def _plain(label: str) -> str:
    """Without blanks and marks, but for a sign at an end: PCR- is not PCR+."""
    return re.sub(r"(?<=\w)[\W_]+(?=\w)", "", label_key(label)).strip("?._* ")
