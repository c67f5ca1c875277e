"""The exam that each heatmap sits before it is shown: does what it marks carry the evidence?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from covidx.explain.background import hide
from covidx.explain.scorer import SliceScorer

Verdict = Literal["passed", "failed", "no evidence", "cannot tell"]

SCORE_FLOOR = 0.05
"""Score of a slice by itself below which it has no evidence to map. Modelling choice."""
HOT_SHARE = 0.1
"""Share of the picture that is hidden: its hottest pixels. Modelling choice."""
RANDOM_PARTS = 50
"""Parts of the same size and shape, elsewhere, that are hidden for comparison."""
LEVEL = 0.05
"""Share of maps drawn by chance that may pass."""
LEAST_IN_LUNGS = 0.5
"""Share of the hot part that must lie in the lungs or on their rim, where they are known. Modelling
choice."""
RIM = 1 / 28
"""Width of the rim, as a share of the longer side: 4 pixels of 112, about 10 mm of a pair of lungs.
A map of cells as coarse cannot tell the pleura, where disease lies, from the chest wall."""
SEED = 0
EQUAL = 1e-4
"""Log-odds within which two falls count as equal: sums of 32-bit floats differ by less."""


@dataclass(frozen=True)
class Exam:
    """How a map did.

    Parameters
    ----------
    verdict : {"passed", "failed", "no evidence", "cannot tell"}
        ``passed``: hiding the hot part took more evidence than hiding parts of the same size and
        shape elsewhere, and where the lungs are known, most of it lies in them or on their rim.
        ``no evidence``: the slice's score lies below `SCORE_FLOOR`. ``cannot tell``: there is no
        map, or hiding cannot test it.
    reason : str
        A sentence on what decided.
    fall : float, optional
        Fall of the slice's log-odds when the hottest tenth of the picture is hidden; None where
        nothing was hidden.
    random_falls : tuple of float, optional
        5th, 50th and 95th percentile of the falls when the random parts are hidden.
    p : float, optional
        Share of random parts, the hot one counted among them, whose fall is at least as great.
    in_lungs : float, optional
        Share of the map in the lungs, 0 to 1; None where the lungs are not known.
    lung_area : float, optional
        Share of the picture that is lung.
    hot_in_lungs : float, optional
        Share of the hottest tenth that lies in the lungs or on their rim.
    """

    verdict: Verdict
    reason: str
    fall: float | None = None
    random_falls: tuple[float, float, float] | None = None
    p: float | None = None
    in_lungs: float | None = None
    lung_area: float | None = None
    hot_in_lungs: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def examine(
    scorer: SliceScorer,
    picture: Tensor,
    background: Tensor,
    heat: Tensor,
    score: float,
    lungs: Tensor | None = None,
) -> Exam:
    """Put one map to the test.

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class that the map is of.
    picture, background : Tensor, shape (1, rows, columns)
        The slice, and its picture of `backgrounds`.
    heat : Tensor, shape (rows, columns)
        At least 0, on any scale.
    score : float
        Probability of the class by the slice alone.
    lungs : Tensor, shape (rows, columns), optional
        Share of each pixel that is lung.
    """
    if score < SCORE_FLOOR:
        return Exam("no evidence", f"The slice scores {score:.3f}, below {SCORE_FLOOR:g}.")
    if not (heat.isfinite().all() and float(heat.max()) > max(0.0, float(heat.min()))):
        return Exam("cannot tell", "The method found no place that speaks for the class.")
    hot = hottest(heat, HOT_SHARE)
    whole = torch.ones_like(hot)
    parts = torch.cat([torch.stack([hot, whole]), elsewhere(hot, RANDOM_PARTS)])
    odds = scorer.log_odds(torch.cat([picture[None], hide(picture, background, parts)]))
    falls = (odds[0] - odds[1:]).double()
    fall, of_whole, random = float(falls[0]), float(falls[1]), falls[2:]
    p = float(((random >= fall - EQUAL).sum() + 1) / (len(random) + 1))
    low, middle, high = torch.quantile(random, random.new_tensor([0.05, 0.5, 0.95])).tolist()
    in_lungs, area = share_in(heat, lungs), None if lungs is None else float(lungs.mean())
    hot_in_lungs = None if lungs is None else share_in(hot, with_rim(lungs))
    verdict, reason = _judged(fall, of_whole, p, hot_in_lungs)
    return Exam(verdict, reason, fall, (low, middle, high), p, in_lungs, area, hot_in_lungs)


def _judged(
    fall: float, of_whole: float, p: float, hot_in_lungs: float | None
) -> tuple[Verdict, str]:
    if hot_in_lungs is not None and hot_in_lungs < LEAST_IN_LUNGS:
        return "failed", f"{1 - hot_in_lungs:.0%} of the hot part lies outside of the lungs."
    beaten = f"{round(p * (RANDOM_PARTS + 1)) - 1} of {RANDOM_PARTS} parts of its size elsewhere"
    if fall > EQUAL and p <= LEVEL:
        lungs = " Where the lungs lie is not known." if hot_in_lungs is None else ""
        return "passed", (
            f"Hiding the hot part lowers the log-odds by {fall:.2f}; as much is lost by hiding "
            f"{beaten}.{lungs}"
        )
    if of_whole <= EQUAL:
        return "cannot tell", "Hiding the slice as a whole does not lower its evidence either."
    if fall <= EQUAL:
        return "failed", f"Hiding the hot part does not lower the log-odds ({0.0 - fall:+.2f})."
    return "failed", (
        f"Hiding the hot part lowers the log-odds by {fall:.2f}, but as much is lost by hiding "
        f"{beaten}."
    )


def hottest(heat: Tensor, share: float) -> Tensor:
    """The hottest `share` of the pixels of `heat`, (rows, columns), as 1 among 0.

    Of equal pixels the first ones count, so that the size is always the same.
    """
    count = max(1, round(share * heat.numel()))
    order = torch.sort(heat.flatten(), descending=True, stable=True).indices
    mask = torch.zeros(heat.numel())
    mask[order[:count]] = 1
    return mask.reshape(heat.shape)


def elsewhere(part: Tensor, count: int) -> Tensor:
    """The same part at other places: moved at random, what leaves one edge enters at the other.

    Parameters
    ----------
    part : Tensor, shape (rows, columns)
        Of 0 and 1.
    count : int
        How many; the same ones at each call.

    Returns
    -------
    Tensor, shape (count, rows, columns)
        Each of the size and, but for the edges, of the shape of `part`.
    """
    rows, columns = part.shape
    generator = torch.Generator().manual_seed(SEED)
    moves = torch.randint(1, rows * columns, (count,), generator=generator).tolist()
    return torch.stack([torch.roll(part, divmod(move, columns), dims=(0, 1)) for move in moves])


def with_rim(lungs: Tensor) -> Tensor:
    """Where there is lung within `RIM`: `lungs`, (rows, columns), dilated, as 0 and 1."""
    reach = round(RIM * max(lungs.shape))
    found = functional.max_pool2d((lungs > 0).float()[None], 2 * reach + 1, 1, reach)
    return found[0]


def share_in(heat: Tensor, mask: Tensor | None) -> float | None:
    """Share of `heat` that lies in `mask`, both (rows, columns); None without mask or heat."""
    total = float(heat.sum())
    return None if mask is None or total <= 0 else float((heat * mask).sum()) / total
