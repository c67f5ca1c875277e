"""Networks and their factories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.models.backbones import (
        OFFLINE_WEIGHTS,
        MadeFor,
        made_for,
        make_backbone,
        make_network,
        network_names,
        offline_weights,
    )
    from covidx.models.bag import (
        Architecture,
        BagClassifier,
        BagEnsemble,
        BagModel,
        BagOutput,
        feature_layers,
        make_classifier,
        pool_most_abnormal,
    )
    from covidx.models.convolutions import ConvolutionCost, convolution_cost, separable_total
    from covidx.models.layers import Layer, describe_layers
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
