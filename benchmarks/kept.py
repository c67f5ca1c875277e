"""Folds that were trained before, kept in the repository: ids and scores of test images alone.

The trainings of three seeds take hours. A fold that is kept counts as long as recipe, rows, split,
code and libraries are those that made it (`benchmarks.folds.Study.key`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from covidx.files import make_folder, read_json, replacing, write_json
from covidx.tables import PREDICTIONS, PROBABILITY_PREFIX, read_table, write_table

if TYPE_CHECKING:
    from benchmarks.folds import Study

COLUMNS = ("image_id", "seed", "fold", "score")


@dataclass(frozen=True)
class KeptFolds:
    """A table of scores, and how each of its folds was made.

    Parameters
    ----------
    scores : Path
        CSV of `COLUMNS`; the score is the probability of the positive of two classes.
    record : Path
        JSON: seed -> ``key`` of the study and ``folds``, fold -> its ``fold.json``.
    """

    scores: Path
    record: Path

    def restore(self, study: Study, work: Path) -> None:
        """Write the kept folds of a study to its work folder, where they are not there yet.

        Parameters
        ----------
        study : Study
        work : Path
            As for `benchmarks.folds.cross_validate`.
        """
        made = self._made().get(str(study.seed), {"key": None})
        if made["key"] != study.key:
            return
        scores = self._scores()
        for name, how in made["folds"].items():
            folder = work / study.key / f"fold-{name}"
            if (folder / "fold.json").exists():
                continue
            make_folder(folder)
            here = scores[(scores["seed"] == study.seed) & (scores["fold"] == int(name))]
            table = _predictions(study, int(name), here.set_index("image_id")["score"])
            write_table(table, folder / "predictions.parquet", PREDICTIONS)
            write_json(folder / "fold.json", how)

    def add(self, study: Study, folder: Path) -> None:
        """Keep a fold that was trained; folds of its seed that another key made are dropped.

        Parameters
        ----------
        study : Study
        folder : Path
            Of the fold, with ``predictions.parquet`` and ``fold.json``.
        """
        how = read_json(folder / "fold.json")
        table = read_table(folder / "predictions.parquet", PREDICTIONS)
        table = table[table["role"] == "test"]
        made, scores = self._made(), self._scores()
        one = made.get(str(study.seed))
        if one is None or one["key"] != study.key:
            one = {"key": study.key, "folds": {}}
            scores = scores[scores["seed"] != study.seed]
        one["folds"][str(how["fold"])] = how
        positive = f"{PROBABILITY_PREFIX}{study.cohort.classes.positive}"
        new = pd.DataFrame(
            {
                "image_id": table["unit_id"],
                "seed": study.seed,
                "fold": how["fold"],
                "score": table[positive],
            }
        )
        scores = scores[(scores["seed"] != study.seed) | (scores["fold"] != how["fold"])]
        merged = pd.concat([scores, new], ignore_index=True) if len(scores) else new
        merged = merged.sort_values(["seed", "fold", "image_id"])
        with replacing(self.scores) as path:
            merged.to_csv(path, index=False, float_format="%.7g", lineterminator="\n")
        write_json(self.record, dict(sorted((made | {str(study.seed): one}).items())))

    def _made(self) -> dict[str, Any]:
        return read_json(self.record) if self.record.exists() else {}

    def _scores(self) -> pd.DataFrame:
        if not self.scores.exists():
            return pd.DataFrame(columns=list(COLUMNS))
        return pd.read_csv(self.scores, dtype={"image_id": str}, keep_default_na=False)


def _predictions(study: Study, fold: int, scores: pd.Series) -> pd.DataFrame:
    """The predictions table of a fold's test rows, from their scores."""
    rows = study.rows(fold)
    rows = rows[rows["role"] == "test"].sort_values("image_id")
    positive = study.cohort.classes.positive
    (other,) = set(study.cohort.classes.names) - {positive}
    score = scores.loc[rows["image_id"]].to_numpy()
    return pd.DataFrame(
        {
            "run_id": f"{study.cohort.source.name}-{study.key}",
            "arm": "p1",
            "unit_id": rows["image_id"].to_numpy(),
            "level": "image",
            "patient_id": rows["patient_id"].to_numpy(),
            "group_id": rows["group_id"].to_numpy(),
            "fold": fold,
            "role": "test",
            "split_sha256": study.splits.sha256,
            "bundle_sha256": None,
            "arms_used": "p1",
            "label": rows["label"].to_numpy(),
            f"{PROBABILITY_PREFIX}{other}": 1 - score,
            f"{PROBABILITY_PREFIX}{positive}": score,
        }
    )
