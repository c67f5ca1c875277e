"""covidx: from DICOM to audited COVID-19 classifiers. Research use only."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.face.data import audit_images, audit_run, evaluate_predictions, ingest_images
    from covidx.face.images import EvidenceMap, heatmaps, predict, read
    from covidx.face.runs import Run, compare, train
    from covidx.inference.loading import load
    from covidx.ingest import read_series
    from covidx.volume import Volume
else:  # loaded when asked for: importing covidx stays instant
    __getattr__, __dir__ = lazy_names(__name__, __file__)

# OpenMP's threads spin while they wait, so that one other busy process makes training ten times
# slower. Its library reads this when torch is loaded; the user's own value stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Of tqdm, which a library loads, on bars in notebooks that covidx does not draw.
warnings.filterwarnings("ignore", message="IProgress not found")

__version__ = "0.2.0"
__all__ = [
    "EvidenceMap",
    "Run",
    "Volume",
    "__version__",
    "audit_images",
    "audit_run",
    "compare",
    "evaluate_predictions",
    "heatmaps",
    "ingest_images",
    "load",
    "predict",
    "read",
    "read_series",
    "train",
]
