"""Case pages of studies whose truth nobody knows, beside their predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from covidx.explain import Scale, heatmaps
from covidx.files import make_folder
from covidx.inference import ImagePredictor
from covidx.inference.prediction import Payload, Prediction
from covidx.inference.predictor import image_predictions
from covidx.inference.reading import Inputs
from covidx.inference.segmenter import Segmenter
from covidx.inference.slices import instances_of
from covidx.ingest.records import ReadImage
from covidx.limits import limit_lines
from covidx.pipelines.case import Known
from covidx.pipelines.image.cases import write_case
from covidx.pipelines.image.opacities import find_opacities
from covidx.pipelines.image.viewer_case import Scored
from covidx.report import CaseRow
from covidx.report import page as parts
from covidx.report.page import Page
from covidx.report.viewer import Images
from covidx.report.viewer.worklist import SCRIPT, worklist, write_list

TRAINED_ON_SIMULATED = (
    "The model was trained on simulated patients: its scores say nothing of real ones."
)


@dataclass(eq=False)
class StudyPages:
    """An image classifier that writes a page of each image that it scores.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    folder : Path
        Takes ``report.html`` and ``cases/``.
    segmenter : Segmenter, optional
        Finds lungs and opacities, which the pages show and measure.
    images : {"all", "thumbnails", "none"}
        What the pages show of the images.
    """

    predictor: ImagePredictor
    folder: Path
    images: Images = "all"
    segmenter: Segmenter | None = None
    rows: list[CaseRow] = field(default_factory=list)
    simulated: bool = False

    @property
    def bundle(self) -> object:
        """Of the classifier."""
        return self.predictor.bundle

    def empty_payload(self) -> Payload:
        """As that of the classifier."""
        return self.predictor.empty_payload()

    def predictions(self, inputs: Inputs) -> Iterator[Prediction]:
        """Predict from `inputs`, and write the pages as they come; the list of them at the end."""
        self.simulated = inputs.simulated
        problems = []
        for one in image_predictions(self, inputs):
            if one.problem is not None:
                problems.append((one.source.place, one.problem))
            yield one
        self._write_list(problems)

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Score an image, as `ImagePredictor.of_image`, and write its page.

        Parameters
        ----------
        image : ReadImage
            Decoded image.
        draft : Prediction
            With what speaks against the result.
        """
        bag, scores = self.predictor.score_volume(image.volume)
        prediction = self.predictor.of_bag(image, bag, scores, draft)
        volume = image.volume.canonical()
        maker = str(image.fields.get("manufacturer") or "")
        known = Known(
            name=str(image.fields["patient_id"]),
            unit_id=str(image.fields["image_id"]),
            row=image.fields,
            warnings=draft.outside,
            simulated=self.simulated or maker.startswith("covidx phantom"),
            instances=instances_of(
                image.instance_numbers,
                image.volume.affine,
                range(len(volume.array)),
                volume.affine,
            ),
            receipt=image.receipt.to_json(),
            limits=limit_lines(self.predictor.bundle.limits),
        )
        if self.segmenter is not None:
            opacities = find_opacities(self.segmenter, image)
            known = replace(known, masks=opacities.masks, sections=[opacities.section])
        maps = heatmaps(self.predictor, bag, scores)
        scored = Scored(volume, bag, scores, maps, Scale.of(maps))
        target = self.folder / "cases" / f"{len(self.rows) + 1:03d}"
        run = self.predictor.bundle.sha256[:12]
        self.rows.append(
            write_case(self.predictor, scored, known, target, run=run, images=self.images)
        )
        return prediction

    def _write_list(self, problems: list[tuple[str, str]]) -> None:
        bundle = self.predictor.bundle
        make_folder(self.folder)
        write_list(self.rows, self.folder)
        sections = []
        if self.rows:
            sections.append(worklist(self.rows, "Images", bundle.sha256[:12]))
        if problems:
            sections.append(parts.facts(problems, "Without a result"))
        trained = [("Trained on", bundle.trained_on.summary), ("Bundle", bundle.sha256)]
        sections.append(parts.facts(trained, "The model"))
        bands = [TRAINED_ON_SIMULATED] if bundle.trained_on.domain == "simulated" else []
        title = f"Predictions: {bundle.positive} against the rest"
        limits = limit_lines(bundle.limits)
        Page(title, sections, limits, bands=bands, script=SCRIPT).write(self.folder / "report.html")
