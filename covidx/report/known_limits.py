"""A model's known limits and audits, quoted on every page of its run, those made before, too."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup, escape

from covidx.files import replacing
from covidx.limits import read_limits_file

START = Markup("<!-- known limits -->")
END = Markup("<!-- end of known limits -->")
"""Around the part of a page that is written again when an audit has found something."""
AUDITS = "audit/index.html"
DEPTH = 4
"""How far below a run's folder its pages lie at most."""


def limits_block(page: Path, rest: str) -> Markup:
    """What a page quotes of its run, between the two marks; nothing for a page outside of a run.

    Parameters
    ----------
    page : Path
        Where the page lies, or will.
    rest : str
        HTML of the rest of the page: what stands there already is not said twice.
    """
    run = run_around(page)
    if run is None:
        return START + END
    lines = [
        Markup("<li><b>{}:</b> {}</li>").format(limit.origin, limit.text)
        for limit in read_limits_file(run)
        if str(escape(limit.text)) not in rest
    ]
    parts = []
    if lines:
        parts.append(
            Markup('<div class="warn"><b>Known limits of this model</b><ul>{}</ul></div>').format(
                Markup("").join(lines)
            )
        )
    index = run / AUDITS
    if index.is_file() and index != page.absolute():
        up = "../" * len(page.absolute().parent.relative_to(run).parts)
        parts.append(Markup('<p><a href="{}">Audits of this run</a></p>').format(up + AUDITS))
    return START + Markup("").join(parts) + END


def run_around(page: Path) -> Path | None:
    """The folder of the run that `page` belongs to: the nearest with ``run.json``, if any."""
    folders = list(page.absolute().parents)[:DEPTH]
    return next((folder for folder in folders if (folder / "run.json").is_file()), None)


def quote_limits(run: Path) -> None:
    """Write the known limits, and the way to the audits, into the pages of a run again.

    Parameters
    ----------
    run : Path
        Its folder. Pages without the two marks, of an earlier version, are left as they are.
    """
    for page in sorted(run.absolute().rglob("*.html")):
        before, mark, tail = page.read_text(encoding="utf-8").partition(START)
        _, end, after = tail.partition(END)
        if not (mark and end):
            continue
        with replacing(page) as temporary:
            block = limits_block(page, before + after)
            # Not by +, which would escape what a `Markup` is added to: the rest of the page.
            temporary.write_text("".join((before, block, after)), encoding="utf-8")
