"""Evidence part by part: what a slice loses when a small part of it is hidden."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from covidx.explain.background import hide
from covidx.explain.scorer import BATCH, SliceScorer

PATH_STEPS = 16
"""Points on the way from background to slice. Modelling choice: 64 change no peak."""


def occlusion_maps(
    scorer: SliceScorer, slices: Tensor, hidden: Tensor, size: int, stride: int
) -> Tensor:
    """Hide one small square after another (Zeiler and Fergus, ECCV 2014).

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class.
    slices, hidden : Tensor, shape (n, 1, rows, columns)
        Greys, 0 to 1, and their pictures of `backgrounds`.
    size, stride : int
        Side of the square, and the step between two of them, in pixels.

    Returns
    -------
    Tensor of float32, shape (n, rows, columns)
        Mean fall of the slice's log-odds when a square that holds the pixel is hidden; 0 where
        they do not fall.
    """
    squares = square_parts(slices.shape[2], slices.shape[3], size, stride)
    before, maps = scorer.log_odds(slices), []
    for place, (picture, background) in enumerate(zip(slices, hidden, strict=True)):
        falls = before[place] - scorer.log_odds(hide(picture, background, squares))
        total = torch.einsum("p,prc->rc", falls, squares)
        maps.append((total / squares.sum(dim=0)).clamp(min=0))
    return torch.stack(maps)


def square_parts(rows: int, columns: int, size: int, stride: int) -> Tensor:
    """Squares that cover a picture, clipped at its edge, (parts, rows, columns) of 0 and 1.

    Parameters
    ----------
    rows, columns : int
        Of the picture.
    size, stride : int
        Side of a square, at least `stride`, and the step between two of them.
    """
    bands = []
    for length in (rows, columns):
        middles = torch.arange(math.ceil(length / stride)) * stride + (stride - 1) / 2
        bands.append((torch.arange(length) - middles[:, None]).abs() < size / 2)
    high, wide = bands
    return (high[:, None, :, None] & wide[None, :, None, :]).flatten(0, 1).float()


def integrated_gradients(
    scorer: SliceScorer, slices: Tensor, hidden: Tensor, sigma: float
) -> Tensor:
    """Gradients along the way from background to slice (Sundararajan et al., ICML 2017).

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class.
    slices, hidden : Tensor, shape (n, 1, rows, columns)
        Greys, 0 to 1, and their pictures of `backgrounds`.
    sigma : float
        Standard deviation in pixels of the Gaussian by which single pixels are joined to a place.

    Returns
    -------
    Tensor of float32, shape (n, rows, columns)
        Log-odds by pixel, blurred; 0 where they speak against the class. Before both, they sum to
        the difference in log-odds between slice and background.
    """
    return smoothed(path_contributions(scorer, slices, hidden), sigma).clamp(min=0)


def path_contributions(
    scorer: SliceScorer, slices: Tensor, hidden: Tensor, steps: int = PATH_STEPS
) -> Tensor:
    """Integrated gradients by pixel, (n, rows, columns), in log-odds.

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class.
    slices, hidden : Tensor, shape (n, 1, rows, columns)
        Greys, 0 to 1, and their pictures of `backgrounds`.
    steps : int
        Points on the way.
    """
    shares = ((torch.arange(steps) + 0.5) / steps)[None, :, None, None, None]
    at_once, found = max(1, BATCH // steps), []
    for first in range(0, len(slices), at_once):
        background = hidden[first : first + at_once]
        whole = slices[first : first + at_once] - background
        way = (background[:, None] + shares * whole[:, None]).flatten(0, 1)
        way.requires_grad_(True)
        (gradients,) = torch.autograd.grad(scorer.odds_of(scorer(way)).sum(), way)
        found.append(gradients.reshape(-1, steps, *whole.shape[1:]).mean(dim=1) * whole)
    return torch.cat(found)[:, 0]


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of `maps`, (n, rows, columns), by `sigma` pixels; 0 beyond the edge."""
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=maps.dtype)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    across = functional.conv2d(maps[:, None], kernel[None, None, None], padding=(0, reach))
    return functional.conv2d(across, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
