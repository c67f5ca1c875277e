"""Readers' scores and lung annotations of radiographs: what a severity model learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from covidx.cards import ReadersScore, SeverityTable
from covidx.cells import read_cells
from covidx.constants import LATERAL_VIEWS
from covidx.errors import InvalidInputError
from covidx.files import replacing, sha256_file, sha256_json
from covidx.pipelines.handovers import card_digest_of
from covidx.pipelines.progress import Bars
from covidx.pipelines.source import SAY_PICTURES, PhantomCohort, Source, phantom_source
from covidx.radiograph_severity import box_of_mask
from covidx.radiograph_severity.features import Box
from covidx.radiograph_severity.table import stem_of
from covidx.tables import MANIFEST, table_digest
from covidx.wording import counted

OWN_SCORES = {"extent": 8.0, "opacity": 6.0}
"""Of a table without a card: the scores of Cohen et al., arXiv:2005.11856, and their highest."""
QUARTERS = (0.25, 0.5, 0.75)
"""Shares of a lung from which its extent is 2, 3 and 4 points; below the first, 1."""
RADIOGRAPHS = ("CR", "DX", "OT")


@dataclass(frozen=True)
class ReadersTable:
    """Readers' scores of radiographs.

    Parameters
    ----------
    path : Path
        The table.
    columns : SeverityTable
        How it is read.
    masks : Path, optional
        Folder of lung annotations.
    """

    path: Path
    columns: SeverityTable
    masks: Path | None


def readers_table(source: Source) -> ReadersTable:
    """The readers' scores of a source: the user's, else those that its card names.

    Parameters
    ----------
    source : Source
        What the user named.

    Raises
    ------
    InvalidInputError
        ``SCORES_MISSING``: neither a table nor a card with a section severity; ``SCORES_COLUMNS``;
        ``MASKS_MISSING``: there is no such folder of lung annotations.
    """
    described = None if source.card is None else source.card.severity
    if source.table is not None:
        columns, table = _own_columns(source.table), source.table
    elif described is not None:
        columns, table = described, source.images / described.table
    else:
        raise InvalidInputError(
            "SCORES_MISSING",
            "These radiographs have no readers' scores.",
            path=source.data,
            expected="a CSV with image or patient_id, extent and opacity, or a card with them",
            hint="Name it with --scores (make: SCORES=scores.csv).",
        )
    masks = source.masks or _annotated_by_card(source)
    if masks is not None and not masks.is_dir():
        raise InvalidInputError(
            "MASKS_MISSING",
            "There is no folder of lung annotations.",
            path=masks,
            hint="Correct --masks (make: MASKS=folder), or leave it out.",
        )
    return ReadersTable(table, columns, masks)


def _annotated_by_card(source: Source) -> Path | None:
    """The folder of lung masks that a card names."""
    described = None if source.card is None else source.card.masks
    for files in () if described is None else described.files:
        if files.kind == "lung":
            return (source.images / files.path).parent
    return None


def _own_columns(table: Path) -> SeverityTable:
    """A user's table: image or patient_id; extent, opacity, or one of them."""
    columns = set(read_cells(table, remarks=True).columns)
    key = next((name for name in ("image", "patient_id") if name in columns), None)
    scores = {n: ReadersScore(column=n, high=h) for n, h in OWN_SCORES.items() if n in columns}
    if key is None or not scores:
        raise InvalidInputError(
            "SCORES_COLUMNS",
            "The table of scores lacks columns.",
            path=table,
            expected="image or patient_id; extent (0 to 8), opacity (0 to 6), or one of them",
            actual=", ".join(sorted(columns)),
            hint=(
                "Rename the table's columns, or describe them in a card (--card, make: "
                "CARD=card.yaml)."
            ),
        )
    named = {"image": key} if key == "image" else {"patient": key}
    return SeverityTable(table=table.name, scores=scores, **named)


def phantom_with_scores(phantom: PhantomCohort, work: Path, bars: Bars) -> Source:
    """The phantom's radiographs, of which every second patient has an extent by the truth.

    Parameters
    ----------
    phantom : PhantomCohort
        Number of patients, and seed.
    work : Path
        Folder of phantom cohorts.
    bars : callable
        Opens a progress bar by name.
    """
    source = phantom_source("cxr", phantom, work, bars)
    assert source.masks is not None
    table = source.masks.parent / "extent.csv"
    with replacing(table) as temporary:
        phantom_scores(source.masks).to_csv(temporary, index=False, lineterminator="\n")
    return replace(source, labels=None, table=table)


def phantom_scores(masks: Path) -> pd.DataFrame:
    """Extent of every second patient of the phantom, by the truth: 0 to 4 points a lung.

    The folder `masks` has ``<patient>_lung.png`` (1 right, 2 left) and ``<patient>_lesion.png`` (1
    is opaque) of each patient. The table has patient_id and extent, 0 to 8.
    """
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


def score_digests(
    source: Source, table: ReadersTable, manifest: pd.DataFrame, boxes: dict[str, Box]
) -> dict[str, str]:
    """What is learnt from, by digests.

    Parameters
    ----------
    source : Source
        What the user named.
    table : ReadersTable
        Where the readers' scores lie.
    manifest : DataFrame
        Radiographs, with scores.
    boxes : dict
        image_id -> box of the annotated lungs.
    """
    columns = manifest[[name for name in MANIFEST.columns if name in manifest]]
    return {
        "dataset": source.name,
        "card_sha256": card_digest_of(source),
        "manifest_sha256": table_digest(columns),
        "table_sha256": sha256_file(table.path),
        "masks_sha256": sha256_json({image: list(box) for image, box in boxes.items()}),
    }


def frontal_radiographs(manifest: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The radiographs of `manifest` that are not lateral, and a line for what is left out.

    Raises
    ------
    InvalidInputError
        ``MODALITY_ABSENT``.
    """
    view = manifest["view"].astype("string").str.upper()
    fits = manifest["modality"].isin(RADIOGRAPHS) & (manifest["kind"] != "volume")
    fits &= ~view.isin(LATERAL_VIEWS).fillna(False)
    if not fits.any():
        raise InvalidInputError(
            "MODALITY_ABSENT",
            "None of these images is a frontal radiograph.",
            expected=" or ".join(RADIOGRAPHS),
            actual=", ".join(sorted(set(manifest["modality"]))),
            hint=SAY_PICTURES
            if "OT" in set(manifest["modality"])
            else "Name a folder of frontal radiographs with --data (make: DATA=folder).",
        )
    left = int((~fits).sum())
    notes = [f"{counted(left, 'image')} left out: lateral, or no radiographs"] if left else []
    return manifest[fits].reset_index(drop=True), notes


def annotated_boxes(manifest: pd.DataFrame, sources: dict[str, str], masks: Path) -> dict[str, Box]:
    """Boxes of the annotated lungs, where a mask that is not empty bears the image's name.

    Parameters
    ----------
    manifest : DataFrame
        Radiographs, with image_id and patient_id.
    sources : dict
        image_id -> path of the file that it was made of.
    masks : Path
        Folder of PNG masks: ``<stem>.png``, ``<stem>_mask.png`` or ``<patient>_lung.png``.

    Returns
    -------
    dict
        image_id -> box, as `box_of_mask` gives it; an image without a mask is not in it.
    """
    boxes = {}
    for image, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
        stem = stem_of(sources.get(image, ""))
        names = (f"{stem}.png", f"{stem}_mask.png", f"{patient}_lung.png")
        path = next((masks / name for name in names if (masks / name).is_file()), None)
        box = None if path is None else box_of_mask(_read(path) > 0)
        if box is not None:
            boxes[image] = box
    return boxes
