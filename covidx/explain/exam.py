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
HOT_SHARE = 0.05
"""Share of the picture that is hidden: its hottest pixels, fewer where fewer have heat. Modelling
choice."""
RANDOM_PARTS = 50
"""Parts of the same size and shape, elsewhere, that it is compared with."""
SHARED = 0.1
"""Share of the hot part that a part elsewhere may hold: one that held half of it would carry its
evidence, too. Modelling choice."""
FOG = 0.25
"""What a map has below this share of its peak is not shown, and the rest is lowered by as much:
there maps are a fog that a little noise in the slice moves. Modelling choice."""
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
"""Log-odds within which two figures count as equal: sums of 32-bit floats differ by less."""


@dataclass(frozen=True)
class Exam:
    """How a map did.

    Parameters
    ----------
    verdict : {"passed", "failed", "no evidence", "cannot tell"}
        ``passed``: the hot part carries more evidence than parts of the same size and shape
        elsewhere, and where the lungs are known, most of it lies in them or on their rim.
        ``no evidence``: the slice's score lies below `SCORE_FLOOR`. ``cannot tell``: there is no
        map, or hiding cannot test it.
    reason : str
        A sentence on what decided.
    evidence : float, optional
        Log-odds that the hottest `HOT_SHARE` of the picture carries: the mean of `fall` and `rise`.
        Where a lung has two lesions, hiding one loses little, and showing one alone brings much;
        the mean of what a part adds to all else and to nothing is its Shapley value where these two
        orders count alone. None where nothing was hidden.
    fall, rise : float, optional
        What the slice's log-odds fall by when the hot part is hidden, and what those of its
        background rise by when the hot part alone is shown on it.
    random_evidence : tuple of float, optional
        5th, 50th and 95th percentile of the evidence that the random parts carry.
    p : float, optional
        Share of random parts, the hot one counted among them, that carry at least as much.
    in_lungs : float, optional
        Share of the map, as `clear` leaves it, in the lungs; None where these are not known.
    lung_area : float, optional
        Share of the picture that is lung.
    hot_in_lungs : float, optional
        Share of the hot part that lies in the lungs or on their rim.
    """

    verdict: Verdict
    reason: str
    evidence: float | None = None
    fall: float | None = None
    rise: float | None = None
    random_evidence: tuple[float, float, float] | None = None
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
    hot = hottest(heat, HOT_SHARE) * (heat > 0)
    parts = torch.cat([hot[None], elsewhere(hot, RANDOM_PARTS)])
    shown = torch.cat([hide(picture, background, parts), hide(picture, background, 1 - parts)])
    odds = scorer.log_odds(torch.cat([torch.stack([picture, background]), shown])).double()
    falls, rises = odds[0] - odds[2 : 3 + RANDOM_PARTS], odds[3 + RANDOM_PARTS :] - odds[1]
    evidence, random = float(falls[0] + rises[0]) / 2, (falls[1:] + rises[1:]) / 2
    p = float(((random >= evidence - EQUAL).sum() + 1) / (len(random) + 1))
    low, middle, high = torch.quantile(random, random.new_tensor([0.05, 0.5, 0.95])).tolist()
    hot_in_lungs = None if lungs is None else share_in(hot, with_rim(lungs))
    verdict, reason = _judged(evidence, float(odds[0] - odds[1]), p, hot_in_lungs)
    return Exam(
        verdict,
        reason,
        evidence,
        fall=float(falls[0]),
        rise=float(rises[0]),
        random_evidence=(low, middle, high),
        p=p,
        in_lungs=share_in(clear(heat), lungs),
        lung_area=None if lungs is None else float(lungs.mean()),
        hot_in_lungs=hot_in_lungs,
    )


def _judged(
    evidence: float, of_whole: float, p: float, hot_in_lungs: float | None
) -> tuple[Verdict, str]:
    if hot_in_lungs is not None and hot_in_lungs < LEAST_IN_LUNGS:
        return "failed", f"{1 - hot_in_lungs:.0%} of the hot part lies outside of the lungs."
    beaten = f"{round(p * (RANDOM_PARTS + 1)) - 1} of {RANDOM_PARTS} parts of its size elsewhere"
    if evidence > EQUAL and p <= LEVEL:
        lungs = " Where the lungs lie is not known." if hot_in_lungs is None else ""
        return "passed", (
            f"The hot part carries {evidence:.2f} of log-odds; as much do {beaten}.{lungs}"
        )
    if of_whole <= EQUAL:
        return "cannot tell", "Hiding the slice as a whole does not lower its evidence either."
    if evidence <= EQUAL:
        return "failed", f"The hot part does not speak for the class ({evidence:+.2f} of log-odds)."
    return "failed", (f"The hot part carries {evidence:.2f} of log-odds, but as much do {beaten}.")


def hottest(heat: Tensor, share: float) -> Tensor:
    """The hottest `share` of the pixels of `heat`, (rows, columns), as 1 among 0.

    Of equal pixels the first ones count, so that the size is always the same.
    """
    count = max(1, round(share * heat.numel()))
    order = torch.sort(heat.flatten(), descending=True, stable=True).indices
    mask = torch.zeros(heat.numel())
    mask[order[:count]] = 1
    return mask.reshape(heat.shape)


def clear(heat: Tensor) -> Tensor:
    """The map `heat`, (rows, columns), less `FOG` of its peak; 0 where it has less than that."""
    return (heat - FOG * heat.max()).clamp(min=0)


def elsewhere(part: Tensor, count: int) -> Tensor:
    """The same part at other places: moved at random, what leaves one edge enters at the other.

    Parameters
    ----------
    part : Tensor, shape (rows, columns)
        Of 0 and 1; of at most `HOT_SHARE` of the pixels, so that at least half of all moves are far
        enough.
    count : int
        How many; the same ones at each call.

    Returns
    -------
    Tensor, shape (count, rows, columns)
        Each of the size and, but for the edges, of the shape of `part`, of which it holds at most
        `SHARED`.
    """
    rows, columns = part.shape
    generator = torch.Generator().manual_seed(SEED)
    most, found = SHARED * float(part.sum()), []
    for move in (torch.randperm(rows * columns - 1, generator=generator) + 1).tolist():
        moved = torch.roll(part, divmod(move, columns), dims=(0, 1))
        if float((moved * part).sum()) <= most:
            found.append(moved)
        if len(found) == count:
            break
    return torch.stack(found)


def with_rim(lungs: Tensor) -> Tensor:
    """Where there is lung within `RIM`: `lungs`, (rows, columns), dilated, as 0 and 1."""
    reach = round(RIM * max(lungs.shape))
    found = functional.max_pool2d((lungs > 0).float()[None], 2 * reach + 1, 1, reach)
    return found[0]


def share_in(heat: Tensor, mask: Tensor | None) -> float | None:
    """Share of `heat` that lies in `mask`, both (rows, columns); None without mask or heat."""
    total = float(heat.sum())
    return None if mask is None or total <= 0 else float((heat * mask).sum()) / total
