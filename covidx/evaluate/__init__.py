"""Statistics on the predictions table alone; no model code is needed."""

from covidx.evaluate.auroc import auroc_estimate, delong
from covidx.evaluate.bootstrap import Clusters, bootstrap, bootstrap_estimate
from covidx.evaluate.calibration import Bin, reliability
from covidx.evaluate.compare import evaluate_folds, mean_of_folds_auroc, paired_difference
from covidx.evaluate.drop import drops
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
from covidx.evaluate.metrics import Metrics, evaluate
from covidx.evaluate.operating_point import OperatingPoint, choose_operating_point
from covidx.evaluate.proportions import wilson, wilson_estimate
from covidx.evaluate.rows import Rows

__all__ = [
    "CONFIDENCE",
    "Bin",
    "Clusters",
    "Estimate",
    "Metrics",
    "OperatingPoint",
    "Rows",
    "auroc_estimate",
    "bootstrap",
    "bootstrap_estimate",
    "choose_operating_point",
    "delong",
    "drops",
    "evaluate",
    "evaluate_folds",
    "mean_of_folds_auroc",
    "paired_difference",
    "reliability",
    "undefined",
    "wilson",
    "wilson_estimate",
]
