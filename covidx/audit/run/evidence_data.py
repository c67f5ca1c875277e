"""What a run shows of its data, for an item of a reporting checklist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from covidx.audit.finding import Finding
from covidx.audit.run.folder import RunParts
from covidx.cards import CARD_FOLDER, DataCard, card_digest, load_card
from covidx.wording import counted

ROLES = ("train", "validation", "test")


class DataEvidence:
    """Answers about data: who, from where, prepared and divided how.

    Parameters
    ----------
    run : RunParts
        A run of a classifier.
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
        self.config: Mapping[str, Any] = run.record.config

    def _to(self, name: str) -> str:
        return f"[{name}]({self.link}/{name})"

    def _if_there(self, name: str, words: str) -> str | None:
        return f"{words} {self._to(name)}" if (self.run.folder / name).exists() else None

    def _source(self) -> str | None:
        if self.card is None:
            return None
        text = f"Data card of {self.card.identifier} ({self.card.domain}), {self.card.citation}"
        return f"{text} Digest in {self._to('run.json')}"

    def _exclusions(self) -> str | None:
        if self.run.manifest is None:
            return None
        table = pd.read_parquet(self.run.folder / "quarantine.parquet")
        codes = (table["kind"].str.replace("_", " ") + " " + table["code"]).value_counts()
        text = ", ".join(f"{n} {what}" for what, n in codes.sort_index().items())
        where = self._to("quarantine.parquet")
        return f"Files not used, each with its reason: {text or 'none'}. {where}"

    def _preprocessing(self) -> str | None:
        return f"One pipeline for all rows: {self._to('bundle/bundle.json')}"

    def _identity(self) -> str | None:
        if "identity" not in self.passed:
            return None
        public = self.run.record.source is not None and self.run.record.source.public_ids
        how = "ids are public by the card" if public else "pseudonyms by a keyed hash"
        return f"{how.capitalize()}; the audit found no identity in the run (audit.json: identity)"

    def _missing(self) -> str | None:
        return None

    def _gaps(self, imputation: str) -> str | None:
        """Share of unknown clinical values, and what was done about them."""
        if self.run.clinical is None:
            return None
        gaps = self.run.clinical.drop(columns="patient_id").isna().mean().mean()
        return f"{gaps:.0%} of values unknown; {imputation}: {self._to('run.json')}"

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
        return None

    def _predictors(self) -> str | None:
        return None

    def _label_origin(self) -> str | None:
        return None if self.card is None else f"{self.card.label_origin} (data card)"

    def _division(self) -> str | None:
        counts = self.run.splits.drop_duplicates(["role", "group_id"])["role"].value_counts()
        text = ", ".join(f"{counts.get(role, 0)} {role}" for role in ROLES)
        how = self.config.get("division", {"by": "patient"})["by"]
        where = self._to("splits.parquet")
        return f"By {how}, no group divided, seed {self.config['seed']}: {text} groups. {where}"

    def _disjoint(self) -> str | None:
        if "groups_and_patients" not in self.passed:
            return None
        near = ", near-duplicates" if "near_duplicates" in self.passed else ""
        return (
            f"Patient and group{near}; the audit found none divided. {self._to('splits.parquet')}"
        )

    def _numbers(self) -> str | None:
        table = self.run.predictions
        table = table[table["arm"] == self.run.arm]
        counts = table.groupby(["role", "label"])["patient_id"].nunique().unstack(fill_value=0)
        text = "; ".join(
            f"{role}: " + ", ".join(f"{n} {name}" for name, n in counts.loc[role].items())
            for role in ROLES
            if role in counts.index
        )
        return f"Patients: {text}. {self._to('predictions.parquet')}"

    def _characteristics(self) -> str | None:
        rows = self._people()
        if rows is None or (rows["age"].isna().all() and rows["sex"].isna().all()):
            return None
        parts = []
        for role in ROLES:
            part = rows[rows["role"] == role]
            age, known = part["age"].median(), part["sex"].dropna()
            years = "age unknown" if pd.isna(age) else f"median age {age:g}"
            counts = known.value_counts().sort_index()
            sexes = ", ".join(f"{n} {name}" for name, n in counts.items())
            parts.append(f"{role}: {years}, {sexes or 'sex unknown'}")
        name = "clinical.parquet" if self.run.manifest is None else "manifest.parquet"
        return f"{'; '.join(parts)}. {self._to(name)}"

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
        days = table["acquired"].dropna()
        shifted = self.run.record.source is not None and not self.run.record.source.public_ids
        if shifted:  # dates are moved by patient there
            return None
        return f"{days.min()} to {days.max()}: {self._to('manifest.parquet')}"

    def _centres(self) -> str | None:
        table = self.run.manifest
        if table is None or table["site"].isna().all():
            return None
        return f"{counted(table['site'].nunique(), 'site')}: {self._to('manifest.parquet')}"

    def _same_set(self) -> str | None:
        how = self.config.get("division", {"by": "patient"})["by"]
        apart = "chance alone" if how == "patient" else f"the {how}"
        return f"One data set, divided by {how}: {apart} tells them apart. {self._to('run.json')}"

    def _known_in_time(self) -> str | None:
        where = self._to("run.json")
        return f"Columns known only after the diagnosis are refused by the card: {where}"


def _card(run: RunParts) -> DataCard | None:
    """The card that the run names, if covidx has it as it was then."""
    path = CARD_FOLDER / f"{run.record.data['dataset']}.yaml"
    card = load_card(path) if path.is_file() else None
    digest = run.record.data.get("card_sha256")
    return card if card is not None and card_digest(card) == digest else None
