"""From an image to a score and to where its evidence lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from covidx.constants import (
    EVIDENCE_COLOURS,
    EVIDENCE_CONTOURS,
    EVIDENCE_FLOOR,
    LUNG_WINDOW,
    RESEARCH_NOTICE,
)
from covidx.errors import InvalidInputError
from covidx.html import embedded, table
from covidx.imaging import window
from covidx.inference import Predictions, Predictor, load
from covidx.inference.prediction import Prediction
from covidx.inference.reading import Inputs
from covidx.ingest import read_series
from covidx.ingest.nifti import write_nifti
from covidx.volume import Volume

if TYPE_CHECKING:
    from covidx.explain.study import MapRecord
    from covidx.face.drawing import Drawing
    from covidx.ingest.records import ReadImage

Paths = Path | str | Sequence[Path | str]


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

        Raises
        ------
        InvalidInputError
            ``NIFTI_NAME``: the name does not end like one.
        """
        if not str(path).endswith((".nii", ".nii.gz")):
            raise InvalidInputError(
                "NIFTI_NAME",
                "The name of a NIfTI file ends in .nii.gz or .nii.",
                path=path,
                hint="For a picture use heat.plot().savefig(path).",
            )
        write_nifti(self.evidence, Path(path))

    def plot(self, index: int | None = None) -> Drawing:
        """Draw a slice with contours of its evidence, the patient's right on the left.

        Parameters
        ----------
        index : int, optional
            From 0, caudal to cranial; by default the slice with most evidence.
        """
        from covidx.face.drawing import Drawing

        greys, heat, number, aspect = self._plane(index)
        figure = Drawing(figsize=(5, 5 * aspect * greys.shape[0] / greys.shape[1] + 0.6))
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
        figure = self.plot()
        wide, high = figure.get_size_inches()
        drawn = embedded(figure._repr_png_(), RESEARCH_NOTICE, high / wide)
        return drawn + table(repr(self), [], list(map(str, self.maps)))

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
        greys = 255 * window(image.array[index], level, width)
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

    Returns
    -------
    list of EvidenceMap
        One an image. Slices that predictions and maps name count from 1: slice n is
        ``array[n - 1]`` of ``Volume.canonical()``.

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
