"""Films, readers' scores and drawn lungs: what ``covidx train severity`` starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from covidx.cards import ReadersScore, SeverityTable, card_digest, load_card
from covidx.config import Config
from covidx.constants import LATERAL_VIEWS
from covidx.errors import InvalidInputError
from covidx.files import replacing, sha256_file, sha256_json
from covidx.phantom import generate_cohort
from covidx.pipelines.image.config import PhantomCohort
from covidx.pipelines.progress import Bars
from covidx.pipelines.sources import Source, phantom_folder
from covidx.radiograph_severity import box_of_mask
from covidx.radiograph_severity.features import Box
from covidx.radiograph_severity.table import stem_of
from covidx.tables import MANIFEST, read_csv, table_digest

__all__ = [
    "PHANTOM_TABLE",
    "TRAIN_SEVERITY",
    "ScoredSource",
    "TrainSeverity",
    "drawn_boxes",
    "frontal_films",
    "phantom_scores",
    "scored_source",
    "source_digests",
    "source_of_phantom",
]

TRAIN_SEVERITY = Path(__file__).with_name("train_severity.yaml")
OWN_SCORES = {"extent": 8.0, "opacity": 6.0}
"""Of a table without a card: the scores of Cohen et al., arXiv:2005.11856, and their highest."""
QUARTERS = (0.25, 0.5, 0.75)
"""Shares of a lung from which its extent is 2, 3 and 4 points; below the first, 1."""
FILMS = ("CR", "DX", "OT")
PHANTOM_TABLE = "extent.csv"


class TrainSeverity(Config):
    """``train_severity.yaml``."""

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    coverage: float = Field(gt=0, lt=1)


@dataclass(frozen=True)
class ScoredSource:
    """Images, the table of scores and how to read it, drawn lungs if there are any."""

    source: Source
    table: Path
    how: SeverityTable
    masks: Path | None

    @property
    def named(self) -> tuple[Path | None, Path | None]:
        """Table and folder of drawn lungs; None for what the card names in the data's folder."""
        said = None if self.source.card is None else self.source.card.severity
        own = said is None or self.how != said or self.table != self.source.data / said.table
        drawn = None if self.masks == _drawn_lungs(self.source) else self.masks
        return self.table if own else None, drawn


def scored_source(source: Source, scores: Path | None, masks: Path | None) -> ScoredSource:
    """What the user named, else what the card says.

    Raises
    ------
    InvalidInputError
        ``SCORES_MISSING``: neither a table nor a card with a section severity.
    """
    said = None if source.card is None else source.card.severity
    if scores is None:
        if said is None:
            raise InvalidInputError(
                "SCORES_MISSING",
                "These films have no readers' scores.",
                path=source.data,
                expected="a CSV with image or patient_id, extent and opacity, or a card with them",
                hint="Give it with --scores (make: SCORES=scores.csv).",
            )
        how, table = said, source.data / said.table
    else:
        how, table = _own(scores), scores
    if masks is None:
        masks = _drawn_lungs(source)
    if masks is not None and not masks.is_dir():
        raise InvalidInputError("MASKS_MISSING", "There is no folder of drawn lungs.", path=masks)
    return ScoredSource(source, table, how, masks)


def _drawn_lungs(source: Source) -> Path | None:
    """The folder of lung masks that a card names."""
    described = None if source.card is None else source.card.masks
    for one in () if described is None else described.files:
        if one.kind == "lung":
            return (source.data / one.path).parent
    return None


def _own(table: Path) -> SeverityTable:
    """A user's table: image or patient_id; extent, opacity, or one of them."""
    columns = set(read_csv(table).columns)
    key = next((name for name in ("image", "patient_id") if name in columns), None)
    scores = {n: ReadersScore(column=n, high=h) for n, h in OWN_SCORES.items() if n in columns}
    if key is None or not scores:
        raise InvalidInputError(
            "SCORES_COLUMNS",
            "The table of scores lacks columns.",
            path=table,
            expected="image or patient_id; extent (0 to 8), opacity (0 to 6), or one of them",
            actual=", ".join(sorted(columns)),
        )
    named = {"image": key} if key == "image" else {"patient": key}
    return SeverityTable(table=table.name, scores=scores, **named)


def source_of_phantom(work: Path, how: PhantomCohort, bars: Bars) -> ScoredSource:
    """The phantom's radiographs; its truth gives every second patient an extent."""
    folder = phantom_folder(work, "cxr", how.patients, how.seed)
    with bars("phantom") as bar:
        generate_cohort(folder, how.patients, how.seed, modality="cxr", progress=bar)
    table = folder / PHANTOM_TABLE
    with replacing(table) as temporary:
        phantom_scores(folder / "masks").to_csv(temporary, index=False, lineterminator="\n")
    source = Source(folder / "dicom", None, load_card(Path("phantom")), masks=folder / "masks")
    how_read = SeverityTable(
        table=table.name,
        patient="patient_id",
        scores={"extent": ReadersScore(column="extent", high=8.0)},
    )
    return ScoredSource(source, table, how_read, folder / "masks")


def phantom_scores(masks: Path) -> pd.DataFrame:
    """The extent of every second patient, by the truth: 0 to 4 points a lung."""
    rows = []
    for path in sorted(masks.glob("*_lung.png"))[::2]:
        patient = path.name.removesuffix("_lung.png")
        lung = _read(path)
        ill = _read(path.with_name(f"{patient}_lesion.png")) == 1
        rows.append({"patient_id": patient, "extent": sum(_points(lung == s, ill) for s in (1, 2))})
    return pd.DataFrame(rows, columns=["patient_id", "extent"])


def _points(lung: NDArray[np.bool_], ill: NDArray[np.bool_]) -> int:
    share = (lung & ill).sum() / max(int(lung.sum()), 1)
    return int(share > 0) + sum(int(share >= quarter) for quarter in QUARTERS)


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def source_digests(
    given: ScoredSource, films: pd.DataFrame, boxes: dict[str, Box]
) -> dict[str, str]:
    """What is learnt from, by digests: the ``data`` of a run's record."""
    card = given.source.card
    manifest = films[[name for name in MANIFEST.columns if name in films]]
    return {
        "dataset": given.source.name,
        "card_sha256": "none" if card is None else card_digest(card),
        "manifest_sha256": table_digest(manifest),
        "table_sha256": sha256_file(given.table),
        "masks_sha256": sha256_json({image: list(box) for image, box in boxes.items()}),
    }


def frontal_films(manifest: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The radiographs that are not lateral, and a line for what is left out.

    Raises
    ------
    InvalidInputError
        ``MODALITY_ABSENT``.
    """
    view = manifest["view"].astype("string").str.upper()
    fits = manifest["modality"].isin(FILMS) & (manifest["kind"] != "volume")
    fits &= ~view.isin(LATERAL_VIEWS).fillna(False)
    if not fits.any():
        raise InvalidInputError(
            "MODALITY_ABSENT",
            "There is no frontal radiograph here.",
            expected=" or ".join(FILMS),
            actual=", ".join(sorted(set(manifest["modality"]))),
        )
    left = int((~fits).sum())
    notes = [f"{left} images left out: lateral, or no radiographs"] if left else []
    return manifest[fits].reset_index(drop=True), notes


def drawn_boxes(films: pd.DataFrame, sources: dict[str, str], masks: Path) -> dict[str, Box]:
    """image_id -> the box of its drawn lungs, where a mask that is not empty bears its name."""
    found = {}
    for image, patient in zip(films["image_id"], films["patient_id"], strict=True):
        stem = stem_of(sources.get(image, ""))
        names = (f"{stem}.png", f"{stem}_mask.png", f"{patient}_lung.png")
        path = next((masks / name for name in names if (masks / name).is_file()), None)
        box = None if path is None else box_of_mask(_read(path) > 0)
        if box is not None:
            found[image] = box
    return found
