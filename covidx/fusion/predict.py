"""New patients and a bundle of P3: images and clinical rows, joined by patient, and scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from covidx.clinical.apply import numbers_for, read_for
from covidx.domain import outside_ranges
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.fusion.bundle import FusionParts, read_parts, write_parts
from covidx.fusion.image_inputs import PatientImages, image_arm, read_patients
from covidx.fusion.patients import make_arms
from covidx.inference.prediction import InputSource, Payload, Prediction
from covidx.inference.predictor import Predictor, decided
from covidx.inference.reading import Inputs
from covidx.ingest.identity import Identities
from covidx.wording import counted

SHOWN = 3
AVAILABLE = {
    "p1+p2": "image and clinical row are available",
    "p1": "only the image is available: no clinical value is known",
    "p2": "only the clinical row is available: there is no image",
}


@dataclass(frozen=True)
class FusionPayload(Payload):
    """What each arm contributes to a patient's score.

    Parameters
    ----------
    arms_used : str
        ``p1+p2``, ``p1`` or ``p2``: the available modalities.
    p1, p2 : float, optional
        Each arm's own probability, P1 calibrated.
    base, image, clinical : float, optional
        Log odds: without any arm, and the contribution of each; they sum to the score's.
    unknown : tuple of str
        Clinical values that are unknown.
    """

    arms_used: str = ""
    p1: float | None = None
    p2: float | None = None
    base: float | None = None
    image: float | None = None
    clinical: float | None = None
    unknown: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Available modalities, each arm's probability, contributions, unknown values."""
        if self.base is None:
            return []
        own = [(n, v) for n, v in (("P1", self.p1), ("P2", self.p2)) if v is not None]
        lines = [
            AVAILABLE[self.arms_used],
            "by itself: " + ", ".join(f"{name} {value:.3f}" for name, value in own),
            f"contributions in log odds: base {self.base:+.2f}, image {self.image:+.2f}, "
            f"clinical {self.clinical:+.2f}",
        ]
        return lines + ([f"unknown: {', '.join(self.unknown)}"] if self.unknown else [])


@dataclass(frozen=True, eq=False, repr=False)
class FusionPredictor(FusionParts, Predictor):
    """P3 in memory, ready to score."""

    @property
    def device(self) -> torch.device:
        """Where P1's network lies."""
        return self.image.device

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> FusionPredictor:
        """Read a bundle and the bundles in it, and prove that it gives the scores that it gave.

        Parameters
        ----------
        folder : Path
            As `read_parts`.
        device : str
            As `Predictor.load`.

        Raises
        ------
        BundleError
            As `read_parts`.
        """
        return cls(**vars(read_parts(folder, device)))

    def save(self, folder: Path) -> FusionPredictor:
        """Write how the arms are fused, and read all of it back.

        Parameters
        ----------
        folder : Path
            With P1's bundle in ``image`` and each clinical one in ``clinical/<name>``.
        """
        write_parts(folder, self.bundle, self.fuser, self.image, self.clinical)
        return FusionPredictor.load(folder, str(self.device))

    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """A prediction for every patient who has an image, a clinical row, or both.

        Parameters
        ----------
        inputs : Inputs
            One row of the table without a patient id belongs to the one patient of the images.

        Raises
        ------
        InvalidTableError
            ``PATIENT_COLUMN_MISSING``, or as `read_for`: a missing column, an unknown code, a value
            of another unit.
        InvalidInputError
            ``NOBODY_HAS_BOTH``: no row is of a patient of the images.
        """
        rows = None
        if inputs.table is not None:
            rows = read_for(self.rows, inputs.table, inputs.identities)
        patients, unread = read_patients(self, inputs)
        names = [column.name for column in self.rows.columns]
        values = pd.DataFrame(columns=names, dtype=float)
        lines: dict[str, int] = {}
        if rows is not None and inputs.table is not None:
            rows = _joined(rows, patients, self.rows.patient_column, inputs.table)
            lines = dict(zip(rows["patient_id"], (rows.index + 2).tolist(), strict=True))
            values = rows.set_index("patient_id")[names]
        yield from self._of_patients(patients, values, lines, inputs)
        for source, _, problem in unread:
            blank = Prediction(source, threshold=self.bundle.threshold, payload=FusionPayload())
            yield replace(blank, problem=problem, complete=False)

    def of_frame(self, table: pd.DataFrame) -> Iterator[Prediction]:
        """A prediction for each row of a table in memory.

        Parameters
        ----------
        table : DataFrame
            Column ``path`` of a patient's images, empty for none, and those of the training table.

        Raises
        ------
        InvalidInputError
            ``SEVERAL_PATIENTS``: the images of a row are of more than one.
        InvalidTableError
            As `numbers_for`.
        """
        cells = table.reset_index(drop=True)
        cells = cells.astype(str).where(cells.notna(), np.nan)
        for number, path in enumerate(cells["path"], 1):
            values = numbers_for(self.rows, cells.iloc[[number - 1]], None)
            named = [Path(path)] if isinstance(path, str) and path else []
            inputs = Inputs(named, None, Identities.keyed())
            patients, unread = read_patients(self, inputs)
            if len(patients) > 1:
                raise InvalidInputError(
                    "SEVERAL_PATIENTS",
                    "The images of one clinical row belong to several patients.",
                    path=path,
                    actual=f"{len(patients)} patients",
                    hint="Name the images of one patient in each row.",
                )
            key = next(iter(patients), "row")
            (found,) = self._of_patients(patients, values.set_axis([key]), {}, inputs)
            problems = [one for one in (*(u.problem for u in unread), found.problem) if one]
            source = replace(found.source, number=number)
            yield replace(found, source=source, problem="; ".join(problems) or None)

    def _of_patients(
        self,
        patients: dict[str, PatientImages],
        values: pd.DataFrame,
        lines: Mapping[str, int],
        inputs: Inputs,
    ) -> Iterator[Prediction]:
        keys = list(dict.fromkeys([*patients, *values.index]))
        arms = make_arms(
            pd.DataFrame({"patient_id": keys}), image_arm(self, patients), values, self.clinical
        )
        available, parts = arms.available, self.fuser.contributions(arms)
        scores = parts.scores(available)
        own = {"p1": expit(arms.image), "p2": expit(arms.clinical.iloc[:, 0].to_numpy(np.float64))}
        own |= {"base": parts.base, "image": parts.image, "clinical": parts.clinical}
        rest, positive = self.bundle.classes
        for place, key in enumerate(keys):
            gaps: tuple[str, ...] = ()
            if key in values.index:
                row = arms.values.iloc[place]
                gaps = tuple(str(name) for name in row.index[row.isna()])
            draft = self._draft(key, patients.get(key), values, inputs)
            draft = replace(draft, source=replace(draft.source, row=lines.get(key)))
            used, score = str(available[place]), float(scores[place])
            if np.isnan(score):
                problem = draft.problem or "NO_ARM: no image, and no value is known"
                payload = FusionPayload(used, unknown=gaps)
                yield replace(draft, problem=problem, payload=payload, complete=False)
                continue
            known = {n: float(v[place]) for n, v in own.items() if not np.isnan(v[place])}
            payload = FusionPayload(used, **known, unknown=gaps)
            shares = {rest: 1 - score, positive: score}
            yield replace(decided(self.bundle, draft, shares), payload=payload)

    def _draft(
        self, key: str, own: PatientImages | None, values: pd.DataFrame, inputs: Inputs
    ) -> Prediction:
        """What is known of a patient without the models."""
        outside: list[str] = [] if own is None else list(own.outside)
        if key in values.index and values.loc[key].notna().any():
            known = values.to_dict("index")[key]
            row = {str(name): float(value) for name, value in known.items()}
            # Of a patient with an image, the image tells whether it is simulated.
            simulated = inputs.simulated if own is None else None
            outside += outside_ranges(self.bundle.trained_on, row, simulated=simulated)
        source = InputSource(0, "", "", patient_id=key) if own is None else own.source
        return Prediction(
            source,
            threshold=self.bundle.threshold,
            outside=tuple(dict.fromkeys(outside)),
            problem=None if own is None else "; ".join(own.problems) or None,
            receipts=() if own is None else tuple(own.receipts),
        )


def _joined(
    rows: pd.DataFrame, patients: Mapping[str, PatientImages], column: str | None, table: Path
) -> pd.DataFrame:
    """The rows with the patients of the images."""
    if not rows.attrs["named"] and patients:
        if len(rows) > 1 or len(patients) > 1:
            raise InvalidTableError(
                "PATIENT_COLUMN_MISSING",
                "The clinical table does not name the patient of each row.",
                path=table,
                expected=f"a column {column or 'of patient ids'}, or one row for one patient",
                actual=f"{counted(len(rows), 'row')}, images of {len(patients)}",
                hint=(
                    "Add that column with the PatientIDs of the images, or predict one "
                    "patient at a time."
                ),
            )
        return rows.assign(patient_id=list(patients))
    if patients and not set(rows["patient_id"]) & set(patients):
        raise InvalidInputError(
            "NOBODY_HAS_BOTH",
            "No row of the clinical table belongs to a patient of the images.",
            path=table,
            expected=f"patient ids such as {next(iter(patients))}",
            actual=", ".join(rows["patient_id"].head(SHOWN)),
            hint="Use the PatientIDs of the DICOM files in the table; shown here are pseudonyms.",
        )
    return rows
