"""Networks that detect opacities: torchvision's Mask R-CNN and Faster R-CNN, small backbone."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.cluster import KMeans
from timm.layers.norm_act import freeze_batch_norm_2d
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.models.backbones import make_backbone

ANCHORS = 8
"""In all; the smaller half lies on the finest level of the pyramid, the other on the next."""
LEVELS = ("0", "1")
"""Levels of the pyramid in which boxes are searched, strides 4 and 8; coarser ones give context."""
STAGES = [1, 2, 3, 4]
"""Of the backbone, strides 4 to 32."""
CLASSES = 2
"""Nothing, and opacity."""
Anchors = tuple[tuple[float, float], ...]
"""Width and height in pixels, from the smallest area to the largest."""


class DetectorShape(Config):
    """The network, and which of its boxes are kept."""

    network: Literal["mask_rcnn", "faster_rcnn"]
    backbone: str = Field(description="a timm architecture")
    channels: int = Field(64, ge=8, description="of the feature pyramid")
    hidden: int = Field(256, ge=8, description="features of the box head")
    least_score: float = Field(0.05, gt=0, lt=1, description="boxes below it are left out")
    nms_iou: float = Field(
        0.4, gt=0, lt=1, description="non-maximum suppression: of two boxes that overlap more, "
        "the one of higher score stays",
    )  # fmt: skip
    most_boxes: int = Field(30, ge=1, description="in a slice")


class _Pyramid(nn.Module):
    """A timm backbone with a feature pyramid, of which the levels of strides 4 and 8 are used."""

    def __init__(self, shape: DetectorShape, pretrained: bool) -> None:
        super().__init__()
        body: Any = make_backbone(shape.backbone, pretrained=pretrained)
        channels = [body.feature_info[stage]["num_chs"] for stage in STAGES]
        body.prune_intermediate_layers(STAGES, prune_head=True)
        # In a short training, running statistics would still be on their way from ImageNet.
        self.body = freeze_batch_norm_2d(body)
        self.pyramid = FeaturePyramidNetwork(channels, shape.channels)
        self.out_channels = shape.channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """(n, 1, rows, columns) to features by level."""
        images = images.contiguous(memory_format=torch.channels_last)
        body: Any = self.body
        features = body.forward_intermediates(images, indices=STAGES, intermediates_only=True)
        levels: dict[str, Tensor] = self.pyramid(
            OrderedDict((str(n), feature) for n, feature in enumerate(features))
        )
        return OrderedDict((name, levels[name]) for name in LEVELS)


def _as_it_is(image: Tensor, target: Any = None) -> tuple[Tensor, Any]:
    """In place of torchvision's resizing.

    Its ``_skip_resize`` skips in training alone: in evaluation it would make images 800 pixels
    high, on which nothing is detected.
    """
    return image, target


def fit_anchors(edges: NDArray[np.float64], seed: int) -> Anchors:
    """Anchors for boxes like these: means of k clusters of log width and log height.

    Parameters
    ----------
    edges : ndarray, shape (boxes, 2)
        Width and height in pixels, of training patients' boxes.
    seed : int
        Of the clustering.

    Returns
    -------
    tuple of (width, height)
        In pixels, by area.

    Raises
    ------
    InvalidInputError
        ``TOO_FEW_BOXES``: fewer than `ANCHORS` different ones.
    """
    if len(np.unique(edges, axis=0)) < ANCHORS:
        raise InvalidInputError(
            "TOO_FEW_BOXES",
            "The training patients show too few opacities to fit anchors to.",
            expected=f"boxes of at least {ANCHORS} different sizes",
            actual=len(np.unique(edges, axis=0)),
        )
    fitted = KMeans(ANCHORS, n_init=10, random_state=seed).fit(np.log(edges))
    centres = np.exp(fitted.cluster_centers_).round(2)
    ordered = centres[np.argsort(centres.prod(axis=1))]
    return tuple((float(width), float(height)) for width, height in ordered)


def anchor_fit(edges: NDArray[np.float64], anchors: Anchors) -> float:
    """Mean over boxes of the best IoU with an anchor laid on their middle.

    Parameters
    ----------
    edges : ndarray, shape (boxes, 2)
        Width and height in pixels.
    anchors : Anchors
        As `fit_anchors` gives them.

    Returns
    -------
    float
        0 to 1.
    """
    common = np.minimum(edges[:, None], np.array(anchors)[None]).prod(axis=2)
    either = edges.prod(axis=1)[:, None] + np.array(anchors).prod(axis=1)[None] - common
    return float((common / either).max(axis=1).mean())


def make_detector(shape: DetectorShape, anchors: Anchors, *, pretrained: bool) -> FasterRCNN:
    """Build a network; what is not pretrained is drawn from torch's generator.

    Parameters
    ----------
    shape : DetectorShape
        What is built.
    anchors : Anchors
        As `fit_anchors` gives them.
    pretrained : bool
        Start the backbone from ImageNet weights.

    Returns
    -------
    nn.Module
        torchvision's: a list of (1, rows, columns), greys 0..1, to a list of dicts of ``boxes``,
        ``scores`` and, for a Mask R-CNN, ``masks``; with targets, in training, to losses.
    """
    features = shape.channels
    made = AnchorGenerator(((1.0,) * (ANCHORS // 2),) * 2, ((1.0,),) * 2)
    halves = np.split(np.array(anchors) / 2, 2)
    made.cell_anchors = [
        torch.tensor(np.concatenate([-half, half], axis=1), dtype=torch.float32) for half in halves
    ]
    boxes = MultiScaleRoIAlign(list(LEVELS), 7, 2)
    common = {
        "image_mean": [0.5],
        "image_std": [0.5],
        "rpn_anchor_generator": made,
        "rpn_pre_nms_top_n_train": 500,
        "rpn_pre_nms_top_n_test": 500,
        "rpn_post_nms_top_n_train": 200,
        "rpn_post_nms_top_n_test": 100,
        # Small boxes seldom reach 0.7 with anchors that lie 4 pixels apart.
        "rpn_fg_iou_thresh": 0.5,
        "rpn_batch_size_per_image": 128,
        "box_roi_pool": boxes,
        "box_head": TwoMLPHead(features * 49, shape.hidden),
        "box_predictor": FastRCNNPredictor(shape.hidden, CLASSES),
        "box_score_thresh": shape.least_score,
        "box_nms_thresh": shape.nms_iou,
        "box_detections_per_img": shape.most_boxes,
        "box_batch_size_per_image": 64,
    }
    pyramid = _Pyramid(shape, pretrained)
    if shape.network == "mask_rcnn":
        model = MaskRCNN(
            pyramid,
            **common,
            mask_roi_pool=MultiScaleRoIAlign(list(LEVELS), 14, 2),
            mask_head=MaskRCNNHeads(features, (features, features), 1),
            mask_predictor=MaskRCNNPredictor(features, features, CLASSES),
        )
    else:
        model = FasterRCNN(pyramid, **common)
    model.transform.resize = _as_it_is
    return model
