"""The one protocol of a trained model in use, whatever its kind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from covidx.cohort.duplicates import thumbnail
from covidx.domain import HasDomain, outside_domain, outside_view
from covidx.errors import CovidxError
from covidx.html import bundle_summary, bundle_table
from covidx.inference.prediction import Payload, Prediction, Predictions
from covidx.inference.reading import Inputs
from covidx.ingest.identity import Identities

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from covidx.bundles import BundleFile
    from covidx.ingest.records import ReadImage
    from covidx.volume import Volume


class Predictor(Protocol):
    """A bundle in memory, ready for use. A kind of model is a child."""

    WRITES_FOLDER: ClassVar[bool] = False
    """Whether its results are files: then it has ``write(predictions, out)``."""

    bundle: Any
    """A `BundleFile` of its kind."""

    @property
    def device(self) -> torch.device | str:
        """Where its network lies; ``cpu`` where it has none."""
        return "cpu"

    def empty_payload(self) -> Payload:
        """The payload of an input without a result: it has the same columns as another."""
        return Payload()

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, device: str = "auto") -> Self:
        """Read a bundle, and prove by its reference cases that it gives what it gave.

        Parameters
        ----------
        folder : Path
            The bundle: ``bundle.json`` with the files that it names.
        device : str
            Of torch; ``auto``: a GPU where there is one.

        Raises
        ------
        BundleError
            As `read_bundle`, or ``PARITY_LOST``.
        """

    @abstractmethod
    def save(self, folder: Path) -> Self:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Where the bundle goes; kinds with a network of their own refuse one that exists.
        """

    @abstractmethod
    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """A prediction for each image, row or patient; what cannot be read has a problem.

        Parameters
        ----------
        inputs : Inputs
            Images, tables of clinical rows, or both, as the kind of model takes them.
        """

    @abstractmethod
    def of_frame(self, table: pd.DataFrame) -> Iterator[Prediction]:
        """As `predictions`, of a table in memory, as MLflow gives it; ``source.number`` is its row.

        Parameters
        ----------
        table : DataFrame
            Column ``path``, or the columns of a clinical model's training table, or both.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({bundle_summary(self.bundle)})"

    def _repr_html_(self) -> str:
        return bundle_table(type(self).__name__, self.bundle)

    def stream(
        self, paths: Path | str | Sequence[Path | str], **options: Any
    ) -> Iterator[Prediction]:
        """As `predictions`, one at a time, of inputs by path.

        Parameters
        ----------
        paths : Path, str, or a sequence of them
            DICOM folders or files, NIfTI, PNG or JPEG; of a clinical model tables.
        **options
            As `Inputs.of` takes them: table, card, identities, progress.
        """
        return self.predictions(Inputs.of(paths, **options))

    def predict(self, paths: Path | str | Sequence[Path | str], **options: Any) -> Predictions:
        """As `stream`, all at once; ``.to_frame()`` gives a table.

        Parameters
        ----------
        paths : Path, str, or a sequence of them
            DICOM folders or files, NIfTI, PNG or JPEG; of a clinical model tables.
        **options
            As `Inputs.of` takes them: table, card, identities, progress.
        """
        return Predictions(list(self.stream(paths, **options)), self.bundle)


class ImageInputPredictor(Predictor, Protocol):
    """A model that takes images one by one: a child says what it makes of one."""

    @abstractmethod
    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """What the model makes of an image.

        Parameters
        ----------
        image : ReadImage
            Decoded image, in whichever orientation it was stored.
        draft : Prediction
            With source, threshold, receipt and what speaks against the result; to be completed
            by `dataclasses.replace`.

        Raises
        ------
        CovidxError
            It becomes the prediction's problem.
        """

    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """A prediction for each image; what cannot be read has a problem.

        Parameters
        ----------
        inputs : Inputs
            Images; its table is not read.
        """
        return image_predictions(self, inputs)

    def of_frame(self, table: pd.DataFrame) -> Iterator[Prediction]:
        """A prediction for each image at each path.

        Parameters
        ----------
        table : DataFrame
            Column ``path``.
        """
        paths = [Path(path) for path in table["path"]]
        return self.predictions(Inputs(paths, None, Identities.keyed()))


class NetworkPredictor(ImageInputPredictor, Protocol):
    """A model that takes images, and is one network."""

    model: Any
    """A torch module, in evaluation mode."""

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return device_of(self.model)


class OfImages(Protocol):
    """What goes over images: a predictor, or a method that was not trained."""

    @property
    def bundle(self) -> Any:
        """Gives threshold and domain of validity; None of a method that was not trained."""

    def empty_payload(self) -> Payload:
        """As `Predictor.empty_payload`."""

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Completes the `draft` of a decoded `image`, as `ImageInputPredictor.of_image`."""


def image_predictions(predictor: OfImages, inputs: Inputs) -> Iterator[Prediction]:
    """Go over the images of all inputs.

    Parameters
    ----------
    predictor : OfImages
        Its `of_image` is called once an image that could be read.
    inputs : Inputs
        Images; its table is not read.
    """
    bundle, empty = predictor.bundle, predictor.empty_payload()
    point = None if bundle is None else bundle.threshold
    for source, image, problem in inputs.images():
        blank = Prediction(source, threshold=point, payload=empty)
        if image is None:
            yield replace(blank, problem=problem, complete=False)
            continue
        draft = replace(
            blank,
            outside=() if bundle is None else tuple(outside_image(bundle, image)),
            receipts=(image.receipt.to_json(),),
        )
        try:
            yield predictor.of_image(image, draft)
        except CovidxError as error:
            yield replace(draft, problem=error.summary, complete=False)


def outside_image(bundle: HasDomain, image: ReadImage) -> list[str]:
    """Why a result of this bundle on this image may not be interpreted: header and picture.

    Parameters
    ----------
    bundle : BundleFile
        Of any kind that takes images.
    image : ReadImage
        Decoded, with its manifest fields.
    """
    return outside_volume(bundle, image.fields, image.volume)


def outside_volume(bundle: HasDomain, fields: Mapping[str, Any], volume: Volume) -> list[str]:
    """As `outside_image`, of an image from a store.

    Parameters
    ----------
    bundle : BundleFile
        Of any kind that takes images.
    fields : mapping
        Row of the manifest.
    volume : Volume
        The voxels.
    """
    found = outside_domain(bundle, fields)
    if fields["kind"] == "radiograph":
        found += outside_view(bundle.trained_on, thumbnail(volume.array[0]))
    return found


def decided(bundle: BundleFile, draft: Prediction, probabilities: dict[str, float]) -> Prediction:
    """A prediction with its score and what the threshold makes of it.

    Parameters
    ----------
    bundle : BundleFile
        With positive class and threshold.
    draft : Prediction
        Without score, probabilities and decision.
    probabilities : dict
        Class -> probability.
    """
    assert bundle.positive is not None and bundle.threshold is not None
    score = probabilities[bundle.positive]
    called = score >= bundle.threshold.value
    decision = bundle.positive if called else f"not {bundle.positive}"
    return replace(draft, score=score, probabilities=probabilities, decision=decision)


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a network lies; the CPU of one without weights.

    Parameters
    ----------
    model : Module
        Its first parameter tells: all lie on one device.
    """
    import torch

    first = next(iter(model.parameters()), None)
    return torch.device("cpu") if first is None else first.device


def choose_device(name: str = "auto") -> torch.device:
    """The device of a network.

    Parameters
    ----------
    name : str
        As torch names them, such as ``cuda:1``; ``auto``: a GPU where there is one, else the CPU.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
