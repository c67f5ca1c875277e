"""A figure that notebooks show."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Drawing(Figure):
    """A figure of matplotlib that notebooks show, though pyplot has no part in it."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=80)
        return out.getvalue()
