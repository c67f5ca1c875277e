"""A draft of a data card, from a folder of images, a table of labels, or both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from covidx.cards import FOR_READERS, PICTURES
from covidx.cells import read_cells
from covidx.cohort.card_findings import Findings, examine_images, examine_table, only_table
from covidx.errors import InvalidInputError
from covidx.files import sha256_bytes, sha256_file
from covidx.wording import listed

FILL_IN = "TO FILL IN"
"""Marks what only the user knows."""
HEAD = f"""\
# A draft of a data card, by covidx card init. What only you know is marked {FILL_IN}: a line that
# begins with # may wait, and pages of results say what is left out; others are needed first.
"""
QUESTIONS = {
    "title": "of the data set, as it would be cited",
    "description": "what the images are, in a sentence or two",
    "version": "such as 1.0, or a date",
    "licence": "or who may use the data",
    "creators": "a list of names",
    "citation": "of a paper or a repository",
    "provenance": "where the images came from, and what was done to them",
    "population": "who was included, when, and how many",
    "label_origin": "who decided on the label, by which test or reading",
    "known_biases": "a list: by what other than disease the classes differ",
}
"""Field that readers of results ask for -> what it says."""


@dataclass(frozen=True)
class Draft:
    """A drafted card.

    Parameters
    ----------
    text : str
        YAML with comments.
    needed : list of str
        Fields that must be filled in before the card can be used; the text marks them.
    """

    text: str
    needed: list[str]


def draft_card(
    data: Path | None = None,
    labels: Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    modality: str | None = None,
    positive: str | None = None,
) -> Draft:
    """Draft a data card.

    Parameters
    ----------
    data : Path, optional
        Folder of images. The headers of some tell what they are; the names of files tell which
        column of the table names them, with which prefix and extension.
    labels : Path, optional
        Table of labels; by default the one table that lies in `data`.
    columns : mapping, optional
        ``patient_id``, ``path`` or ``label`` -> column of the table, where its name is not alike.
    modality : str, optional
        Of pictures, which do not say it: CT, CR, DX or CXR.
    positive : str, optional
        The positive label.

    Raises
    ------
    InvalidInputError
        ``NOTHING_NAMED``: neither folder nor table; ``MODALITY_UNKNOWN``; as `find_files`.
    InvalidTableError
        As `read_cells`.
    """
    if data is None and labels is None:
        raise InvalidInputError(
            "NOTHING_NAMED",
            "A card is drafted from a folder of images, a table of labels, or both.",
            hint="Name --data, --labels or both.",
        )
    if modality is not None and modality.upper() not in PICTURES:
        raise InvalidInputError(
            "MODALITY_UNKNOWN",
            "Pictures are of no such modality.",
            expected=", ".join(PICTURES),
            actual=modality,
            hint="Name one of these with --modality.",
        )
    found = Findings(modality=None if modality is None else PICTURES[modality.upper()])
    if data is not None:
        examine_images(data.absolute(), found)
        labels = labels if labels is not None else only_table(data.absolute())
    if labels is not None:
        examine_table(read_cells(labels), found, columns or {}, positive)
    root = data if data is not None else labels
    assert root is not None
    return _Writing(found).written(root.absolute() if data is not None else root.parent, labels)


class _Writing:
    """The lines of a card, and what is missing in them."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self.needed: list[str] = []

    def written(self, root: Path, table: Path | None) -> Draft:
        found = self.found
        lines = [
            _line("identifier", f"local-{sha256_bytes(str(root.resolve()).encode())[:8]}")
            + "  # a short name, which pages and MLflow show: no patient, no hospital",
            *(f"# {name}:  # {FILL_IN}: {QUESTIONS[name]}" for name in FOR_READERS),
            "domain: real  # or simulated",
            self._needed("classes", found.classes, "names of the classes, in square brackets"),
            self._needed("positive", found.positive, "which of the classes"),
            "public_ids: false  # true: the ids are public or invented, and are shown as they are",
            *(f"# {remark}" for remark in found.remarks),
        ]
        place = None if table is None else Path(os.path.relpath(table, root)).as_posix()
        if found.pictures:
            lines += ["images:", *(f"  {line}" for line in self._images(place))]
        elif place is not None:
            lines += ["labels:", *(f"  {line}" for line in self._labels(place))]
        if table is not None:
            lines += ["hashes:", f"  {_line(str(place), sha256_file(table))}"]
        return Draft(HEAD + "\n".join(lines) + "\n", self.needed)

    def _images(self, table: str | None) -> list[str]:
        found = self.found
        return [
            self._needed("table", table, "CSV with a row a picture, below the data folder"),
            self._needed("image", found.columns.get("path"), "its column with the file names"),
            *self._names(),
            self._needed("label", found.columns.get("label"), "its column with the labels"),
            *self._meanings(),
            _line("patient", found.columns["patient_id"])
            if "patient_id" in found.columns
            else f"# patient:  # {FILL_IN}: its column with the patient; else each picture is one",
            self._needed("modality", found.modality, "CT, or CR or DX (radiographs)"),
        ]

    def _labels(self, table: str) -> list[str]:
        found = self.found
        keys = {"patient": "patient_id", "path": "path"}
        named = [_line(k, found.columns[ours]) for k, ours in keys.items() if ours in found.columns]
        if not named:
            question = "its column with the DICOM PatientID; or path: that of files or folders"
            named = [self._needed("patient", None, question)]
        return [
            _line("table", table),
            *named,
            *(self._names() if "path" in found.columns else []),
            self._needed("label", found.columns.get("label"), "its column with the labels"),
            *self._meanings(),
        ]

    def _names(self) -> list[str]:
        found = self.found
        lines = [_line("extension", found.extension)] if found.extension else []
        if found.prefixes:
            one_of = f"the folder; names fit as well in {listed(map(repr, found.prefixes), 5)}"
            return [self._needed("prefix", None, one_of), *lines]
        return [*([_line("prefix", found.prefix)] if found.prefix else []), *lines]

    def _meanings(self) -> list[str]:
        """Label -> class; of no class are labels that say that there is no result."""
        if not self.found.labels:
            return []
        self.needed += [f"label {label}" for label in self.found.doubtful]
        choice = f"  # {FILL_IN}: {self.found.positive}, another class, or nothing: left out"
        lines = [
            f"  {_line(label, name)}" + (choice if label in self.found.doubtful else "")
            for label, name in self.found.labels.items()
        ]
        return ["labels:  # value in the table: class; null leaves its rows out", *lines]

    def _needed(self, key: str, value: Any, question: str) -> str:
        if value:
            return _line(key, value)
        self.needed.append(key)
        return f"{key}:  # {FILL_IN}: {question}"


def _line(key: str, value: Any) -> str:
    """One ``key: value`` of YAML, quoted where it must be; a list in square brackets."""
    form: dict[str, Any] = {"allow_unicode": True, "width": 10**6}
    if isinstance(value, list):
        return f"{key}: {yaml.safe_dump(value, default_flow_style=True, **form).strip()}"
    return str(yaml.safe_dump({key: value}, default_flow_style=False, **form)).strip()
