"""``covidx report``: all that covidx makes of a study, on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.predict import (
    CardOption,
    Images,
    ImagesOption,
    ModalityOption,
    SegmenterOption,
    predict,
)


def report(
    paths: Images,
    out: Annotated[Path, typer.Option(help="New folder for report.html and a page of each image.")],
    bundle: Annotated[Path, typer.Option(help="Of train ct or cxr: score and heatmap.")],
    segmenter: SegmenterOption = None,
    card: CardOption = None,
    modality: ModalityOption = None,
    images: ImagesOption = "all",
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print each page into case.pdf, too; needs Chromium.")
    ] = False,
) -> None:
    """Write a page of each image of a study: score, heatmap, lungs, opacities and their burden.

    Exit code 1 where an image has no result.
    """
    from covidx.report.viewer.pdf import find_chromium, print_pages

    chromium = find_chromium() if pdf else None
    try:
        predict(bundle, paths, card=card, modality=modality, report=out, segmenter=segmenter,
                images=images)  # fmt: skip
    finally:
        if chromium is not None:
            print_pages(out, chromium)
