"""Images into a store, predictions judged, and audits of data and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from covidx.evaluate import Evaluation, EvaluationOptions, ThresholdRule
from covidx.face.runs import Run
from covidx.pipelines.audits import AuditReport

if TYPE_CHECKING:
    from covidx.ingest import IngestResult, Rules

Table = Path | str


def ingest_images(
    source: Path | str,
    out: Path | str,
    *,
    card: Path | str | None = None,
    rules: Rules | None = None,
    workers: int | None = None,
) -> IngestResult:
    """Read every image below a folder into a store, as ``covidx ingest`` does.

    Parameters
    ----------
    source : Path or str
        Folder, file or archive: DICOM, NIfTI, pictures that a card's table names.
    out : Path or str
        The store to write; the same source gives the same bytes.
    card : Path or str, optional
        Data card: a path, or a known name.
    rules : covidx.ingest.Rules, optional
        What is kept of a study; one CT series, as it was measured, by default.
    workers : int, optional
        Processes; all cores by default, or this one alone for few files.

    Returns
    -------
    IngestResult
        ``.manifest`` has a row an image, ``.quarantine`` one a file that was refused, by code.

    Raises
    ------
    CovidxError
        As `covidx.ingest.store.ingest`.
    """
    from covidx.cards import load_card
    from covidx.ingest import Rules, ingest

    described = None if card is None else load_card(Path(card))
    return ingest(Path(source), Path(out), card=described, rules=rules or Rules(), workers=workers)


def evaluate_predictions(
    predictions: Table,
    out: Path | str,
    *,
    positive: str | None = None,
    arm: str | None = None,
    threshold: ThresholdRule | None = None,
    options: EvaluationOptions | None = None,
    manifest: Table | None = None,
    clinical: Sequence[Table] = (),
    readers: Table | None = None,
    columns: Mapping[str, str] | None = None,
    label_map: Mapping[str, str] | None = None,
) -> Evaluation:
    """Judge a system by its table of predictions, as ``covidx evaluate`` does.

    Parameters
    ----------
    predictions : Path or str
        CSV, TSV, XLSX or parquet with a row a patient or image: truth, score, role.
    out : Path or str
        Folder of the page ``evaluation.html``, its figures and ``metrics.json``.
    positive, arm : str, optional
        The positive class, and which arm, where the table does not make it plain.
    threshold : covidx.evaluate.ThresholdRule, optional
        How it is chosen on validation rows (Youden's index by default), or one that was fixed
        beforehand, with its origin.
    options : covidx.evaluate.EvaluationOptions, optional
        Recalibration, prevalences, seed and resamples of the intervals.
    manifest, readers : Path or str, optional
        Tables of the images, for subgroups; of readers' ratings.
    clinical : sequence of Path or str
        Tables of the patients.
    columns, label_map : mapping, optional
        Our column -> theirs; their label -> our class.

    Returns
    -------
    Evaluation
        ``.metrics["auroc"]`` has value, low, high and n; ``.warnings`` what to read before.

    Raises
    ------
    CovidxError
        As `covidx.pipelines.evaluation.evaluate_table`.
    """
    from covidx.pipelines.evaluation import Input, evaluate_table

    source = Input(
        Path(predictions),
        arm,
        positive,
        manifest=None if manifest is None else Path(manifest),
        clinical=[Path(one) for one in clinical],
        readers=None if readers is None else Path(readers),
        columns=columns or {},
        label_map=label_map or {},
    )
    return evaluate_table(
        source, threshold or ThresholdRule(), options or EvaluationOptions(), Path(out)
    )


def audit_images(
    tables: Table | Sequence[Table],
    out: Path | str,
    *,
    splits: Sequence[str] = (),
    images: Path | str | None = None,
    columns: Mapping[str, str] | None = None,
) -> AuditReport:
    """Look for leakage, copies, conflicting labels and shortcuts, as ``covidx audit data`` does.

    Parameters
    ----------
    tables : Path or str, or a sequence of them
        CSV or parquet with a row an image; one a data set.
    out : Path or str
        Folder of ``audit.html`` and ``audit.json``.
    splits : sequence of str
        ``FILE`` or ``ROLE=FILE``: which rows train and which test.
    images : Path or str, optional
        Folder that image paths start from; each table's own by default.
    columns : mapping, optional
        Our column -> theirs, where usual names do not do.

    Returns
    -------
    AuditReport
        ``.verdict``, ``.findings``, ``.page``; ``.to_frame()`` has a row a question.

    Raises
    ------
    CovidxError
        As `covidx.audit.data.audit_data`.
    """
    from covidx.pipelines import audits

    several = [tables] if isinstance(tables, str | Path) else tables
    return audits.audit_images(
        [Path(one) for one in several],
        Path(out),
        splits,
        images=None if images is None else Path(images),
        columns=columns,
    )


def audit_run(run: Run | Path | str, *, work: Path | str = "data") -> list[AuditReport]:
    """Every audit that a run can have, as ``covidx audit all`` makes them.

    Parameters
    ----------
    run : Run, Path or str
        A finished run.
    work : Path or str
        Folder of stores and caches that it was trained with.

    Returns
    -------
    list of AuditReport
        Of the run, its data, and whether its classifier reads the lungs.

    Raises
    ------
    InvalidInputError
        As `covidx.audit.run.folder.need_run`.
    """
    from covidx.pipelines.audits import audit_all

    folder = run.folder if isinstance(run, Run) else Path(run)
    return audit_all(folder, Path(work))[0]
