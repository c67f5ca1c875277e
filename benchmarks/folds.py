"""Cross-validation of the CT classifier, fold by fold; what is done is kept and taken up again."""

from __future__ import annotations

import ast
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

import covidx
from benchmarks.kept import KeptFolds
from benchmarks.results import commit_now
from covidx.cohort import Splits, make_splits
from covidx.evaluate import OperatingPoint, OperatingRule
from covidx.files import make_folder, read_json, sha256_json, write_json
from covidx.imaging import BagCache, thumbnails
from covidx.inference import score_rows
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.grouping import group_prepared
from covidx.pipelines.image.config import ImageRecipe
from covidx.pipelines.image.fit import ImageFit, fit_image
from covidx.pipelines.image.results import make_bundle, with_threshold
from covidx.runs import versions
from covidx.tables import PREDICTIONS, read_table, table_digest, write_table

FOLDS = 5
SHAPES_A_FOLD = (
    "imaging",
    "inference/cross_fitting.py",
    "models/backbones.py",
    "models/bag.py",
    "models/learning.py",
    "training/data.py",
    "training/fit.py",
    "training/learner.py",
    "training/module.py",
)
"""Code by which a kept fold is known; comments and docstrings may change."""

Train = Callable[..., ImageFit]


@dataclass(frozen=True, eq=False)
class Study:
    """A cohort with its folds and the recipe to be tried on them.

    Parameters
    ----------
    cohort : Cohort
    cache : BagCache
    manifest : DataFrame
        Grouped by patient, source and near-duplicates: intervals are drawn over these groups.
    splits : Splits
    recipe : ImageRecipe
    seed : int
    leaky : bool
        The folds were cut by image, so that groups lie on both sides.
    """

    cohort: Cohort
    cache: BagCache
    manifest: pd.DataFrame
    splits: Splits
    recipe: ImageRecipe
    seed: int
    leaky: bool = False

    def rows(self, fold: int) -> pd.DataFrame:
        """The manifest with fold and role; its groups are the honest ones even if leaky."""
        cut = _by_image(self.manifest) if self.leaky else self.manifest
        assigned = self.splits.assign(cut, fold)
        return self.manifest.assign(fold=assigned["fold"], role=assigned["role"])

    @cached_property
    def key(self) -> str:
        """Changes with whatever shapes a fold: recipe, rows, split, seed, code, libraries."""
        found = versions()
        said = {
            "recipe": self.recipe.model_dump(mode="json"),
            "rows": table_digest(self.manifest[["image_id", "sha256", "label", "group_id"]]),
            "splits": self.splits.sha256,
            "seed": self.seed,
            "code": _code_digest(),
            "libraries": {name: found[name] for name in ("torch", "timm", "lightning")},
        }
        return sha256_json(said)[:16] + ("-leaky" if self.leaky else "")


@dataclass(frozen=True, eq=False)
class Validated:
    """All folds' predictions on their test rows, every image once, and each fold's threshold."""

    test: pd.DataFrame
    points: dict[int, OperatingPoint]
    commit: str | None


def make_study(
    cohort: Cohort, cache: BagCache, recipe: ImageRecipe, seed: int, *, leaky: bool = False
) -> Study:
    """Cut the folds: by group, or by image to show what that leak is worth."""
    pictures = thumbnails(cache, cache.index)
    manifest = group_prepared(cohort.manifest, pictures, cache.refused, cohort.store)
    cut = _by_image(manifest) if leaky else manifest
    validation = recipe.architecture.members == 1
    splits = make_splits(cut, seed=seed, parts=FOLDS, folds=FOLDS, validation=validation)
    return Study(cohort, cache, manifest, splits, recipe, seed, leaky)


def cross_validate(
    study: Study, work: Path, train: Train = fit_image, kept: KeptFolds | None = None
) -> Validated:
    """Train and score every fold; folds of the same key that are done are read back.

    Parameters
    ----------
    study : Study
    work : Path
        Takes ``<key>/fold-<k>/``: predictions.parquet, fold.json, and checkpoints meanwhile, so
        that a fold that was interrupted goes on from its last complete epoch.
    train : callable
        As `covidx.pipelines.image.fit.fit_image`.
    kept : KeptFolds, optional
        Folds of former sittings; takes those that are trained now.
    """
    if kept is not None:
        kept.restore(study, work)
    tables, points, commits = [], {}, []
    for fold in study.splits.folds:
        folder = make_folder(work / study.key / f"fold-{fold}")
        if (folder / "fold.json").exists():
            print(f"fold {fold}: kept from {folder}")
        else:
            _run_fold(study, fold, folder, train)
            if kept is not None:
                kept.add(study, folder)
        said = read_json(folder / "fold.json")
        tables.append(read_table(folder / "predictions.parquet", PREDICTIONS))
        points[fold] = OperatingPoint(**said["operating_point"])
        commits.append(said["commit"])
    known = sorted({commit for commit in commits if commit is not None})
    return Validated(pd.concat(tables, ignore_index=True), points, ", ".join(known) or None)


def _run_fold(study: Study, fold: int, folder: Path, train: Train) -> None:
    start = time.perf_counter()
    rows, cohort, recipe = study.rows(fold), study.cohort, study.recipe
    counts = rows["role"].value_counts()
    print(f"fold {fold}: {', '.join(f'{n} {role}' for role, n in counts.items())}", flush=True)
    checkpoints = folder / "training"
    fitted = train(study.cache, rows, cohort.labels, recipe, study.seed, checkpoints)
    run_id = f"{cohort.source.name}-{study.key}"
    draft = make_bundle(fitted.model, recipe, cohort, rows, study.splits, run_id)
    rule = OperatingRule(rule="youden")
    predictor = with_threshold(draft, study.cache, rows, rule, study.seed)
    predictions = score_rows(predictor, study.cache, rows, study.seed, run_id)
    predictions = predictions[predictions["role"] == "test"]
    write_table(predictions, folder / "predictions.parquet", PREDICTIONS)
    point = predictor.bundle.threshold.operating_point
    said = {
        "fold": fold,
        "leaky": study.leaky,
        "operating_point": vars(point),
        "epochs": len(fitted.curves),
        "best_epoch": fitted.best_epoch,
        "resumed_from_epoch": fitted.resumed_from,
        "seconds": round(time.perf_counter() - start, 1),
        "commit": commit_now(),
    }
    write_json(folder / "fold.json", said)  # last: a fold without it is not done
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"fold {fold}: {said['epochs']} epochs, {said['seconds']:.0f} s", flush=True)


def _by_image(manifest: pd.DataFrame) -> pd.DataFrame:
    """A copy in which every image is its own group: the leak."""
    return manifest.assign(group_id=manifest["image_id"], patient_id=manifest["image_id"])


def _code_digest() -> str:
    """Digest of the code in `SHAPES_A_FOLD`, blind to comments, docstrings and layout."""
    root = Path(covidx.__file__).parent
    paths = [
        p
        for place in SHAPES_A_FOLD
        for p in ([root / place] if place.endswith(".py") else sorted((root / place).glob("*.py")))
    ]
    return sha256_json({str(p.relative_to(root)): _without_words(p.read_text()) for p in paths})


def _without_words(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not _is_text(n)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
