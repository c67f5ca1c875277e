"""The one loop over named inputs: images one by one, and a reason for what is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from covidx.errors import CovidxError
from covidx.inference.prediction import InputSource
from covidx.ingest.identity import Identities
from covidx.ingest.rules import USUAL, Rules
from covidx.ingest.table import set_root

if TYPE_CHECKING:
    from covidx.cards import DataCard
    from covidx.ingest.reader import ImageReader
    from covidx.ingest.records import ReadImage

Progress = Callable[[int, int], None]


class InputImage(NamedTuple):
    """One image of an input, or why there is none.

    Parameters
    ----------
    source : InputSource
        The image, or where there is none the path that was named.
    image : ReadImage, optional
        Decoded, with its manifest fields; None where nothing could be read.
    problem : str, optional
        Exactly where there is no image: begins with a code.
    """

    source: InputSource
    image: ReadImage | None
    problem: str | None


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model is to be used on.

    Parameters
    ----------
    paths : sequence of Path
        DICOM folders or files, NIfTI, PNG or JPEG; of a clinical model tables.
    table : Path, optional
        Of a fusion model: the clinical table of the same patients.
    identities : Identities
        How ids and paths are shown.
    card : DataCard, optional
        Of the data set: pictures with a table, public ids, real or simulated.
    progress : callable, optional
        Called with (paths done, paths in all).
    rules : Rules, optional
        What is kept of a study, and what pictures are that no card describes.
    """

    paths: Sequence[Path]
    table: Path | None
    identities: Identities
    card: DataCard | None = None
    progress: Progress | None = None
    rules: Rules = USUAL

    @classmethod
    def of(
        cls,
        paths: Path | str | Sequence[Path | str],
        *,
        table: Path | None = None,
        card: DataCard | None = None,
        identities: Identities | None = None,
        progress: Progress | None = None,
        modality: str | None = None,
    ) -> Inputs:
        """Inputs by path.

        Parameters
        ----------
        paths : Path, str, or a sequence of them
            DICOM folders or files, NIfTI, PNG or JPEG; of a clinical model tables.
        table, card, progress
            As in `Inputs`.
        identities : Identities, optional
            Unless given, public where the card says so, else pseudonyms by the user's key.
        modality : str, optional
            Of pictures that no card describes, as `Rules.pictures`.

        Raises
        ------
        InvalidInputError
            ``MODALITY_UNKNOWN``.
        """
        several = [paths] if isinstance(paths, Path | str) else paths
        shown = identities or Identities.for_card(card)
        rules = USUAL if modality is None else replace(USUAL, pictures=modality)
        return cls([Path(one) for one in several], table, shown, card, progress, rules)

    @property
    def simulated(self) -> bool:
        """Whether the card says that the patients are simulated."""
        return self.card is not None and self.card.domain == "simulated"

    def each_path(self) -> Iterator[tuple[InputSource, Path]]:
        """Each named path and its source, telling of the progress after each."""
        for number, path in enumerate(self.paths, 1):
            place = _within(path.absolute(), set_root(path.absolute(), self.card))
            shown = self.identities.path(path.name if place == "." else place)
            yield InputSource(number, str(path), shown), path
            if self.progress is not None:
                self.progress(number, len(self.paths))

    def images(self) -> Iterator[InputImage]:
        """Each image of each path; a path, or files of it, that cannot be read give a problem.

        Of a picture set with a table, each refused row or picture has a problem of its own, since
        each has a name.
        """
        for named, path in self.each_path():
            read = 0
            try:
                reader = _open(path, self)
                for image in reader:
                    read += 1
                    yield InputImage(_source(named, image, reader, self.identities), image, None)
            except CovidxError as error:
                yield InputImage(named, None, error.summary)
                continue
            left = reader.quarantine
            if self.card is not None and self.card.images is not None:
                for known, shown, why in reader.refused:
                    row = named if path.is_file() else replace(named, path=known, place=shown)
                    yield InputImage(row, None, why)
                    read += 1
                left = left[left["kind"] != "quarantined"]
            if read:  # what was set aside (a localizer, another kernel) is no failure then
                left = left[left["kind"] == "quarantined"]
            if len(left) or not read:
                yield InputImage(named, None, _reasons(left))


def _open(path: Path, inputs: Inputs) -> ImageReader:
    from covidx.ingest.reader import read_images

    return read_images(path, identities=inputs.identities, card=inputs.card, rules=inputs.rules)


def _within(place: str | Path, root: Path) -> str:
    return Path(os.path.relpath(place, root)).as_posix()


def _source(
    named: InputSource, image: ReadImage, reader: ImageReader, identities: Identities
) -> InputSource:
    files = [reader.known_path(one) for one in image.paths]
    folder = os.path.commonpath([str(Path(one).parent) for one in files])
    place = folder if len(files) > 1 else files[0]
    within = _within(place, reader.root)
    values = image.fields
    return InputSource(
        named.number,
        place,
        within if within == "." else identities.path(within),
        len(files),
        patient_id=str(values["patient_id"]),
        image_id=str(values["image_id"]),
        study_uid=values["study_uid"],
        series_uid=values["series_uid"],
        series_number=image.series_number,
        series_description=image.series_description,
    )


def _reasons(left: pd.DataFrame) -> str:
    """Each code once, with the number of files and the first reason."""
    parts = [
        f"{code} ({len(rows)} file{'s' if len(rows) != 1 else ''}): {rows['reason'].iloc[0]}"
        for code, rows in left.groupby("code", sort=True)
    ]
    return "; ".join(parts) or "NO_IMAGES: there is no image here"
