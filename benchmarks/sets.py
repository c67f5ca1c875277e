"""Public image tables: prepared by their card, with folds and controls on the same folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.controls import (
    ControlScores,
    border_features,
    histogram_features,
    metadata_features,
    run_control,
)
from benchmarks.folds import FOLDS, Study, make_study
from benchmarks.results import RESULTS, record, result_of
from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate, mean_of_folds_auroc
from covidx.imaging import build_cache
from covidx.pipelines.cohort import ingest_source, link_labels
from covidx.pipelines.image.config import TrainImage
from covidx.pipelines.progress import silent
from covidx.pipelines.source import Source, find_card

Folds = TypeVar("Folds", int, NDArray[np.int64])


@dataclass(frozen=True, eq=False)
class Controlled:
    """The controls' scores and the AUROC of each, mean of folds."""

    scores: dict[str, ControlScores]
    aurocs: dict[str, Estimate]

    @property
    def best(self) -> str:
        """The strongest control, by its test AUROC: the choice that is hardest on the network."""
        return max(self.aurocs, key=lambda name: self.aurocs[name].value)


def prepare_set(
    name: str, data: Path, work: Path, config: TrainImage, *, leaky: bool = False
) -> Study:
    """Ingest a public set by its card, prepare it with the pipeline's recipe, and cut the folds.

    Parameters
    ----------
    name : str
        The card's identifier.
    data, work : Path
        The set; the place of the store and the cache, which ``make train-... DATA=`` shares.
    config : TrainImage
    leaky : bool
        Cut by image.

    Raises
    ------
    InvalidInputError
        ``OTHER_SET``: what lies in `data` is not what the card describes.
    """
    card = find_card(data)
    if card is None or card.identifier != name:
        raise InvalidInputError(
            "OTHER_SET",
            "This is not the set that the card describes.",
            path=data,
            expected=name,
            actual="no known set" if card is None else card.identifier,
        )
    source = Source(data, None, card)
    cohort = link_labels(source, *ingest_source(source, work, silent), config.unmatched)
    cohort = cohort.only(*config.select(cohort.manifest))
    recipe = config.recipe(cohort.manifest)
    images = build_cache(cohort.store, cohort.manifest, recipe.preprocessing, work / "cache")
    return make_study(cohort, images, recipe, config.seed, leaky=leaky)


def run_controls(
    studies: Sequence[Study], name: str, command: str, results: Path = RESULTS
) -> Controlled:
    """Run the three controls on the folds of each study; record their AUROCs.

    Parameters
    ----------
    studies : sequence
        One set, its folds cut by one seed or several. A control's scores stand one study after the
        other, its folds numbered by `stacked_fold`.
    name : str
        Of the figures, such as ``covid_ct_{}_auroc``: takes the control's name.
    command : str
        Measures them again.
    results : Path
    """
    first = studies[0]
    manifest, positive = first.manifest, first.cohort.classes.positive
    truth = np.tile((manifest["label"] == positive).to_numpy(), len(studies))
    groups = np.tile(manifest["group_id"].to_numpy(), len(studies))
    scores, aurocs, found = {}, {}, {}
    for control, table in _features(first).items():
        runs = [run_control(table, manifest, s.splits, positive, s.seed) for s in studies]
        one = ControlScores(
            np.concatenate([run.scores for run in runs]),
            np.concatenate([stacked_fold(k, run.folds) for k, run in enumerate(runs)]),
            {
                stacked_fold(k, f): kind
                for k, run in enumerate(runs)
                for f, kind in run.chosen.items()
            },
        )
        auroc = mean_of_folds_auroc(one.scores, truth, groups, one.folds)
        kinds = Counter(kind for kind, _ in one.chosen.values())
        models = ", ".join(f"{kind} in {n} folds" for kind, n in sorted(kinds.items()))
        against = f"chance 0.5; the better model on inner folds: {models}; mean of folds"
        auroc = replace(auroc, n=len(manifest))
        found[name.format(control)] = result_of(auroc, against, command)
        scores[control], aurocs[control] = one, auroc
    record(found, results)
    return Controlled(scores, aurocs)


def stacked_fold(seed: int, fold: Folds) -> Folds:
    """The number of a fold where several seeds' folds stand in one table: seed's place first."""
    return seed * FOLDS + fold


def _features(study: Study) -> dict[str, NDArray[np.float64]]:
    manifest, pixels = study.manifest, study.cache.pixels
    pictures = [study.cache.bag(image, pixels).pixels[0] for image in manifest["image_id"]]
    return {
        "metadata": metadata_features(manifest),
        "border": np.stack([border_features(picture) for picture in pictures]),
        "histogram": np.stack([histogram_features(picture) for picture in pictures]),
    }
