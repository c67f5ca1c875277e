"""A slice with nothing to find: what a part of it is replaced by when it is hidden."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLUR = 1 / 10
"""Standard deviation of the blur, as a share of the longer side: 11 pixels of 112, about 30 mm of
a pair of lungs. Modelling choice."""
MOSTLY_LUNG = 0.9
"""Share of lung from which a pixel's grey counts as that of lung. Modelling choice."""


def backgrounds(slices: Tensor, lungs: Tensor | None) -> Tensor:
    """Make, for each slice, the picture that hidden parts are taken from.

    In the lungs it is the median grey of that slice's lungs, elsewhere the slice strongly blurred:
    a hidden opacity becomes ordinary lung, not a grey that is itself an opacity, as the mean of
    lung and chest wall is.

    Parameters
    ----------
    slices : Tensor, shape (n, 1, rows, columns)
        Greys, 0 to 1.
    lungs : Tensor, shape (n, rows, columns), optional
        Share of each pixel that is lung, 0 to 1; None where the lungs are not known: then all of
        it is the blurred slice.

    Returns
    -------
    Tensor, shape (n, 1, rows, columns)
    """
    made = _blurred(slices)
    if lungs is None:
        return made
    for place, (picture, lung) in enumerate(zip(slices[:, 0], lungs, strict=True)):
        greys = picture[lung >= MOSTLY_LUNG]
        if len(greys):
            made[place, 0] += lung * (greys.median() - made[place, 0])
    return made


def hide(picture: Tensor, background: Tensor, parts: Tensor) -> Tensor:
    """Replace parts of one slice by its background.

    Parameters
    ----------
    picture, background : Tensor, shape (1, rows, columns)
        A slice, and its picture of `backgrounds`.
    parts : Tensor, shape (parts, rows, columns)
        How much of each pixel is hidden, 0 to 1.

    Returns
    -------
    Tensor, shape (parts, 1, rows, columns)
    """
    return picture + parts[:, None] * (background - picture)


def _blurred(slices: Tensor) -> Tensor:
    """Gaussian blur; beyond the edge the picture goes on as it ends."""
    sigma = BLUR * max(slices.shape[2:])
    for axis in (2, 3):
        reach = min(round(3 * sigma), slices.shape[axis] - 1)
        steps = torch.arange(-reach, reach + 1, dtype=slices.dtype)
        kernel = torch.exp(-(steps**2) / (2 * sigma**2))
        shape = [1, 1, 1, 1]
        shape[axis] = len(kernel)
        pad = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        slices = functional.conv2d(
            functional.pad(slices, pad, mode="replicate"), (kernel / kernel.sum()).reshape(shape)
        )
    return slices
