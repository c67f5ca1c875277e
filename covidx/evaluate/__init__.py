"""Statistics on the predictions table alone; no model code is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.evaluate.attributes import read_clinical
    from covidx.evaluate.auroc import auroc_estimate, delong
    from covidx.evaluate.bootstrap import bootstrap_estimate
    from covidx.evaluate.calibration import Bin, reliability
    from covidx.evaluate.clusters import Clusters
    from covidx.evaluate.compare import evaluate_folds, mean_of_folds_auroc, paired_difference
    from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
    from covidx.evaluate.evaluation import Evaluation, evaluate_study
    from covidx.evaluate.external import performance_change
    from covidx.evaluate.incremental import Incremental, on_common_rows
    from covidx.evaluate.metrics import Metrics, evaluate
    from covidx.evaluate.operating_point import (
        OperatingPoint,
        OperatingRule,
        choose_operating_point,
    )
    from covidx.evaluate.options import EvaluationOptions, Tables
    from covidx.evaluate.paired import Comparison, System, align, compare_systems
    from covidx.evaluate.predictions import Predictions, read_predictions
    from covidx.evaluate.proportions import wilson, wilson_estimate
    from covidx.evaluate.readers import read_reads
    from covidx.evaluate.rows import Rows
    from covidx.evaluate.study import Study, ThresholdRule, arms_of, make_study
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
