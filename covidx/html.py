"""Small pieces of HTML for notebooks: a table, a picture; all text is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LETTERS = "position:absolute;color:#fff;font:bold 14px sans-serif;text-shadow:0 0 3px #000;top:48%"


def table(title: str, rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A table with a heading.

    Parameters
    ----------
    title : str
        Above it.
    rows : sequence of sequence of str
        Cells.
    notes : sequence of str
        Below it, a line each.
    """
    lines = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    below = "".join(f"<div><small>{escape(note)}</small></div>" for note in notes)
    return f"<div><b>{escape(title)}</b><table>{lines}</table>{below}</div>"


def picture(
    greys: NDArray[np.uint8], caption: str, *, height_per_width: float = 1.0, sides: bool = False
) -> str:
    """A picture with a caption; the letters R and L where the patient's sides are known.

    Parameters
    ----------
    greys : ndarray of uint8, shape (rows, columns)
        As they are shown.
    caption : str
        Below it.
    height_per_width : float
        Of a pixel.
    sides : bool
        Whether what is left in the picture is the patient's right.
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(greys).save(out, "PNG")
    rows, columns = greys.shape
    return embedded(out.getvalue(), caption, rows * height_per_width / columns, sides=sides)


def embedded(png: bytes, caption: str, high_by_wide: float, *, sides: bool = False) -> str:
    """A PNG file in the page, with a caption.

    Parameters
    ----------
    png : bytes
        The file.
    caption : str
        Below it.
    high_by_wide : float
        Its height, as a multiple of its width.
    sides : bool
        As in `picture`.
    """
    wide = 320
    high = max(1, round(wide * high_by_wide))
    data = base64.b64encode(png).decode()
    letters = (
        f"<span style='{LETTERS};left:6px'>R</span><span style='{LETTERS};right:6px'>L</span>"
        if sides
        else ""
    )
    return (
        f"<div style='position:relative;width:{wide}px'>"
        f"<img width='{wide}' height='{high}' src='data:image/png;base64,{data}' alt=''>{letters}"
        f"</div><div><small>{escape(caption)}</small></div>"
    )


def bundle_summary(bundle: Any) -> str:
    """What a `BundleFile` is of, in a line.

    Parameters
    ----------
    bundle : BundleFile
        Of any kind.
    """
    what = f"{bundle.positive} against the rest, " if bundle.positive else ""
    return f"{what}trained on {bundle.trained_on.summary}, bundle {bundle.sha256[:12]}"


def bundle_table(title: str, bundle: Any) -> str:
    """What a bundle was trained on, and its known limits.

    Parameters
    ----------
    title : str
        Above the table.
    bundle : BundleFile
        Of any kind.
    """
    limits = [] if bundle.limits is None else [limit.line for limit in bundle.limits]
    rows = [
        ("classes", ", ".join(bundle.classes or [])),
        ("trained on", bundle.trained_on.summary),
        ("threshold", "" if bundle.threshold is None else f"{bundle.threshold.value:.3f}"),
        ("bundle", bundle.sha256),
    ]
    return table(title, [row for row in rows if row[1]], limits)
