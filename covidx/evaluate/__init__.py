"""Statistics on the predictions table alone; no model code is needed."""

from covidx.evaluate.asked import Asked, Tables
from covidx.evaluate.attributes import read_clinical
from covidx.evaluate.auroc import auroc_estimate, delong
from covidx.evaluate.bootstrap import Clusters, bootstrap, bootstrap_estimate
from covidx.evaluate.calibration import Bin, reliability
from covidx.evaluate.compare import evaluate_folds, mean_of_folds_auroc, paired_difference
from covidx.evaluate.drop import drops
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
from covidx.evaluate.evaluation import Evaluation, evaluate_study
from covidx.evaluate.foreign import Predictions, read_predictions
from covidx.evaluate.incremental import Incremental, on_common_rows
from covidx.evaluate.metrics import Metrics, evaluate
from covidx.evaluate.operating_point import OperatingPoint, choose_operating_point
from covidx.evaluate.paired import Comparison, System, align, compare_systems
from covidx.evaluate.proportions import wilson, wilson_estimate
from covidx.evaluate.readers import read_reads
from covidx.evaluate.rows import Rows
from covidx.evaluate.study import Study, ThresholdRule, arms_of, make_study

__all__ = [
    "CONFIDENCE",
    "Asked",
    "Bin",
    "Clusters",
    "Comparison",
    "Estimate",
    "Evaluation",
    "Incremental",
    "Metrics",
    "OperatingPoint",
    "Predictions",
    "Rows",
    "Study",
    "System",
    "Tables",
    "ThresholdRule",
    "align",
    "arms_of",
    "auroc_estimate",
    "bootstrap",
    "bootstrap_estimate",
    "choose_operating_point",
    "compare_systems",
    "delong",
    "drops",
    "evaluate",
    "evaluate_folds",
    "evaluate_study",
    "make_study",
    "mean_of_folds_auroc",
    "on_common_rows",
    "paired_difference",
    "read_clinical",
    "read_predictions",
    "read_reads",
    "reliability",
    "undefined",
    "wilson",
    "wilson_estimate",
]
