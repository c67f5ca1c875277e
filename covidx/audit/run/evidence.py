"""What a run shows for an item of a reporting checklist, with links to the files that show it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from covidx.audit.finding import Finding
from covidx.audit.run.folder import RunParts
from covidx.cards import CARD_FOLDER, DataCard, card_digest, load_card
from covidx.config import Config, load_config
from covidx.tables import OUT_OF_FOLD
from covidx.wording import counted

ROLES = ("train", "validation", "test")
LINK = re.compile(r"<([\w./]+)>")


class Entry(Config):
    """Evidence that needs no counting: its text, checks that must have passed, a file."""

    text: str
    needs: frozenset[str] = frozenset()
    file: str = ""


class Entries(Config):
    """The entries of ``evidence.yaml`` by key; None where only some kinds of model have one."""

    entries: dict[str, Entry | None]


@cache
def _entries() -> dict[str, Entry | None]:
    return load_config(Path(__file__).with_suffix(".yaml"), Entries).entries


class Evidence:
    """Evidence by key, from ``evidence.yaml`` or a method; None where the run shows nothing.

    A kind of model that can show more has a child of this class, named by `ModelKind.evidence`.

    Parameters
    ----------
    run : RunParts
        A run of a classifier.
    findings : sequence of Finding
        Of its audit: what failed there is no evidence.
    link : str
        Path of the run's folder from where the checklist lies.
    """

    texts: ClassVar[Mapping[str, str]] = {}
    """Entries of a kind of model, in place of those that all have."""
    failures: ClassVar[str] = "confusion.json"
    """Where the wrong decisions can be looked at."""

    def __init__(self, run: RunParts, findings: Sequence[Finding], link: str) -> None:
        self.run = run
        self.passed = {finding.name for finding in findings if finding.verdict == "pass"}
        self.link = link
        self.card = _card(run)
        self.config: Mapping[str, Any] = run.record.config

    @property
    def fields(self) -> Any:
        """The bundle, with the fields of its kind."""
        return self.run.bundle

    def __call__(self, key: str) -> str | None:
        """A sentence in Markdown with links, or None."""
        method = getattr(self, f"_{key}", None)
        if method is not None:
            text: str | None = method()
            return text if text is None else self._linked(text)
        entry = Entry(text=self.texts[key]) if key in self.texts else _entries()[key]
        if entry is None or not entry.needs <= self.passed:
            return None
        if not (self.run.folder / entry.file).exists():
            return None
        return self._linked(entry.text.format(run=self.run))

    def _linked(self, text: str) -> str:
        """The text with each ``<file>`` as a link into the run's folder."""
        return LINK.sub(lambda match: f"[{match[1]}]({self.link}/{match[1]})", text)

    def _if_there(self, name: str, words: str) -> str | None:
        return f"{words} <{name}>" if (self.run.folder / name).exists() else None

    def _source(self) -> str | None:
        if self.card is None:
            return None
        text = f"Data card of {self.card.identifier} ({self.card.domain}), {self.card.citation}"
        return f"{text} Digest in <run.json>"

    def _exclusions(self) -> str | None:
        if self.run.manifest is None:
            return None
        table = pd.read_parquet(self.run.folder / "quarantine.parquet")
        codes = (table["kind"].str.replace("_", " ") + " " + table["code"]).value_counts()
        text = ", ".join(f"{n} {what}" for what, n in codes.sort_index().items())
        return f"Files not used, each with its reason: {text or 'none'}. <quarantine.parquet>"

    def _identity(self) -> str | None:
        if "identity" not in self.passed:
            return None
        ids = "Ids are public by the card" if self._public else "Pseudonyms by a keyed hash"
        return f"{ids}; the audit found no identity in the run (audit.json: identity)"

    @property
    def _public(self) -> bool:
        """Whether the run's source has public ids; unknown ones are not."""
        return self.run.record.source is not None and self.run.record.source.public_ids

    def _gaps(self, imputation: str) -> str | None:
        """Share of unknown clinical values, and what was done about them."""
        if self.run.clinical is None:
            return None
        gaps = self.run.clinical.drop(columns="patient_id").isna().mean().mean()
        return f"{gaps:.0%} of values unknown; {imputation}: <run.json>"

    def _acquisition(self) -> str | None:
        table = self.run.manifest
        if table is None:
            return None
        makers = ", ".join(sorted(table["manufacturer"].dropna().unique())) or "unknown makers"
        mm = table["slice_thickness_mm"].dropna()
        thick = f", slices of {mm.min():g} to {mm.max():g} mm" if len(mm) else ""
        kinds = ", ".join(sorted(table["modality"].unique()))
        return f"{kinds}, {makers}{thick}; by image in <manifest.parquet>"

    def _label_origin(self) -> str | None:
        return None if self.card is None else f"{self.card.label_origin} (data card)"

    @property
    def _divided_by(self) -> str:
        return str(self.config.get("division", {"by": "patient"})["by"])

    def _division(self) -> str | None:
        counts = self.run.splits.drop_duplicates(["role", "group_id"])["role"].value_counts()
        text = ", ".join(f"{counts[role]} {role}" for role in ROLES if role in counts)
        seed = self.config["seed"]
        return (
            f"By {self._divided_by}, no group divided, seed {seed}: {text} groups. <splits.parquet>"
        )

    def _disjoint(self) -> str | None:
        if "groups_and_patients" not in self.passed:
            return None
        near = ", near-duplicates" if "near_duplicates" in self.passed else ""
        return f"Patient and group{near}; the audit found none divided. <splits.parquet>"

    def _numbers(self) -> str | None:
        table = self.run.predictions
        table = table[table["arm"] == self.run.arm]
        table = table.assign(role=table["role"].replace(OUT_OF_FOLD, "train"))
        counts = table.groupby(["role", "label"])["patient_id"].nunique().unstack(fill_value=0)
        text = "; ".join(
            f"{role}: " + ", ".join(f"{n} {name}" for name, n in counts.loc[role].items())
            for role in ROLES
            if role in counts.index
        )
        return f"Patients: {text}. <predictions.parquet>"

    def _characteristics(self) -> str | None:
        rows = self._people()
        if rows is None or (rows["age"].isna().all() and rows["sex"].isna().all()):
            return None
        parts = []
        for role in ROLES:
            part = rows[rows["role"] == role]
            if part.empty:  # where models are cross-fitted, nobody validates
                continue
            age, known = part["age"].median(), part["sex"].dropna()
            years = "age unknown" if pd.isna(age) else f"median age {age:g}"
            counts = known.value_counts().sort_index()
            sexes = ", ".join(f"{n} {name}" for name, n in counts.items())
            parts.append(f"{role}: {years}, {sexes or 'sex unknown'}")
        name = "clinical.parquet" if self.run.manifest is None else "manifest.parquet"
        return f"{'; '.join(parts)}. <{name}>"

    def _people(self) -> pd.DataFrame | None:
        """Role, age and sex of each patient, where the run knows them."""
        if self.run.manifest is None:
            return None
        roles = self.run.splits.drop_duplicates("group_id").set_index("group_id")["role"]
        table = self.run.manifest
        table = table.assign(role=table["group_id"].map(roles))
        return table.drop_duplicates("patient_id")[["role", "age", "sex"]]

    def _licence(self) -> str | None:
        if self.card is None:
            return None
        where = f", {self.card.url}" if self.card.url else ""
        return f"{self.card.identifier}: {self.card.licence}{where} (data card)"

    def _dates(self) -> str | None:
        table = self.run.manifest
        if table is None or table["acquired"].isna().all():
            return None
        if self.run.record.source is not None and not self._public:  # dates are moved by patient
            return None
        days = table["acquired"].dropna()
        return f"{days.min()} to {days.max()}: <manifest.parquet>"

    def _centres(self) -> str | None:
        table = self.run.manifest
        if table is None or table["site"].isna().all():
            return None
        return f"{counted(table['site'].nunique(), 'site')}: <manifest.parquet>"

    def _same_set(self) -> str | None:
        by = self._divided_by
        apart = "chance alone" if by == "patient" else f"the {by}"
        return f"One data set, divided by {by}: {apart} tells them apart. <run.json>"

    def _software(self) -> str | None:
        text = ", ".join(f"{k} {v}" for k, v in self.run.record.versions.items())
        return f"{text}; digest of the lock: <run.json>"

    def _code(self) -> str | None:
        commit = self.run.record.git_commit
        if not commit or str(commit).endswith("+changes"):
            return None
        return f"covidx, commit {commit}: <run.json>"

    def _metrics(self) -> str | None:
        names = ", ".join(list(self.run.metrics)[:8])
        number = counted(len(self.run.metrics), "metric")
        return f"{number}, among them {names}: <metrics.json>; <figures/reliability.png>"

    def _intervals(self) -> str | None:
        groups = counted(self.run.confusion["groups"], "independent group")
        rows, method = counted(self.run.confusion["n"], "row"), self.run.metrics["auroc"]["method"]
        return f"95 % intervals, over {groups} of {rows} (AUROC: {method}): <metrics.json>"

    def _robustness(self) -> str | None:
        by_arm = self._if_there("missing_arms.json", "Without an arm:")
        return by_arm or self._if_there("drift.json", "By week:")

    def _internal(self) -> str | None:
        auroc, n = _estimate(self.run.metrics["auroc"]), self.run.confusion["n"]
        return f"AUROC {auroc}, {n} in the test: <metrics.json>"

    def _performance(self) -> str | None:
        if "metrics_recompute" not in self.passed:
            return None
        return f"{self._internal()}, <figures/roc.png>"

    def _decisions(self) -> str | None:
        if "metrics_recompute" not in self.passed:
            return None
        names = ("sensitivity", "specificity")
        text = ", ".join(f"{name} {_estimate(self.run.metrics[name])}" for name in names)
        return f"{text}: <confusion.json>"

    def _failures(self) -> str | None:
        counts = self.run.confusion.get("at_threshold", {})
        return f"{counts.get('fp')} false alarms, {counts.get('fn')} missed: <{self.failures}>"

    def _threshold(self) -> str | None:
        if "threshold" not in self.passed:
            return None
        value, rule, origin = self.run.threshold
        text = f"Probabilities; threshold {value:.4g} by {rule} on {origin}"
        return f"{text}: <bundle/bundle.json>"

    def _no_univariable(self) -> str | None:
        recipes = [r for r in self.config.get("recipes", []) if isinstance(r, dict)]
        if any(recipe.get("select") for recipe in recipes):
            return None
        return "No selection by single tests: <run.json>"


def _estimate(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None or metric["low"] is None:
        return "undefined"
    return f"{metric['value']:.2f} ({metric['low']:.2f} to {metric['high']:.2f})"


def _card(run: RunParts) -> DataCard | None:
    """The card that the run names, if covidx has it as it was then."""
    path = CARD_FOLDER / f"{run.record.data['dataset']}.yaml"
    card = load_card(path) if path.is_file() else None
    digest = run.record.data.get("card_sha256")
    return card if card is not None and card_digest(card) == digest else None
