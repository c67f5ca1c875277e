"""Options whose values are pairs: ``--columns OURS=THEIRS,...`` and ``--map LABEL=CLASS``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from covidx.errors import InvalidInputError

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="OURS=THEIRS",
        help="Columns under other names: patient_id=PatientID,label=diagnosis.",
    ),
]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="LABEL=CLASS",
        help="The class of a label, or rest; an empty one leaves its rows out. May be repeated.",
    ),
]


def columns_of(texts: Sequence[str] | None) -> dict[str, str]:
    """Column that covidx knows -> its name in the table.

    Parameters
    ----------
    texts : sequence of str, optional
        As the user wrote them.

    Raises
    ------
    InvalidInputError
        ``COLUMNS_INVALID``.
    """
    found = {}
    for text in texts or []:
        for part in re.split(r",(?=\s*[\w-]+=)", text):
            ours, _, theirs = (word.strip() for word in part.partition("="))
            if not (ours and theirs):
                raise InvalidInputError(
                    "COLUMNS_INVALID",
                    "A column under another name must have the form ours=theirs.",
                    expected="patient_id=PatientID",
                    actual=part,
                    hint="Write it as in --columns patient_id=PatientID,label=diagnosis "
                    "(make: COLUMNS=...).",
                )
            found[ours] = theirs
    return found


def map_of(texts: Sequence[str] | None) -> dict[str, str]:
    """Label -> class; an empty class leaves the rows out.

    Parameters
    ----------
    texts : sequence of str, optional
        As the user wrote them.

    Raises
    ------
    InvalidInputError
        ``MAP_INVALID``.
    """
    found = {}
    for text in texts or []:
        label, equals, name = text.rpartition("=")
        if not (label.strip() and equals):
            raise InvalidInputError(
                "MAP_INVALID",
                "A mapped label must have the form label=class.",
                expected="a=b",
                actual=text,
                hint="Write it as in --map pneumonia=rest (make: MAP=pneumonia=rest).",
            )
        found[label.strip()] = name.strip()
    return found
