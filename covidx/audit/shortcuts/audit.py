"""The audit of what an image classifier relies on: all findings together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from covidx.audit.finding import Finding, Overall, gravest_first, overall
from covidx.audit.page import write_audit
from covidx.audit.shortcuts.maskers import make_masker
from covidx.audit.shortcuts.masking import masking_finding, unseen_finding
from covidx.audit.shortcuts.origin import origin_findings
from covidx.audit.shortcuts.picture import draw_example
from covidx.audit.shortcuts.ranking import ranking_findings
from covidx.audit.shortcuts.scoring import Example, score_all
from covidx.cohort import Splits
from covidx.errors import InvalidInputError
from covidx.inference import ImagePredictor
from covidx.report.canvas import save
from covidx.tables import MANIFEST, SPLITS, read_table
from covidx.wording import counted


@dataclass(frozen=True)
class ShortcutSource:
    """The bundle that is audited, and its images.

    Parameters
    ----------
    bundle, manifest : Path
        Of `train_ct` or `train_cxr`; a row an image, with labels.
    store : Path
        Folder that the manifest's paths start from.
    splits : Path, optional
        Only rows of role test count; without it, all.
    masks : Path, optional
        ``masks.parquet`` of lungs.
    segmenter : Path, optional
        A bundle that segments lungs.
    """

    bundle: Path
    manifest: Path
    store: Path
    splits: Path | None = None
    masks: Path | None = None
    segmenter: Path | None = None


@dataclass(frozen=True)
class ShortcutAudit:
    """What was audited, and what was found; the gravest findings first."""

    facts: list[tuple[str, str]]
    findings: list[Finding] = field(repr=False)
    example: Example = field(repr=False)

    @property
    def verdict(self) -> Overall:
        """As `finding.overall`; whether it reads the lungs needs lungs that are known."""
        return overall(self.findings, needed=("lungs_out",))


def audit_shortcuts(
    source: ShortcutSource, progress: Callable[[int, int], None] | None = None
) -> ShortcutAudit:
    """Does the bundle rely on the lungs, or on what is associated with the label?

    Parameters
    ----------
    source : ShortcutSource
        Bundle and images.
    progress : callable, optional
        Called with (images done, all).

    Raises
    ------
    InvalidInputError
        ``ONE_CLASS``, ``NOTHING_PREPARED``, ``NO_MASKS``, or as `make_masker`.
    InvalidTableError, LeakageError, BundleError, StoreError
        What cannot be read, or does not belong together.
    """
    predictor = ImagePredictor.load(source.bundle)
    bundle, positive = predictor.bundle, predictor.bundle.positive
    manifest = read_table(source.manifest, MANIFEST)
    rows, left = _rows(manifest, source.splits, positive)
    masker, found_by = make_masker(
        bundle.recipe.preprocessing.input, source.masks, source.segmenter
    )
    scored = score_all(predictor, rows, source.store, masker, progress)
    sound = scored.rows[scored.rows["prepared"] == ""]
    if (source.masks or source.segmenter) and (sound["masked"] != "").all():
        raise InvalidInputError(
            "NO_MASKS",
            "None of the images has a usable lung mask.",
            path=source.masks or source.segmenter,
            actual=", ".join(sorted(set(sound["masked"]))),
            hint="Name masks of these images, or a segmenter of their modality.",
        )
    findings = [
        *ranking_findings(scored, positive, masker is not None),
        masking_finding(scored, positive, found_by if masker else None),
        unseen_finding(source.bundle, bundle, manifest, rows, source.splits),
        *origin_findings(scored),
    ]
    facts = [
        ("Bundle", f"{bundle.sha256}: {positive} against the rest"),
        ("Data set", ", ".join(sorted(set(rows["dataset"])))),
        ("Images", f"{len(rows)} of {counted(rows['patient_id'].nunique(), 'patient')}, {left}"),
        ("Could not be prepared", str(len(rows) - len(sound))),
        ("Lungs found by", found_by),
    ]
    return ShortcutAudit(facts, gravest_first(findings), scored.example)


def _rows(manifest: pd.DataFrame, splits: Path | None, positive: str) -> tuple[pd.DataFrame, str]:
    """The rows to audit, and which these are in words."""
    words = "all rows of the manifest"
    rows = manifest
    if splits is not None:
        roles = Splits(read_table(splits, SPLITS), 0).assign(manifest, fold=0)
        rows = manifest[(roles["role"] == "test").to_numpy()]
        words = "rows of role test"
    labelled = rows[rows["label"].notna()]
    if len(labelled) < len(rows):
        words += f"; {len(rows) - len(labelled)} without a label left out"
    labelled = labelled.assign(truth=labelled["label"] == positive).reset_index(drop=True)
    if labelled["truth"].nunique() < 2:
        raise InvalidInputError(
            "ONE_CLASS",
            "The rows hold one class only: no ranking can be assessed on them.",
            expected=f"rows of {positive} and of the rest",
            actual=", ".join(sorted(set(labelled["label"]))) or "no labelled rows",
            hint=(
                "Name the labels as the bundle's positive class is named, and add rows of "
                "the other class."
            ),
        )
    return labelled, words


def write_shortcuts(out: Path, found: ShortcutAudit) -> Path:
    """Write `found` as ``audit.html``, ``audit.json`` and ``conditions.png`` to `out`; the page."""
    pictures = []
    if found.example:
        save(draw_example(found.example), out / "conditions.png")
        text = (
            "One positive patient as input of the network under each condition; the picture is the "
            "slice that weighed most in the unchanged image, the number the score of all slices."
        )
        pictures.append(("conditions.png", text))
    title = "Audit of shortcuts"
    return write_audit(out, title, found.facts, found.findings, found.verdict, pictures)
