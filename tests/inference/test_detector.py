"""From a CT to boxes in its own pixels and in the patient; bundles; learning."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from covidx.bundles import Threshold
from covidx.errors import BundleError
from covidx.files import read_json, write_json
from covidx.imaging.frames import VolumeFraming, make_frame
from covidx.inference import TrainedOn
from covidx.inference.boxes import EXTENT, placed
from covidx.inference.detection_bundle import DetectionBundle, DetectionRecipe
from covidx.inference.detector import Detector
from covidx.inference.segmenter import Segmenter
from covidx.models.detectors import DetectorShape, make_detector
from covidx.models.learning import DetectionLearning, PatchLearning
from covidx.training.detect_learner import DetectLearner, targets_of
from covidx.volume import Volume

TRAINED = TrainedOn(
    dataset="made-up",
    domain="simulated",
    card_sha256=None,
    manifest_sha256="m",
    split_sha256="s",
    patients={"all": 3},
    modalities=["CT"],
    kind="volume",
    units="hu",
    manufacturers=[],
    slice_thickness_mm=None,
)
LEARNING = PatchLearning(patch=(32, 32), samples=1, epochs=1, patience=1, batch=2, rate=0.01)
ANCHORS = tuple((4.0 + n, 5.0 + n) for n in range(8))
FRAMING = VolumeFraming(input="volume", pixel_mm=2.0, slab_mm=5.0, level=-350, width=1300)


def detector() -> Detector:
    shape = DetectorShape(
        network="mask_rcnn", backbone="tf_efficientnet_lite0", channels=8, hidden=8
    )
    bundle = DetectionBundle(
        recipe=DetectionRecipe(
            framing=FRAMING,
            network=shape,
            learning=DetectionLearning(**LEARNING.model_dump() | {"patch": (32, 48)}),
            smallest=4,
            false_rate=1.0,
        ),
        anchors=ANCHORS,
        threshold=Threshold(value=0.5, rule="by hand", origin="nowhere"),
        trained_on=TRAINED,
    )
    torch.manual_seed(0)
    return Detector(bundle, make_detector(shape, ANCHORS, pretrained=False).eval())


class _Bright(nn.Module):
    """Boxes what is bright: stands in for a network whose answer is known."""

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        answers = []
        for image in images:
            mask = image[0] > 0.6
            boxes = targets_of(mask, 1)["boxes"]
            answers.append({"boxes": boxes, "scores": torch.full((len(boxes),), 0.9)})
        return answers


def scan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Air with a dense brick near one corner, its affine (RAS), and the brick's voxel middles."""
    hu = np.full((8, 40, 44), -1000, np.int16)  # (slices, rows, columns)
    hu[4:7, 6:12, 30:38] = 300
    affine = np.array([[-2.0, 0, 0, 31], [0, -3, 0, 55], [0, 0, 5, -200], [0, 0, 0, 1]])
    slices, rows, columns = np.nonzero(hu > 0)
    middles = affine @ np.stack([columns, rows, slices, np.ones(len(rows))])
    return hu, affine, middles[:3].T


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAI", "PSR", "SAL"])
def test_boxes_in_mm_hold_the_brick_in_each_order_of_voxels(codes: str) -> None:
    """Turned by nibabel, not by covidx: columns, rows and slices run along `codes`."""
    hu, affine, middles = scan()
    image = nib.Nifti1Image(hu.transpose(2, 1, 0), affine)
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = image.as_reoriented(change)
    array = np.ascontiguousarray(np.asarray(turned.dataobj).transpose(2, 1, 0))
    volume = Volume(array, "CT", "hu", "proven", np.asarray(turned.affine))
    found = Detector(detector().bundle, _Bright()).detect(volume)  # type: ignore[arg-type]
    place = placed(found.boxes, found.frame)
    assert place["detection"].nunique() == 1
    lps = middles * [-1, -1, 1]
    low = place[[name for name in EXTENT if name.endswith("min")]].min().to_numpy()
    high = place[[name for name in EXTENT if name.endswith("max")]].max().to_numpy()
    assert (low <= lps.min(axis=0)).all() and (high >= lps.max(axis=0)).all()
    # no more than a working pixel, and the slab's reach, beyond the brick's voxels
    voxel = np.array([2.0, 3.0, 5.0])
    assert (lps.min(axis=0) - voxel / 2 - low <= [2, 3, 5]).all()
    assert (high - lps.max(axis=0) - voxel / 2 <= [2, 3, 5]).all()
    middle = place[place["slice"] == 5].iloc[0]
    assert (middle["left"], middle["right"]) == pytest.approx((30, 38), abs=1.1)
    assert (middle["top"], middle["bottom"]) == pytest.approx((6, 12), abs=0.8)


def test_a_whole_slice_is_boxed_to_its_outer_edges() -> None:
    hu, affine, _ = scan()
    frame = make_frame(Volume(hu, "CT", "hu", "proven", affine), FRAMING, 2)
    found = Detector(detector().bundle, _Bright()).detect(frame.volume)  # type: ignore[arg-type]
    whole = found.boxes.iloc[:1].assign(
        left=0, top=0, right=frame.columns, bottom=frame.rows, slice=0
    )
    row = placed(whole, frame).iloc[0]
    assert row[["left", "top", "right", "bottom"]].tolist() == [0, 0, 44, 40]
    # columns run to the left: LPS x is -31 + 2 * column, y is -55 + 3 * row, z -200 + 5 * slice
    assert row[list(EXTENT)].tolist() == pytest.approx([-32, 56, -56.5, 63.5, -202.5, -197.5])


def test_a_bundle_comes_back_as_it_was(tmp_path: Path) -> None:
    made = detector()
    back = made.save(tmp_path / "bundle")
    assert np.abs(back.parity() - made.parity()).max() < 1e-5
    assert back.bundle.anchors == ANCHORS
    assert back.bundle.threshold == made.bundle.threshold
    hu, affine, _ = scan()
    volume = Volume(hu, "CT", "hu", "proven", affine)
    one, other = back.detect(volume), Detector.load(tmp_path / "bundle").detect(volume)
    assert len(one.boxes) and one.boxes.equals(other.boxes)
    assert one.masks is not None and one.masks.shape == (len(one.boxes), 60, 44)
    with pytest.raises(BundleError, match="BUNDLE_KIND"):
        Segmenter.load(tmp_path / "bundle")
    said = read_json(tmp_path / "bundle" / "bundle.json")
    said["threshold"]["value"] = 0.1
    write_json(tmp_path / "bundle" / "bundle.json", said)
    with pytest.raises(BundleError, match="BUNDLE_CHANGED"):
        Detector.load(tmp_path / "bundle")


def test_targets_are_boxes_and_masks_of_pieces() -> None:
    mask = torch.zeros(10, 12, dtype=torch.bool)
    mask[2:5, 3:9] = True
    found = targets_of(mask, 4)
    assert found["boxes"].tolist() == [[3, 2, 9, 5]]
    assert found["labels"].tolist() == [1]
    assert torch.equal(found["masks"][0].bool(), mask)
    assert targets_of(mask, 100)["boxes"].shape == (0, 4)


class _Half(nn.Module):
    """Boxes what is bright in the left half of a patch, and nothing else."""

    def forward(self, images: list[Tensor], targets: object = None) -> object:
        if self.training:
            return {"loss": torch.tensor(1.0)}
        answers = []
        for image in images:
            boxes = targets_of(image[0] > 0.5, 4)["boxes"]
            boxes = boxes[boxes[:, 2] <= 16]
            answers.append({"boxes": boxes, "scores": torch.full((len(boxes),), 0.9)})
        return answers


def test_an_epoch_is_judged_by_the_boxes_of_validation_patches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.zeros(2, 1, 32, 32)
    images[0, 0, 4:12, 2:12] = images[1, 0, 4:12, 2:12] = images[1, 0, 20:28, 18:30] = 1.0
    learner = DetectLearner(_Half(), 0, 4, LEARNING, seed=0)  # type: ignore[arg-type]
    logged: dict[str, float] = {}
    monkeypatch.setattr(learner, "log", lambda name, value, **_: logged.update({name: value}))
    for number in range(2):  # the second batch shows nothing, and nothing is found there
        learner.validation_step((images, images > 0.5), number)
        images = torch.zeros(2, 1, 32, 32)
    learner.on_validation_epoch_end()
    # two of three boxes, none false: precision 1 at the 67 recalls to 2/3 of COCO's 101
    assert logged["validation_map50"] == pytest.approx(67 / 101)
    learner.validation_step((images, images > 0.5), 0)
    learner.on_validation_epoch_end()
    assert logged["validation_map50"] == 0.0
