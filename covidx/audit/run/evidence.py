"""What a run shows for an item of a reporting checklist, with links to the files that show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from covidx.audit.run.evidence_data import DataEvidence
from covidx.wording import counted


class Evidence(DataEvidence):
    """Answers by key, also about model, training and results; None where the run shows nothing.

    A kind of model that can show more has a child of this class, named by `ModelKind.evidence`.
    """

    failures = "confusion.json"
    """Where the wrong decisions can be looked at."""

    @property
    def fields(self) -> Any:
        """The bundle, with the fields of its kind."""
        return self.run.bundle

    def __call__(self, key: str) -> str | None:
        """A sentence in Markdown with links, or None."""
        found: str | None = getattr(self, f"_{key}")()
        return found

    def _model(self) -> str | None:
        return f"{self.run.kind}: {self._to('bundle/bundle.json')}"

    def _intended_use(self) -> str | None:
        return f"Research alone, no use in care: {self._to('bundle/MODEL_CARD.md')}"

    def _goal(self) -> str | None:
        return (
            f"A model is built and tested on held-out patients of one data set "
            f"({self.run.record.pipeline}): {self._to('run.json')}"
        )

    def _bundle(self) -> str | None:
        if "bundle_unchanged" not in self.passed:
            return None
        return f"The whole model, with known answers to made-up cases: {self._to('bundle')}"

    def _software(self) -> str | None:
        text = ", ".join(f"{k} {v}" for k, v in self.run.record.versions.items())
        return f"{text}; digest of the lock: {self._to('run.json')}"

    def _code(self) -> str | None:
        commit = self.run.record.git_commit
        if not commit or str(commit).endswith("+changes"):
            return None
        return f"covidx, commit {commit}: {self._to('run.json')}"

    def _initial(self) -> str | None:
        return None

    def _training(self) -> str | None:
        return f"Every hyper-parameter: {self._to('run.json')}"

    def _selection(self) -> str | None:
        return None

    def _ensemble(self) -> str | None:
        return f"One model, no ensemble: {self._to('bundle/bundle.json')}"

    def _metrics(self) -> str | None:
        names = ", ".join(list(self.run.metrics)[:8])
        plot = f"; {self._to('figures/reliability.png')}"
        return (
            f"{len(self.run.metrics)} metrics, among them {names}: {self._to('metrics.json')}{plot}"
        )

    def _intervals(self) -> str | None:
        groups, n = self.run.confusion["groups"], self.run.confusion["n"]
        method = self.run.metrics["auroc"]["method"]
        return (
            f"95 % intervals, over {counted(groups, 'independent group')} of {counted(n, 'row')} "
            f"(AUROC: {method}): "
            f"{self._to('metrics.json')}"
        )

    def _robustness(self) -> str | None:
        return self._if_there("missing_arms.json", "Without an arm:") or self._if_there(
            "drift.json", "By week:"
        )

    def _explanation(self) -> str | None:
        return None

    def _internal(self) -> str | None:
        return f"{self._auroc()}: {self._to('metrics.json')}"

    def _performance(self) -> str | None:
        if "metrics_recompute" not in self.passed:
            return None
        return f"{self._auroc()}: {self._to('metrics.json')}, {self._to('figures/roc.png')}"

    def _auroc(self) -> str:
        return (
            f"AUROC {_estimate(self.run.metrics['auroc'])}, {self.run.confusion['n']} in the test"
        )

    def _decisions(self) -> str | None:
        if "metrics_recompute" not in self.passed:
            return None
        text = ", ".join(
            f"{name} {_estimate(self.run.metrics[name])}" for name in ("sensitivity", "specificity")
        )
        return f"{text}: {self._to('confusion.json')}"

    def _failures(self) -> str | None:
        counts = self.run.confusion.get("at_threshold", {})
        text = f"{counts.get('fp')} false alarms, {counts.get('fn')} missed"
        return f"{text}: {self._to(self.failures)}"

    def _limits(self) -> str | None:
        return (
            f"Known limits: {self._to('bundle/MODEL_CARD.md')}; warnings: {self._to('report.html')}"
        )

    def _details(self) -> str | None:
        return f"Configuration, seeds, versions: {self._to('run.json')}"

    def _never_updated(self) -> str | None:
        if "bundle_unchanged" not in self.passed:
            return None
        return f"It was not: the bundle is that of the training. {self._to('bundle/bundle.json')}"

    def _recomputed(self) -> str | None:
        if "predictions_recompute" not in self.passed:
            return None
        return (
            f"By the bundle alone; the audit scored every row again within 1e-5. "
            f"{self._to('predictions.parquet')}"
        )

    def _threshold(self) -> str | None:
        value, rule, origin = self.run.threshold
        if "threshold" not in self.passed:
            return None
        where = self._to("bundle/bundle.json")
        return f"Probabilities; threshold {value:.4g} by {rule} on {origin}: {where}"

    def _subgroups(self) -> str | None:
        return self._if_there("evaluation/subgroups.json", "Subgroups:")

    def _blind_pixels(self) -> str | None:
        return None

    def _no_univariable(self) -> str | None:
        recipes = [r for r in self.config.get("recipes", []) if isinstance(r, dict)]
        if any(recipe.get("select") for recipe in recipes):
            return None
        return f"No selection by single tests: {self._to('run.json')}"

    def _held_out(self) -> str | None:
        if not {"groups_and_patients", "threshold", "metrics_recompute"} <= self.passed:
            return None
        return (
            f"Test patients apart, threshold from validation patients: {self._to('splits.parquet')}"
        )


def _estimate(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None or metric["low"] is None:
        return "undefined"
    return f"{metric['value']:.2f} ({metric['low']:.2f} to {metric['high']:.2f})"
