"""Small pieces of HTML for notebooks: a table, a picture; all text is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    greys : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
        As they are shown.
    caption : str
        Below it.
    height_per_width : float
        Of a pixel.
    sides : bool
        Whether what is left in the picture is the patient's right.
    """
    rows, columns = greys.shape[:2]
    wide = 320
    high = max(1, round(wide * rows * height_per_width / columns))
    out = io.BytesIO()
    Image.fromarray(greys).save(out, "PNG")
    data = base64.b64encode(out.getvalue()).decode()
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
