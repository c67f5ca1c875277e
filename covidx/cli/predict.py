"""``covidx predict``: any input by any bundle; ``covidx segment`` and ``covidx detect``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from covidx.cli.progress import terminal_bar
from covidx.errors import InvalidInputError, StoreError
from covidx.files import make_folder, replacing

if TYPE_CHECKING:
    from covidx.inference.prediction import Predictions
    from covidx.inference.reading import Inputs, Progress

Named = Callable[..., "Inputs"]
"""Takes ``progress``."""
FormatName = Literal["table", "csv", "json"]
ImagesName = Literal["all", "thumbnails", "none"]
FORMATS: dict[str, FormatName] = {".csv": "csv", ".json": "json"}
Images = Annotated[
    list[Path], typer.Argument(help="A DICOM study's folder, a NIfTI or picture file, each.")
]
CardOption = Annotated[
    Path | None,
    typer.Option(help="Data card (path, or known name): pictures with a table, or public ids."),
]
SegmenterOption = Annotated[
    Path | None,
    typer.Option(help="Bundle of train segmentation: pages show and measure lungs and opacities."),
]
ImagesOption = Annotated[
    ImagesName,
    typer.Option(help="What those pages show: pages with scans are patient data."),
]
ModalityOption = Annotated[
    str | None,
    typer.Option(help="What pictures are that no card describes: CT, or CXR (or CR, DX)."),
]


def predict(
    bundle: Annotated[Path, typer.Argument(help="Model bundle of any kind.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of DICOM studies, NIfTI or picture files; tables of clinical models."
        ),
    ] = None,
    clinical: Annotated[
        Path | None,
        typer.Option(help="Of a fusion bundle: the clinical table of the same patients."),
    ] = None,
    format: Annotated[  # noqa: A002
        FormatName | None,
        typer.Option(help="By default what the name of --out ends in, else a table."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; of masks and boxes a folder, which they need."),
    ] = None,
    card: CardOption = None,
    modality: ModalityOption = None,
    report: Annotated[
        Path | None,
        typer.Option(help="New folder: a page of each image with heatmap (image classifiers)."),
    ] = None,
    segmenter: SegmenterOption = None,
    images: ImagesOption = "all",
) -> None:
    """Predict from images, clinical rows or both; exit code 1 where an input has no result."""
    from covidx.inference.loading import load

    predictor = load(bundle)
    kind, paths = predictor.bundle.kind, paths or []
    _check_inputs(kind, paths, clinical)
    _check_out(out, kind, predictor.WRITES_FOLDER)
    if report is not None:
        predictor = _with_pages(predictor, report, images, segmenter)
    elif segmenter is not None:
        raise InvalidInputError(
            "SEGMENTER_NOT_TAKEN",
            "A segmenter is for the pages of --report, which was not named.",
            path=segmenter,
            hint="Name a new folder with --report, or use covidx segment.",
        )
    ending = "" if out is None else out.suffix.lower()
    form = format or FORMATS.get(ending, "table")
    named = partial(inputs_of, paths, card, modality, clinical)
    if report is None and predictor.WRITES_FOLDER:
        finish(_predict(predictor, named, out), form)
    else:
        _stream(predictor, named, out, form)


def _with_pages(predictor: Any, report: Path, images: ImagesName, segmenter: Path | None) -> Any:
    """The predictor, which writes pages into a new folder as it goes."""
    kind = predictor.bundle.kind
    if kind != "image":
        raise InvalidInputError(
            "NO_CASE_PAGE",
            f"There are no pages of what a bundle of kind {kind} predicts.",
            expected="a bundle of covidx train ct or cxr",
            hint="Leave --report out.",
        )
    if report.exists():
        raise StoreError(
            "FOLDER_TAKEN",
            "This folder exists already.",
            path=report,
            hint="Name another folder for --report, or remove this one.",
        )
    from covidx.pipelines.image.study import StudyPages

    second = None
    if segmenter is not None:
        from covidx.inference.segmenter import Segmenter

        second = Segmenter.load(segmenter)
    typer.echo(f"report   {report / 'report.html'}", err=True)
    return StudyPages(predictor, report, images, second)


def segment(
    paths: Images,
    out: Annotated[Path, typer.Option(help="Folder of the masks.")],
    bundle: Annotated[
        Path | None,
        typer.Option(help="Of train_segmentation; without it, lungs on CT by threshold."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Opacities' probabilities, too (0 to 1).")
    ] = False,
    card: CardOption = None,
    modality: ModalityOption = None,
) -> None:
    """Segment lungs, and opacities where the bundle knows them; NIfTI on the images' own grids.

    Exit code 1 where an image has no masks.
    """
    from covidx.inference.lung_threshold import LungThreshold

    predictor: Any = LungThreshold()
    if bundle is not None:
        from covidx.inference.segmenter import Segmenter

        predictor = Segmenter.load(bundle)
    if probabilities:
        predictor = predictor.with_probabilities()
    found = _predict(predictor, partial(inputs_of, paths, card, modality), out)
    typer.echo(f"masks    {out / 'masks.parquet'}")
    finish(found, "table")


def detect(
    paths: Annotated[list[Path], typer.Argument(help="A CT study's folder or a NIfTI file, each.")],
    out: Annotated[Path, typer.Option(help="Folder of boxes.csv and detection.json.")],
    bundle: Annotated[Path, typer.Option(help="Of train_detection.")],
    card: CardOption = None,
) -> None:
    """Box opacities on CT: pixels of each slice, and mm in the patient (LPS).

    Exit code 1 where an image could not be looked at.
    """
    from covidx.inference.detector import Detector

    found = _predict(Detector.load(bundle), partial(inputs_of, paths, card), out)
    typer.echo(f"boxes    {out / 'boxes.csv'}")
    finish(found, "table")


def inputs_of(
    paths: list[Path],
    card: Path | None,
    modality: str | None = None,
    clinical: Path | None = None,
    *,
    progress: Progress,
) -> Inputs:
    """The inputs that a verb names, with what its options state of them."""
    from covidx.cards.card import load_card
    from covidx.inference.reading import Inputs

    described = None if card is None else load_card(card)
    return Inputs.of(paths, table=clinical, card=described, progress=progress, modality=modality)


def _predict(predictor: Any, named: Named, out: Path | None) -> Predictions:
    """Go over the inputs; of a model that makes files, write them as they come."""
    from covidx.inference.linkage import Links
    from covidx.inference.prediction import Predictions

    with terminal_bar("predict") as bar:
        inputs = named(progress=bar)
        links = Links(inputs.identities, out)
        found = links.noting(predictor.predictions(inputs))
        if hasattr(predictor, "write") and out is not None:
            written: Predictions = predictor.write(found, out)
            links.write()
            return written
        return Predictions(list(found), predictor.bundle)


def finish(found: Predictions, form: FormatName) -> None:
    from covidx.inference.formatting import format_predictions

    typer.echo(format_predictions(found, form, terminal=True))
    if not found.complete:
        raise typer.Exit(1)


def _stream(predictor: Any, named: Named, out: Path | None, form: FormatName) -> None:
    """Predict and write at once, so that millions of rows are never held together."""
    from covidx.inference.formatting import PredictionText
    from covidx.inference.linkage import Links

    text = PredictionText(predictor.bundle, form, terminal=out is None)
    with ExitStack() as stack:
        bar = stack.enter_context(terminal_bar("predict"))
        inputs = named(progress=bar)
        links = Links(inputs.identities, out)
        pieces = (
            text.of_frames(predictor.frames(inputs))
            if form == "csv" and hasattr(predictor, "frames")
            else text.of_predictions(links.noting(predictor.predictions(inputs)))
        )
        stream: Any = sys.stdout
        if out is not None:
            temporary = stack.enter_context(replacing(out))
            stream = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
        last = "\n"
        for piece in pieces:
            stream.write(piece)
            last = piece[-1:] or last
        stream.write("" if last == "\n" else "\n")
    links.write()
    if not text.complete:
        raise typer.Exit(1)


def _check_inputs(kind: str, paths: list[Path], clinical: Path | None) -> None:
    """Refuse a call without inputs, or with those that the model does not take."""
    if not paths and (clinical is None or kind != "fusion"):
        raise InvalidInputError(
            "NOTHING_ASKED",
            "No input to predict from was named.",
            expected="studies, pictures or tables"
            + (", or --clinical" if kind == "fusion" else ""),
        )
    if clinical is not None and kind != "fusion":
        raise InvalidInputError(
            "CLINICAL_NOT_TAKEN",
            f"A bundle of kind {kind} takes no clinical table beside images.",
            expected="a bundle of covidx train fusion",
            actual=clinical,
            hint="Leave --clinical out; a clinical bundle takes tables as arguments.",
        )


def _check_out(out: Path | None, kind: str, folder: bool) -> None:
    """Refuse before the work, not after it."""
    if folder and out is None:
        raise InvalidInputError(
            "OUT_MISSING",
            f"A bundle of kind {kind} writes files.",
            expected="--out with a folder",
        )
    if out is None or folder:
        return
    make_folder(out.absolute().parent)
    if out.is_dir():
        raise StoreError(
            "UNWRITABLE",
            "This is a folder, not a file to write.",
            path=out,
            hint="Name a file.",
        )
