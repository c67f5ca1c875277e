"""Scripts, styles and data of the viewer's pages, and how they get there unharmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup

from covidx.files import plain, replacing

STATIC = Path(__file__).parent / "static"
CASE_SCRIPTS = ("theme", "volume", "layers", "panes", "strip", "readers", "neighbours", "case")
WORKLIST_SCRIPTS = ("theme", "readers", "worklist")


def script_json(value: Any) -> Markup:
    """A `value` as JSON that ends no script element and opens no comment in one."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - nothing is left that markup could begin with


def write_data(path: Path, value: Any) -> None:
    """Write a `value` as the script at `path`, which hands it over under the file's stem."""
    write_text(path, f"covidx.receive({script_json(path.stem)}, {script_json(value)});\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_assets(folder: Path, scripts: tuple[str, ...], name: str, *, styles: bool = True) -> None:
    """Write the scripts and styles of a page into its own folder, which then can be handed on.

    Parameters
    ----------
    folder : Path
        Of the page.
    scripts : tuple of str
        Names in ``static/``, in the order in which they run.
    name : str
        Of the script file.
    styles : bool
        Whether the case page's styles are written, too.
    """
    joined = "\n".join((STATIC / f"{part}.js").read_text(encoding="utf-8") for part in scripts)
    write_text(folder / name, joined)
    if styles:
        write_text(folder / "viewer.css", (STATIC / "viewer.css").read_text(encoding="utf-8"))
