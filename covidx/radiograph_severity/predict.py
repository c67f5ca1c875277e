"""Scores of new films: the one path for evaluation of a bundle and ``covidx predict``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from covidx.cards import DataCard
from covidx.constants import LATERAL_VIEWS, RESEARCH_NOTICE
from covidx.errors import CovidxError
from covidx.ingest import Identities, ReadImage, read_images
from covidx.radiograph_severity.bundle import Models, SeverityBundle, load_bundle
from covidx.radiograph_severity.features import WHOLE, Box, Picture, RadiographNetwork, picture_of
from covidx.radiograph_severity.lungs import LungFinder

__all__ = ["FILM", "LUNGS", "Graded", "Grader", "grade_path", "made_up", "see"]

LUNGS, FILM = "lungs", "film"
"""Views: the box of the lungs, the whole film."""
TOLERANCE = 1e-3
"""Largest difference of a score of a made-up picture, in points."""
SIMULATED = "covidx phantom"


@dataclass(frozen=True)
class Graded:
    """The answer for one image, or why there is none.

    Parameters
    ----------
    path : str
        What was asked about.
    scores : dict
        Name -> value, low and high end of its interval.
    box : tuple of float or None
        Top, bottom, left, right of what was taken for the lungs, as shares of the film.
    outside : tuple of str
        Why the scores may not be interpreted.
    problem : str or None
        Why there is no score, beginning with a code.
    """

    path: str
    image_id: str | None
    scores: dict[str, tuple[float, float, float]]
    box: Box | None
    outside: tuple[str, ...]
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice."""
        named = {
            name: {"value": value, "low": low, "high": high}
            for name, (value, low, high) in self.scores.items()
        }
        return {
            **vars(self),
            "scores": named,
            "outside": list(self.outside),
            "interpretable": self.problem is None and not self.outside,
            "notice": RESEARCH_NOTICE,
        }


def see(
    network: RadiographNetwork, finder: LungFinder | None, picture: Picture
) -> tuple[dict[str, NDArray[np.float32]], Box | None, str | None]:
    """A film's features by view, the box of its lungs, and why that may be another's."""
    views = {FILM: network.look(picture, WHOLE)}
    if finder is None:
        return views, None, None
    box, doubt = finder(network.place(picture))
    views[LUNGS] = network.look(picture, box)
    return views, box, doubt


def made_up(seed: int) -> Picture:
    """A made-up picture for parity: nothing of a patient."""
    noise = np.random.default_rng(seed).standard_normal((240, 260))
    picture: Picture = gaussian_filter(noise, 9.0).astype(np.float32)
    return picture


@dataclass(frozen=True, eq=False)
class Grader:
    """A bundle in memory, ready to score."""

    bundle: SeverityBundle
    models: Models
    network: RadiographNetwork

    @classmethod
    def load(cls, folder: Path) -> Grader:
        """Read a bundle, and make sure that it scores made-up pictures as when it was saved.

        Raises
        ------
        BundleError
            As `load_bundle`, or ``PARITY_LOST``.
        """
        bundle, models = load_bundle(folder)
        grader = cls(bundle, models, RadiographNetwork())
        bundle.need_parity(folder, grader.parity(len(bundle.parity)), bundle.parity, TOLERANCE)
        return grader

    def parity(self, cases: int) -> list[list[float]]:
        """Scores of made-up pictures, not cut off at their ends."""
        seen = [see(self.network, self.models.finder, made_up(n))[0] for n in range(cases)]
        return [[round(v, 6) for v in self._values(views)] for views in seen]

    def _values(self, views: Mapping[str, NDArray[np.float32]]) -> list[float]:
        pairs = zip(self.bundle.scores, self.models.scores, strict=True)
        return [float(model(views[one.view][None])[0, 0]) for one, model in pairs]

    def grade(
        self, picture: Picture
    ) -> tuple[dict[str, tuple[float, float, float]], Box | None, str | None]:
        """Scores with their intervals within 0 and the highest, the lungs' box, and any doubt."""
        views, box, doubt = see(self.network, self.models.finder, picture)
        scores = {}
        for one, raw in zip(self.bundle.scores, self._values(views), strict=True):
            value = min(max(raw, 0.0), one.high)
            low, high = value - one.half_width, value + one.half_width
            scores[one.name] = (value, max(low, 0.0), min(high, one.high))
        return scores, box, doubt


def _outside(bundle: SeverityBundle, facts: Mapping[str, object]) -> list[str]:
    simulated = str(facts.get("manufacturer") or "").startswith(SIMULATED)
    reasons = []
    if bundle.domain == "simulated" and not simulated:
        reasons.append("the model was trained on simulated films, this is not one")
    if bundle.domain == "real" and simulated:
        reasons.append("the model was trained on real films, this one is simulated")
    if str(facts.get("view")).upper() in LATERAL_VIEWS:
        reasons.append("trained on frontal views, this is a lateral one")
    return reasons


def grade_path(
    grader: Grader, path: Path, *, identities: Identities, card: DataCard | None = None
) -> Iterator[Graded]:
    """Score every film that a file or folder holds; what cannot be read is answered too."""
    asked = str(path)
    try:
        reader = read_images(path, identities=identities, card=card)
        read = 0
        for image in reader:
            read += 1
            yield _of_image(grader, asked, image)
    except CovidxError as error:
        yield Graded(asked, None, {}, None, (), f"{error.code}: {error.reason}")
        return
    left = reader.quarantine
    if read:  # what was set aside is no failure then
        left = left[left["kind"] == "quarantined"]
    for code, rows in left.groupby("code", sort=True):
        yield Graded(asked, None, {}, None, (), f"{code}: {rows['reason'].iloc[0]}")
    if not read and not len(left):
        yield Graded(asked, None, {}, None, (), "NO_IMAGES: there is no image here")


def _of_image(grader: Grader, asked: str, image: ReadImage) -> Graded:
    name, outside = str(image.fields["image_id"]), _outside(grader.bundle, image.fields)
    try:
        scores, box, doubt = grader.grade(picture_of(image.volume))
    except CovidxError as error:
        return Graded(asked, name, {}, None, tuple(outside), f"{error.code}: {error.reason}")
    return Graded(asked, name, scores, box, (*outside, *([doubt] if doubt else [])), None)
