"""What MLflow shows of a run: recorded in the run's folder, and sent once the run has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.tracking.connect import open_database, tracking_uri
    from covidx.tracking.one_file import single_page
    from covidx.tracking.record import ARTIFACT, RECORD, TrackingRecord, clean_name
    from covidx.tracking.send import delete_run, experiment_numbers, send_folder
    from covidx.tracking.tracker import Tracker
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

__all__ = [
    "ARTIFACT",
    "RECORD",
    "Tracker",
    "TrackingRecord",
    "clean_name",
    "delete_run",
    "experiment_numbers",
    "open_database",
    "send_folder",
    "single_page",
    "tracking_uri",
]
