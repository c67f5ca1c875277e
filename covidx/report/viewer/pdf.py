"""Case pages on paper: printed to PDF by the Chromium that is installed, for files and archives."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from covidx.errors import InvalidInputError, StoreError
from covidx.files import replacing

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PDF = "case.pdf"
PATIENCE_MS = 20_000
"""Of the page's own clock, in which its scripts unpack and draw; it runs ahead while they wait."""
LIMIT_S = 300


def find_chromium() -> str:
    """The path of an installed Chromium.

    Raises
    ------
    InvalidInputError
        ``CHROMIUM_ABSENT``.
    """
    for name in BROWSERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise InvalidInputError(
        "CHROMIUM_ABSENT",
        "Pages are printed by Chromium, which is not installed here.",
        expected=" or ".join(BROWSERS),
        hint="Install chromium, or leave --pdf out and print the pages from a browser.",
    )


def print_pages(folder: Path, chromium: str) -> list[Path]:
    """Print each case page below a folder into ``case.pdf`` beside it.

    Parameters
    ----------
    folder : Path
        With ``cases/<n>/index.html``.
    chromium : str
        As `find_chromium`.

    Returns
    -------
    list of Path
        What was written, in the order of the cases.

    Raises
    ------
    StoreError
        ``PDF_NOT_PRINTED``: the browser failed; nothing half-written is left.
    """
    return [
        _print(page, page.with_name(PDF), chromium)
        for page in sorted(folder.glob("cases/*/index.html"))
    ]


def _print(page: Path, target: Path, chromium: str) -> Path:
    # Its sandbox cannot be had by root; the page is covidx's own, and loads nothing from elsewhere.
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with TemporaryDirectory(prefix="covidx-print-") as profile, replacing(target) as temporary:
        command = [
            *(chromium, "--headless=new", "--disable-gpu", *alone),
            *("--no-pdf-header-footer", f"--virtual-time-budget={PATIENCE_MS}"),
            *(f"--user-data-dir={profile}", f"--print-to-pdf={temporary}"),
            page.resolve().as_uri(),
        ]
        try:
            subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=True)  # noqa: S603
        except subprocess.SubprocessError as error:
            raise _not_printed(page, str(error)) from error
        if not temporary.is_file() or not temporary.stat().st_size:
            raise _not_printed(page, "no file")
    return target


def _not_printed(page: Path, actual: str) -> StoreError:
    return StoreError(
        "PDF_NOT_PRINTED",
        "Chromium did not print a page.",
        path=page,
        actual=actual,
        hint="Print it from a browser; the page itself is complete.",
    )
