"""Reading the images of a source one at a time, in this process, without a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from covidx.cards import DataCard
from covidx.errors import InvalidSeriesError
from covidx.ingest.context import known_path
from covidx.ingest.dicom.series import Outcome
from covidx.ingest.find.scan import find_files
from covidx.ingest.find.search import Searched, search
from covidx.ingest.identity import Identities
from covidx.ingest.jobs import SERIES_INCOMPLETE, read_job
from covidx.ingest.plan import Plan, make_context, make_plan, quarantine_path, quarantine_rows
from covidx.ingest.records import ReadImage
from covidx.ingest.rules import USUAL, Rules
from covidx.volume import Volume


class ImageReader:
    """Yields the images of a source one at a time; refusals gather in `outcomes` meanwhile."""

    def __init__(self, plan: Plan, searched: Searched) -> None:
        self._plan = plan
        self._searched = searched  # what was unpacked is there as long as the reader is
        self.outcomes: list[Outcome] = list(plan.outcomes)

    def __iter__(self) -> Iterator[ReadImage]:
        self.outcomes = list(self._plan.outcomes)
        for job in self._plan.jobs:
            for result in read_job(job, self._plan.context):
                if isinstance(result, Outcome):
                    self.outcomes.append(result)
                else:
                    yield result

    def known_path(self, path: str) -> str:
        """The `path` of a file as a person knows it, be it a member of an archive."""
        return known_path(path, self._plan.context)

    @property
    def root(self) -> Path:
        """The folder that paths are relative to: of the source, or of the picture set around it."""
        return self._plan.context.root

    @property
    def refused(self) -> list[tuple[str, str, str]]:
        """(path, path as it may be shown, code and reason) of each file that was refused so far."""
        context = self._plan.context
        return [
            (known_path(one.path, context), quarantine_path(one.path, context),
             f"{one.code}: {one.reason}")
            for one in self.outcomes if one.kind == "quarantined"
        ]  # fmt: skip

    @property
    def quarantine(self) -> pd.DataFrame:
        """path, kind, code, reason of every file refused so far; complete after the last image."""
        columns = ["path", "kind", "code", "reason"]
        return pd.DataFrame(quarantine_rows(self.outcomes, self._plan.context), columns=columns)


def read_images(
    source: Path,
    *,
    identities: Identities,
    rules: Rules = USUAL,
    card: DataCard | None = None,
) -> ImageReader:
    """Read the images of a file or folder one at a time, in this process, writing nothing.

    Parameters
    ----------
    source : Path
        A folder, a file or an archive.
    identities : Identities
        Pseudonyms, or public ids.
    rules : Rules, optional
        What is kept of a study.
    card : DataCard, optional
        Names the data set and its image table.

    Examples
    --------
    >>> reader = read_images(Path("study"), identities=Identities.public())  # doctest: +SKIP
    >>> for image in reader:  # doctest: +SKIP
    ...     print(image.fields["image_id"], image.volume.spacing_mm)

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING`` or ``SOURCE_EMPTY``.
    InvalidTableError
        Where the card's image table does not fit.
    """
    source = source.absolute()
    context = make_context(source, identities, card, rules)
    searched = search(find_files(source), context, map)
    return ImageReader(make_plan(searched.files, searched.context, card), searched)


def read_series(path: Path | str, rules: Rules = USUAL) -> Volume:
    """Read the one image that a file or folder holds.

    Parameters
    ----------
    path : Path or str
        A folder, a file or an archive.
    rules : Rules, optional
        Which series of a study to prefer, and whether to interpolate where slices are missing.

    Examples
    --------
    >>> covidx.read_series("study/").spacing_mm  # doctest: +SKIP
    (5.0, 0.7, 0.7)
    >>> covidx.read_series("uneven/", Rules(resample=True)).resampled  # doctest: +SKIP
    '55 slices interpolated from 28'

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING`` or ``SOURCE_EMPTY``.
    InvalidSeriesError
        The code of the first refusal if there is no image, ``SERIES_SEVERAL`` if there are more.
    """
    reader = read_images(Path(path), identities=Identities.public(), rules=rules)
    images = list(reader)
    if len(images) == 1:
        return images[0].volume
    if images:
        raise InvalidSeriesError(
            "SERIES_SEVERAL",
            "There is more than one image.",
            path=path,
            actual=len(images),
            hint="Name the folder of one study; covidx ingest reads many.",
        )
    first = min(reader.outcomes, key=lambda o: (o.kind, o.code == SERIES_INCOMPLETE, o.path))
    raise InvalidSeriesError(first.code, first.reason, path=reader.known_path(first.path))
