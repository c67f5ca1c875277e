"""What a data card says against its data, and what it leaves unsaid: warnings above all figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from covidx.cards import DataCard
from covidx.files import sha256_file
from covidx.pipelines.source import Source
from covidx.report.words import (
    CARD_DRAFT,
    COUNTS_LEFT_OUT,
    KNOWN_BIAS,
    NO_CARD,
    NO_PATIENTS,
    SIMULATED,
)

COUNT = re.compile(r"(?<![\w-])\d")
"""A number in a sentence; that of COVID-19 is none."""


def card_warnings(source: Source) -> list[str]:
    """What a reader must know of a data set, by its card.

    Known biases with counts are left out, with a line that says so, where a table that the card
    describes is not the one whose SHA-256 the card names: its counts are of another table.

    Parameters
    ----------
    source : Source
        As the user named it.
    """
    card = source.card
    if card is None:
        by_path = source.pictures is not None and source.labels is not None
        nobody = by_path and "patient_id" not in source.label_rows
        return [NO_CARD, *([NO_PATIENTS] if nobody else [])]
    if card.domain == "simulated":
        return [SIMULATED]
    lines = [f"{CARD_DRAFT}{', '.join(card.unstated)}."] if card.unstated else []
    if card.images is not None and card.images.patient is None:
        lines.append(NO_PATIENTS)
    biases = card.known_biases
    other = [path for path in _tables(source, card) if sha256_file(path) not in _digests(card)]
    if other:
        counting = [bias for bias in biases if COUNT.search(bias)]
        biases = [bias for bias in biases if bias not in counting]
        if counting:
            lines.append(
                f"{COUNTS_LEFT_OUT}{len(counting)} of {len(card.known_biases)} known biases, which "
                "have counts: its hashes do not name the table that was read, with the SHA-256 "
                f"{sha256_file(other[0])}."
            )
    return [*lines, *(f"{KNOWN_BIAS}{bias}" for bias in biases)]


def _digests(card: DataCard) -> set[str]:
    return set(card.hashes.values())


def _tables(source: Source, card: DataCard) -> Iterator[Path]:
    """The files that were read as tables which the card describes."""
    if card.images is not None and source.data is not None:
        yield source.data / card.images.table
    if card.labels is not None and source.labels is not None:
        yield source.labels
    if (card.clinical or card.severity) is not None and source.table is not None:
        yield source.table
