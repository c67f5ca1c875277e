"""What MLflow is told of every run that made a bundle."""

from __future__ import annotations

from collections.abc import Mapping

from covidx.evaluate import Estimate
from covidx.runs import RunFolder
from covidx.tracking import Tracker

__all__ = ["tell_bundle"]


def tell_bundle(
    tracker: Tracker, run: RunFolder, bundle_sha256: str, found: Mapping[str, Estimate]
) -> None:
    """Which bundle and code the run is of, and its figures; the record gains the bundle."""
    run.record["bundle_sha256"] = bundle_sha256
    tracker.tags({"bundle_sha256": bundle_sha256, "run_folder": run.run_id})
    tracker.tags({k: str(run.record[k]) for k in ("git_commit", "lock_sha256")})
    tracker.estimates(found)
