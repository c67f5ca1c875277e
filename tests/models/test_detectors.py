"""Anchors fitted to boxes, where they are laid, and which of overlapping boxes stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from covidx.errors import InvalidInputError
from covidx.models.detectors import (
    ANCHORS,
    DetectorShape,
    anchor_fit,
    fit_anchors,
    make_detector,
)

SIZES = [(4, 4), (6, 12), (12, 6), (16, 16), (30, 15), (15, 40), (40, 40), (60, 90)]


def clusters(spread: float) -> np.ndarray:
    chance = np.random.default_rng(0)
    return np.concatenate([np.array(s) * np.exp(chance.normal(0, spread, (50, 2))) for s in SIZES])


def test_anchors_are_the_middles_of_known_clusters() -> None:
    anchors = fit_anchors(clusters(0.02), 0)
    assert len(anchors) == ANCHORS == len(SIZES)
    by_area = sorted(SIZES, key=lambda one: one[0] * one[1])
    areas = [width * height for width, height in anchors]
    assert areas == sorted(areas)
    result = sorted((round(w), round(h)) for w, h in anchors)
    assert result == sorted(by_area)
    assert fit_anchors(clusters(0.02), 0) == anchors


def test_the_fit_is_the_best_iou_with_a_common_middle() -> None:
    edges = np.array([[4.0, 4.0], [2.0, 8.0]])
    # the square itself; 2 x 8 shares 8 with it, of 16 + 16 - 8
    assert anchor_fit(edges, ((4.0, 4.0),)) == pytest.approx((1 + 8 / 24) / 2)
    assert anchor_fit(clusters(0.02), fit_anchors(clusters(0.02), 0)) > 0.95


def test_too_few_boxes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="TOO_FEW_BOXES"):
        fit_anchors(np.array([[4.0, 4.0]] * 100), 0)


@pytest.mark.parametrize("network", ["mask_rcnn", "faster_rcnn"])
def test_networks_lay_the_anchors_and_answer(network: str) -> None:
    shape = DetectorShape(network=network, backbone="tf_efficientnet_lite0", channels=8, hidden=8)
    anchors = tuple((float(w), float(h)) for w, h in sorted(SIZES, key=np.prod))
    torch.manual_seed(0)
    model = make_detector(shape, anchors, pretrained=False).eval()
    laid = torch.cat(model.rpn.anchor_generator.cell_anchors)
    assert torch.allclose(laid[:, 2:] - laid[:, :2], torch.tensor(anchors))
    assert torch.allclose(laid[:, 2:], -laid[:, :2])
    with torch.inference_mode():
        answer = model([torch.rand(1, 50, 70)])[0]
    assert {"boxes", "scores"} <= set(answer)
    assert ("masks" in answer) == (network == "mask_rcnn")
    if len(answer["boxes"]):
        assert answer["boxes"][:, 2].max() <= 70 and answer["boxes"][:, 3].max() <= 50


@pytest.mark.parametrize("training", [True, False])
def test_images_are_seen_at_their_own_size(training: bool) -> None:
    shape = DetectorShape(network="faster_rcnn", backbone="tf_efficientnet_lite0", channels=8)
    anchors = tuple((float(w), float(h)) for w, h in SIZES)
    model = make_detector(shape, anchors, pretrained=False).train(training)
    shown, _ = model.transform([torch.full((1, 40, 60), 0.75)])
    assert shown.image_sizes == [(40, 60)] and shown.tensors.shape == (1, 1, 64, 64)
    assert (shown.tensors[0, 0, :40, :60] == 0.5).all()


def test_of_overlapping_boxes_the_surer_one_stays() -> None:
    """Two boxes of IoU 1/2 and one apart, through the network's own last step."""
    shape = DetectorShape(
        network="faster_rcnn", backbone="tf_efficientnet_lite0", channels=8, hidden=8, nms_iou=0.4
    )
    anchors = tuple((float(w), float(h)) for w, h in sorted(SIZES, key=np.prod))
    boxes = torch.tensor([[0, 0, 10, 12], [0, 4, 10, 16], [30, 30, 40, 40]], dtype=torch.float32)
    logits = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, -1.0]])
    for iou, kept in ((0.4, [1, 2]), (0.6, [1, 0, 2])):
        changed = shape.model_copy(update={"nms_iou": iou})
        heads = make_detector(changed, anchors, pretrained=False).roi_heads
        result, scores, _ = heads.postprocess_detections(
            logits, torch.zeros(3, 8), [boxes], [(50, 50)]
        )
        assert torch.allclose(result[0], boxes[kept])
        assert torch.allclose(scores[0], logits.softmax(dim=1)[kept, 1])
