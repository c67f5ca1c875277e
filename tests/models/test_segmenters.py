"""Segmenters by name: what goes in and what comes out; nnU-Net's plan by hand."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from covidx.models.segmenters import SegmenterShape, make_segmenter, plan

SHAPES = {
    "fcn": ({"network": "fcn"}, (64, 64)),
    "unet": ({"network": "unet", "dimensions": 2, "channels": [4, 8, 12]}, (32, 40)),
    "unet3d": (
        {"network": "unet", "dimensions": 3, "channels": [4, 8], "residual_units": 0},
        (6, 16, 20),
    ),
    "dynunet": ({"network": "dynunet", "dimensions": 2, "channels": [4, 8, 12]}, (32, 40)),
    "dynunet3d": ({"network": "dynunet", "dimensions": 3, "channels": [4, 8, 12]}, (8, 32, 32)),
}
READ: TypeAdapter[SegmenterShape] = TypeAdapter(SegmenterShape)


@pytest.mark.parametrize("name", SHAPES)
def test_each_network_answers_for_each_pixel(name: str) -> None:
    record, patch = SHAPES[name]
    shape = READ.validate_python(record)
    spacing = (2.0, 2.0) if len(patch) == 2 else (5.0, 2.0, 2.0)
    network = make_segmenter(shape, 5, patch, spacing).eval()
    assert all(edge % shape.multiple == 0 for edge in patch)
    with torch.no_grad():
        assert network(torch.zeros(1, 1, *patch)).shape == (1, 5, *patch)


def test_an_option_of_another_network_is_refused() -> None:
    with pytest.raises(ValidationError, match="channels"):
        READ.validate_python({"network": "fcn", "channels": [4, 8]})
    with pytest.raises(ValidationError, match="two levels"):
        READ.validate_python({"network": "unet", "dimensions": 2, "channels": [4]})


def test_thick_slices_are_looked_across_once_the_plane_has_caught_up() -> None:
    # 8 mm slices, 1 mm pixels: 1, 2, 4 mm in the plane; at 4 mm the slices are twice as thick.
    kernels, strides = plan((16, 64, 64), (8.0, 1.0, 1.0), 5)
    assert kernels == [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert strides == [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2]]


def test_an_edge_of_four_is_halved_no_further() -> None:
    _, strides = plan((8, 32), (1.0, 1.0), 4)
    assert strides == [[1, 1], [2, 2], [1, 2], [1, 2]]
