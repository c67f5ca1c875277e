"""What a run shows for an item of a reporting checklist, with links to the files that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from covidx.audit.finding import Finding
from covidx.audit.run.folder import RunParts
from covidx.cards import CARD_FOLDER, DataCard, card_digest, load_card
from covidx.clinical import ClinicalBundle
from covidx.fusion import FusionBundle
from covidx.training import Bundle

__all__ = ["Evidence"]

ROLES = ("train", "validation", "test")


class Evidence:
    """Answers by key; None where the run shows nothing.

    Parameters
    ----------
    run : RunParts
    findings : sequence of Finding
        Of its audit: what failed there is no evidence.
    link : str
        Path of the run's folder from where the checklist lies.
    """

    def __init__(self, run: RunParts, findings: Sequence[Finding], link: str) -> None:
        self.run = run
        self.passed = {finding.name for finding in findings if finding.verdict == "pass"}
        self.link = link
        self.card = _card(run)
        self.config: Mapping[str, Any] = run.record["config"]

    def __call__(self, key: str) -> str | None:
        """A sentence in Markdown with links, or None."""
        found: str | None = getattr(self, f"_{key}")()
        return found

    def _to(self, name: str) -> str:
        return f"[{name}]({self.link}/{name})"

    def _if_there(self, name: str, words: str) -> str | None:
        return f"{words} {self._to(name)}" if (self.run.folder / name).exists() else None

    def _model(self) -> str | None:
        bundle = self.run.bundle
        if isinstance(bundle, Bundle):
            return (
                f"{bundle.architecture.backbone}, deep learning: {self._to('bundle/bundle.json')}"
            )
        what = f"{bundle.recipe.name} ({bundle.recipe.kind})"
        return f"{what}: {self._to('bundle/bundle.json')}"

    def _intended_use(self) -> str | None:
        return f"Research alone, no use in care: {self._to('bundle/MODEL_CARD.md')}"

    def _goal(self) -> str | None:
        return (
            f"A model is built and tested on held-out patients of one data set "
            f"({self.run.record['pipeline']}): {self._to('run.json')}"
        )

    def _source(self) -> str | None:
        if self.card is None:
            return None
        said = f"Data card of {self.card.identifier} ({self.card.domain}), {self.card.citation}"
        return f"{said} Digest in {self._to('run.json')}"

    def _exclusions(self) -> str | None:
        if self.run.manifest is None:
            return None
        table = pd.read_parquet(self.run.folder / "quarantine.parquet")
        codes = (table["kind"].str.replace("_", " ") + " " + table["code"]).value_counts()
        said = ", ".join(f"{n} {what}" for what, n in codes.sort_index().items())
        where = self._to("quarantine.parquet")
        return f"Files not used, each with its reason: {said or 'none'}. {where}"

    def _preprocessing(self) -> str | None:
        bundle = self.run.bundle
        if isinstance(bundle, Bundle):
            how = ", ".join(f"{k} {v}" for k, v in bundle.preprocessing.model_dump().items())
            return f"One code for all images ({how}): {self._to('bundle/bundle.json')}"
        return f"One pipeline for all rows: {self._to('bundle/bundle.json')}"

    def _identity(self) -> str | None:
        if "identity" not in self.passed:
            return None
        public = bool((self.run.record.get("source") or {}).get("public_ids"))
        how = "ids are public by the card" if public else "pseudonyms by a keyed hash"
        return f"{how.capitalize()}; the audit found no identity in the run (audit.json: identity)"

    def _missing(self) -> str | None:
        if self.run.clinical is None or isinstance(self.run.bundle, Bundle):
            return None
        gaps = self.run.clinical.drop(columns="patient_id").isna().mean().mean()
        how = sorted({str(r.get("missing", "median")) for r in self.config.get("recipes", [])})
        if isinstance(self.run.bundle, FusionBundle):
            how = ["by the recipe of each arm"]
        return f"{gaps:.0%} of values unknown; {', '.join(how)}: {self._to('run.json')}"

    def _acquisition(self) -> str | None:
        table = self.run.manifest
        if table is None:
            return None
        makers = ", ".join(sorted(table["manufacturer"].dropna().unique())) or "unknown makers"
        mm = table["slice_thickness_mm"].dropna()
        thick = f", slices of {mm.min():g} to {mm.max():g} mm" if len(mm) else ""
        kinds = ", ".join(sorted(table["modality"].unique()))
        return f"{kinds}, {makers}{thick}; by image in {self._to('manifest.parquet')}"

    def _columns(self) -> str | None:
        if not isinstance(self.run.bundle, ClinicalBundle):
            return None
        n = len(self.run.bundle.columns)
        return f"{n} columns with meaning, unit and range: {self._to('bundle/MODEL_CARD.md')}"

    def _predictors(self) -> str | None:
        if not isinstance(self.run.bundle, ClinicalBundle):
            return None
        how = (
            "those of the card" if self.config["features"] is None else "those of the configuration"
        )
        return f"{how.capitalize()}; none is chosen by its outcome: {self._to('run.json')}"

    def _label_origin(self) -> str | None:
        return None if self.card is None else f"{self.card.label_origin} (data card)"

    def _division(self) -> str | None:
        counts = self.run.splits.drop_duplicates(["role", "group_id"])["role"].value_counts()
        said = ", ".join(f"{counts.get(role, 0)} {role}" for role in ROLES)
        return f"By group, seed {self.config['seed']}: {said} groups. {self._to('splits.parquet')}"

    def _disjoint(self) -> str | None:
        if "groups_and_patients" not in self.passed:
            return None
        near = ", near-duplicates" if "near_duplicates" in self.passed else ""
        return (
            f"Patient and group{near}; the audit found none divided. {self._to('splits.parquet')}"
        )

    def _bundle(self) -> str | None:
        if "bundle_unchanged" not in self.passed:
            return None
        return f"The whole model, with known answers to made-up cases: {self._to('bundle')}"

    def _software(self) -> str | None:
        said = ", ".join(f"{k} {v}" for k, v in self.run.record["versions"].items())
        return f"{said}; digest of the lock: {self._to('run.json')}"

    def _code(self) -> str | None:
        commit = self.run.record.get("git_commit")
        if not commit or str(commit).endswith("+changes"):
            return None
        return f"covidx, commit {commit}: {self._to('run.json')}"

    def _initial(self) -> str | None:
        if self.run.kind != "image":
            return None
        own = self._recipe()["learning"]["pretrained"]
        return (
            f"{'ImageNet' if own else 'Chance'}, seed {self.config['seed']}: {self._to('run.json')}"
        )

    def _recipe(self) -> Mapping[str, Any]:
        """The configuration that the run's kind of image took."""
        assert isinstance(self.run.bundle, Bundle)
        found: Mapping[str, Any] = self.config[self.run.bundle.preprocessing.input]
        return found

    def _training(self) -> str | None:
        if self.run.kind == "image":
            how = {k: v for k, v in self._recipe()["learning"].items() if k != "augmentation"}
            said = ", ".join(f"{k} {v}" for k, v in how.items())
            curves = f"; curves: {self._to('figures/training.png')}"
            return f"{said}; augmentation: {self._to('run.json')}{curves}"
        return f"Every hyper-parameter: {self._to('run.json')}"

    def _selection(self) -> str | None:
        if self.run.kind == "image":
            return f"Lowest loss on validation patients: {self._to('report.html')}"
        if self.run.kind == "clinical":
            return f"Mean AUROC of inner folds of training rows: {self._to('models.json')}"
        return f"AUROC on validation patients: {self._to('report.html')}"

    def _ensemble(self) -> str | None:
        if self.run.kind == "fusion":
            return f"Image and clinical arm, fused: {self._to('arms.json')}"
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
            f"95 % intervals, over {groups} independent groups of {n} rows (AUROC: {method}): "
            f"{self._to('metrics.json')}"
        )

    def _robustness(self) -> str | None:
        return self._if_there("missing_arms.json", "Without an arm:") or self._if_there(
            "drift.json", "By week:"
        )

    def _explanation(self) -> str | None:
        if self.run.kind == "image":
            return f"Grad-CAM, examined by hiding the hot and the cold part: {self._to('cases')}"
        name = {"clinical": "importance.json", "fusion": "contributions.csv"}[self.run.kind]
        return self._if_there(name, "What moved the score:")

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
        said = ", ".join(
            f"{name} {_estimate(self.run.metrics[name])}" for name in ("sensitivity", "specificity")
        )
        return f"{said}: {self._to('confusion.json')}"

    def _failures(self) -> str | None:
        counts = self.run.confusion.get("at_threshold", {})
        said = f"{counts.get('fp')} false alarms, {counts.get('fn')} missed"
        where = self._to("cases") if self.run.kind == "image" else self._to("confusion.json")
        return f"{said}: {where}"

    def _numbers(self) -> str | None:
        table = self.run.predictions
        table = table[table["arm"] == self.run.arm]
        counts = table.groupby(["role", "label"])["patient_id"].nunique().unstack(fill_value=0)
        said = "; ".join(
            f"{role}: " + ", ".join(f"{n} {name}" for name, n in counts.loc[role].items())
            for role in ROLES
            if role in counts.index
        )
        return f"Patients: {said}. {self._to('predictions.parquet')}"

    def _characteristics(self) -> str | None:
        table = self.run.manifest
        if table is None or (table["age"].isna().all() and table["sex"].isna().all()):
            return None
        roles = self.run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
        rows = table.assign(role=table["group_id"].map(roles)).drop_duplicates("patient_id")
        parts = []
        for role in ROLES:
            part = rows[rows["role"] == role]
            age, known = part["age"].median(), part["sex"].dropna()
            years = "age unknown" if pd.isna(age) else f"median age {age:g}"
            sexes = ", ".join(
                f"{n} {name}" for name, n in known.value_counts().sort_index().items()
            )
            parts.append(f"{role}: {years}, {sexes or 'sex unknown'}")
        return f"{'; '.join(parts)}. {self._to('manifest.parquet')}"

    def _limits(self) -> str | None:
        return (
            f"Known limits: {self._to('bundle/MODEL_CARD.md')}; warnings: {self._to('report.html')}"
        )

    def _details(self) -> str | None:
        return f"Configuration, seeds, versions: {self._to('run.json')}"

    def _licence(self) -> str | None:
        if self.card is None:
            return None
        where = f", {self.card.url}" if self.card.url else ""
        return f"{self.card.identifier}: {self.card.licence}{where} (data card)"

    def _dates(self) -> str | None:
        table = self.run.manifest
        if table is None or table["acquired"].isna().all():
            return None
        days = table["acquired"].dropna()
        shifted = not (self.run.record.get("source") or {}).get("public_ids", True)
        if shifted:  # dates are moved by patient there
            return None
        return f"{days.min()} to {days.max()}: {self._to('manifest.parquet')}"

    def _centres(self) -> str | None:
        table = self.run.manifest
        if table is None or table["site"].isna().all():
            return None
        return f"{table['site'].nunique()} sites: {self._to('manifest.parquet')}"

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

    def _same_set(self) -> str | None:
        return f"One data set, divided by group: nothing but chance. {self._to('splits.parquet')}"

    def _subgroups(self) -> str | None:
        return self._if_there("evaluation/subgroups.json", "Subgroups:")

    def _blind_pixels(self) -> str | None:
        if self.run.kind != "image":
            return None
        return f"Pixels are scored by code that sees no label: {self._to('bundle')}"

    def _known_in_time(self) -> str | None:
        if self.run.kind == "image":
            return f"The image is there when the model is asked: {self._to('bundle/bundle.json')}"
        where = self._to("run.json")
        return f"Columns known only after the diagnosis are refused by the card: {where}"

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


def _card(run: RunParts) -> DataCard | None:
    """The card that the run names, if covidx has it as it was then."""
    path = CARD_FOLDER / f"{run.record['data']['dataset']}.yaml"
    card = load_card(path) if path.is_file() else None
    digest = run.record["data"].get("card_sha256")
    return card if card is not None and card_digest(card) == digest else None


def _estimate(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None or metric["low"] is None:
        return "undefined"
    return f"{metric['value']:.2f} ({metric['low']:.2f} to {metric['high']:.2f})"
