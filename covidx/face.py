"""What ``import covidx`` offers: read, load, predict, heatmaps, train, compare, a run's results.

Each is loaded when it is asked for: importing covidx loads no library.
"""

from __future__ import annotations

import webbrowser
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from covidx.config import load_config
from covidx.constants import (
    EVIDENCE_COLOURS,
    EVIDENCE_CONTOURS,
    EVIDENCE_FLOOR,
    LUNG_WINDOW,
    RESEARCH_NOTICE,
)
from covidx.errors import InvalidInputError
from covidx.files import read_json
from covidx.html import picture, table
from covidx.inference import Predictions, Predictor, load
from covidx.inference.prediction import Prediction
from covidx.inference.reading import Inputs
from covidx.ingest import read_series
from covidx.ingest.nifti import write_nifti
from covidx.kinds import resolve, trainings
from covidx.runs import RunRecord, read_record
from covidx.tables import PREDICTIONS, read_table
from covidx.volume import Volume

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from covidx.explain.study import MapRecord
    from covidx.ingest.records import ReadImage

__all__ = ["EvidenceMap", "Run", "compare", "heatmaps", "load", "predict", "read", "train"]

Paths = Path | str | Sequence[Path | str]
Rule = Literal["youden", "sensitivity", "specificity", "cost"]


def read(path: Path | str) -> Volume:
    """Read one image: a DICOM series, multi-frame file, NIfTI, NRRD or MetaImage.

    Parameters
    ----------
    path : Path or str
        Folder or file.

    Returns
    -------
    Volume
        Axes (slices, rows, columns), with units and affine as far as they are proven.

    Raises
    ------
    CovidxError
        As `covidx.ingest.read_series`.
    """
    return read_series(Path(path))


def predict(bundle: Path | str | Predictor, paths: Paths, **options: Any) -> Predictions:
    """Predict from images or tables with a bundle of any kind.

    Parameters
    ----------
    bundle : Path, str or Predictor
        A bundle's folder, such as ``runs/train_ct/latest/bundle``, or one that is loaded.
    paths : Path, str, or a sequence of them
        DICOM folders or files, NIfTI, PNG or JPEG; of a clinical model tables.
    **options
        As `covidx.inference.reading.Inputs.of` takes them: table, card, identities.

    Returns
    -------
    Predictions
        In the order of the inputs; ``.to_frame()`` gives a table.

    Raises
    ------
    BundleError
        As `load`.
    """
    return _loaded(bundle).predict(paths, **options)


def _loaded(bundle: Path | str | Predictor) -> Predictor:
    return load(bundle) if isinstance(bundle, Path | str) else bundle


@dataclass(frozen=True, eq=False, repr=False)
class EvidenceMap:
    """Where an image has evidence for the positive class, on the image's own grid.

    Parameters
    ----------
    prediction : Prediction
        The model's result for the image.
    image, evidence : Volume
        The image, and log-odds from 0 on, both as they are stored: axes (slices, rows, columns).
        Maps that failed their exam are 0 in `evidence`.
    maps : tuple of MapRecord
        One a slice that decided, with the verdict of its exam.
    """

    prediction: Prediction
    image: Volume
    evidence: Volume
    maps: tuple[MapRecord, ...]

    @property
    def array(self) -> Any:
        """Log-odds, shape (slices, rows, columns)."""
        return self.evidence.array

    @property
    def affine(self) -> Any:
        """(column, row, slice) to mm in RAS+, shape (4, 4); None without a geometry."""
        return self.evidence.affine

    def save(self, path: Path | str) -> None:
        """Write the log-odds as NIfTI.

        Parameters
        ----------
        path : Path or str
            Such as ``heat.nii.gz``.
        """
        write_nifti(self.evidence, Path(path))

    def plot(self, index: int | None = None) -> Figure:
        """Draw a slice with contours of its evidence, the patient's right on the left.

        Parameters
        ----------
        index : int, optional
            From 0, caudal to cranial; by default the slice with most evidence.
        """
        from matplotlib.figure import Figure

        greys, heat, number, aspect = self._plane(index)
        figure = Figure(figsize=(5, 5 * aspect * greys.shape[0] / greys.shape[1] + 0.6))
        axes = figure.add_subplot()
        axes.imshow(greys, cmap="gray", aspect=aspect, vmin=0, vmax=255)
        levels = self._levels(float(self.evidence.array.max()))
        if levels and (heat > EVIDENCE_FLOOR).any():
            axes.contour(heat, levels=levels, colors=EVIDENCE_COLOURS, linewidths=1.2)
        axes.set_axis_off()
        if self.image.geometry == "proven":
            for letter, place in (("R", 0.02), ("L", 0.95)):
                axes.text(place, 0.5, letter, color="white", transform=axes.transAxes)
        axes.set_title(f"slice {number + 1} of {len(self.image.array)}; {self._words}", fontsize=8)
        return figure

    def __repr__(self) -> str:
        return f"EvidenceMap({self._words})"

    def _repr_html_(self) -> str:
        import io

        from PIL import Image

        out = io.BytesIO()
        self.plot().savefig(out, format="png", dpi=80)
        drawn = np.asarray(Image.open(out).convert("RGB"))
        return picture(drawn, RESEARCH_NOTICE) + table(repr(self), [], list(map(str, self.maps)))

    @property
    def _words(self) -> str:
        counts = Counter(one.exam["verdict"] for one in self.maps)
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common())
        score = self.prediction.score
        return f"score {'-' if score is None else f'{score:.3f}'}; maps: {verdicts or 'none'}"

    @staticmethod
    def _levels(top: float) -> list[float]:
        if top <= EVIDENCE_FLOOR:
            return []
        return [EVIDENCE_FLOOR + share * (top - EVIDENCE_FLOOR) for share in EVIDENCE_CONTOURS]

    def _plane(self, index: int | None) -> tuple[Any, Any, int, float]:
        image, evidence = self.image.canonical(), self.evidence.canonical()
        if index is None:
            index = int(evidence.array.max(axis=(1, 2)).argmax())
        level, width = LUNG_WINDOW if image.units != "display" else (127.5, 255.0)
        plane = image.array[index].astype(np.float32)
        greys = 255 * np.clip((plane - level + width / 2) / width, 0, 1)
        spacing = image.spacing_mm or (1.0, 1.0, 1.0)
        return greys, evidence.array[index], index, spacing[1] / spacing[2]


def heatmaps(bundle: Path | str, paths: Paths, *, method: str = "combined") -> list[EvidenceMap]:
    """Map what speaks for the positive class in each image; each map has been examined.

    Parameters
    ----------
    bundle : Path or str
        Of an image classifier, or of a fusion, whose image arm is mapped.
    paths : Path, str, or a sequence of them
        DICOM folders or files, NIfTI, PNG or JPEG.
    method : str
        In `covidx.explain.METHODS`.

    Raises
    ------
    InvalidInputError
        ``METHOD_UNKNOWN``; ``NO_HEATMAP``: an image could not be read or mapped.
    BundleError
        As `load`.
    """
    from covidx.explain.study import HeatmapPayload, load_explainer
    from covidx.inference.predictor import image_predictions

    explainer = load_explainer(Path(bundle), method)
    volumes: list[Volume] = []

    class Keeping:
        """The explainer, which keeps each image for its map."""

        bundle = explainer.bundle
        empty_payload = explainer.empty_payload

        def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
            """As the explainer."""
            found = explainer.of_image(image, draft)
            volumes.append(image.volume)
            return found

    made = []
    for one in image_predictions(Keeping(), Inputs.of(paths)):
        payload = one.payload
        if one.problem or not isinstance(payload, HeatmapPayload) or payload.volume is None:
            raise InvalidInputError(
                "NO_HEATMAP",
                "An image could not be mapped.",
                path=one.source.place,
                actual=one.problem,
                hint="Leave it out, or see covidx predict for what is wrong with it.",
            )
        kept = replace(one, payload=replace(payload, volume=None))
        made.append(EvidenceMap(kept, volumes[-1], payload.volume, payload.maps))
    return made


@dataclass(frozen=True)
class Run:
    """A finished run: its figures, predictions, bundle and report.

    Parameters
    ----------
    folder : Path or str
        Such as ``runs/train_ct/latest``.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).resolve())

    @cached_property
    def record(self) -> RunRecord:
        """What ``run.json`` says: configuration, data, seeds, versions."""
        return read_record(self.folder)

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Figure -> value, low, high, n, method, as ``metrics.json`` has them."""
        found: Mapping[str, Any] = read_json(self.folder / "metrics.json")
        return found

    @property
    def predictions(self) -> pd.DataFrame:
        """A row a patient or image, of a classifier; see ``docs/tables.md``.

        Raises
        ------
        InvalidInputError
            ``NOT_CLASSIFIED``: a model of this kind has none.
        """
        path = self.folder / "predictions.parquet"
        if not path.is_file():
            raise InvalidInputError(
                "NOT_CLASSIFIED",
                "A run of this kind has no table of predictions.",
                path=self.folder,
                expected="a run of train ct, cxr, clinical or fusion",
            )
        return read_table(path, PREDICTIONS)

    @property
    def bundle(self) -> Path:
        """The model's folder: `load` reads it."""
        return self.folder / "bundle"

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def open(self) -> None:
        """Open the report in a browser."""
        webbrowser.open(self.report.as_uri())

    def __repr__(self) -> str:
        return f"Run({self.record.pipeline} {self.record.run_id}, {self.record.state})"

    def _repr_html_(self) -> str:
        rows = [("", "value", "95 % interval", "n")]
        for name, one in self.metrics.items():
            if isinstance(one, Mapping) and isinstance(one.get("value"), float):
                low, high = one.get("low"), one.get("high")
                interval = "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"
                rows.append((name, f"{one['value']:.3f}", interval, str(one.get("n", ""))))
        return table(repr(self), rows, [f"Report: {self.report}"])


def train(
    kind: str,
    data: Path | str | None = None,
    labels: Path | str | None = None,
    *,
    settings: Sequence[str] | Mapping[str, Any] = (),
    card: Path | str | None = None,
    runs: Path | str = "runs",
    work: Path | str = "data",
    **options: Any,
) -> Run:
    """Train, evaluate and explain a model, as ``covidx train KIND`` does.

    Parameters
    ----------
    kind : str
        ``ct``, ``cxr``, ``clinical``, ``fusion``, ``segmentation``, ``detection`` or
        ``radiograph-severity``.
    data, labels : Path or str, optional
        Images (or a table), and their labels; the simulated patients without any.
    settings : sequence of str, or mapping
        Over the kind's YAML: ``["volume.learning.epochs=3"]`` or
        ``{"volume.learning.epochs": 3}``.
    card : Path or str, optional
        Data card: a path, or a known name.
    runs, work : Path or str
        Folder of runs; of stores and caches.
    **options
        Further ones, as the kind takes them: table (of the same patients), masks, positive,
        columns (ours to theirs), label_map.

    Raises
    ------
    InvalidInputError
        ``KIND_UNKNOWN``, ``OPTION_UNKNOWN``, or as the training.
    CovidxError
        Whatever is wrong with the input, by code and place.
    """
    from covidx.pipelines.source import named_source

    found = next(((k, t) for k, t in trainings() if t.verb == kind), None)
    if found is None:
        raise InvalidInputError(
            "KIND_UNKNOWN",
            "There is no such kind of model.",
            expected=", ".join(training.verb for _, training in trainings()),
            actual=kind,
        )
    model, training = found
    pairs = (
        [f"{key}={value}" for key, value in settings.items()]
        if isinstance(settings, Mapping)
        else list(settings)
    )
    config = load_config(resolve(training.settings), resolve(training.config), pairs)
    if labels is not None:
        options["labels"] = Path(labels)
    taken = {*training.options, *(("columns", "label_map") if "labels" in training.options else ())}
    if unknown := set(options) - taken:
        raise InvalidInputError(
            "OPTION_UNKNOWN",
            f"covidx.train does not take this for {kind}.",
            expected=", ".join(sorted(taken)),
            actual=", ".join(sorted(unknown)),
        )
    named: dict[str, Any] = {
        name: Path(value) if name in ("table", "masks") else value
        for name, value in options.items()
    }
    source = named_source(
        None if data is None else Path(data),
        None if card is None else Path(card),
        find=training.images,
        **named,
    )
    done = resolve(model.train)(config, source, work=Path(work), runs=Path(runs))
    return Run(done.folder)


def compare(*runs: Run | Path | str, out: Path | str, rule: Rule = "youden") -> pd.DataFrame:
    """Compare runs, or tables of predictions, on the patients that all of them tested.

    Parameters
    ----------
    *runs : Run, Path or str
        Two or more: folders of runs, or tables of predictions.
    out : Path or str
        Folder of the page ``comparison.html`` and its tables.
    rule : {"youden", "sensitivity", "specificity", "cost"}
        Chooses each threshold on validation rows.

    Returns
    -------
    DataFrame
        A row a pair and metric: first, second, metric, difference, low, high, n, p.

    Raises
    ------
    InvalidInputError
        As ``covidx compare``.
    """
    import pandas as pd

    from covidx.evaluate import ThresholdRule
    from covidx.pipelines.comparison import compare_tables
    from covidx.pipelines.evaluation import Input
    from covidx.pipelines.run_comparison import compare_runs, is_run

    paths = [one.folder if isinstance(one, Run) else Path(one) for one in runs]
    compared = compare_runs if all(map(is_run, paths)) else compare_tables
    found = compared([Input(path) for path in paths], ThresholdRule(rule), Path(out))
    rows = []
    for pair in found.comparisons:
        for name, difference in pair.differences.items():
            test = pair.tests.get(name)
            p = None if test is None or test.reason else test.p
            rows.append((pair.first, pair.second, name, difference.value, difference.low,
                         difference.high, difference.n, p))  # fmt: skip
    columns = ["first", "second", "metric", "difference", "low", "high", "n", "p"]
    return pd.DataFrame(rows, columns=columns)
