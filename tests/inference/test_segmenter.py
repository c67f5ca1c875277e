"""From an image to masks on its own grid, whatever network answers; bundles; learning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from covidx.errors import BundleError
from covidx.files import write_json
from covidx.imaging.augment_pairs import PairAugmentation
from covidx.imaging.frames import VolumeFraming
from covidx.imaging.pairs import PairCache
from covidx.inference import TrainedOn
from covidx.inference import segmenter as module
from covidx.inference.network_bundle import write_network
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    SegmentationRecipe,
    build_network,
)
from covidx.inference.segmenter import Segmenter
from covidx.models.learning import SegmentationLearning
from covidx.models.segmenters import UNetShape
from covidx.training.fit import fit_learner
from covidx.training.patches import PatchData, PatchPlan
from covidx.training.segment_learner import SegmentLearner
from covidx.volume import Volume

GROUPS = {
    "lung": ["none", "right-lung", "left-lung"],
    "opacity": ["none", "ground-glass", "consolidation"],
}
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


def bundle(patch: tuple[int, ...] = (16, 16), mirrored: bool = False) -> SegmentationBundle:
    dimensions = len(patch)
    recipe = SegmentationRecipe(
        framing=VolumeFraming(input="volume", pixel_mm=2.0, slab_mm=4.0, level=0, width=2000),
        network=UNetShape(network="unet", dimensions=dimensions, channels=(4, 8)),
        patch=patch,
        mirrored=mirrored,
    )
    return SegmentationBundle(recipe=recipe, groups=GROUPS, trained_on=TRAINED)


class ByGrey(nn.Module):
    """Answers by the grey alone: dark is lung, the darkest right; bright is opaque."""

    def forward(self, images: Tensor) -> Tensor:
        grey = images[:, 0]
        right, left = grey < 0.2, (grey >= 0.2) & (grey < 0.4)
        glass, firm = (grey > 0.6) & (grey < 0.8), grey >= 0.8
        parts = [~(right | left), right, left, ~(glass | firm), glass, firm]
        return torch.stack([9.0 * part.float() for part in parts], dim=1)


def chest(slices: int = 9) -> tuple[Volume, np.ndarray, np.ndarray]:
    """Blocks of five greys on the working grid, in reading order, with their classes."""
    lung = np.zeros((slices, 20, 24), np.uint8)
    lung[2:6, 3:9, 2:8], lung[2:6, 3:9, 14:20] = 1, 2
    opacity = np.zeros_like(lung)
    opacity[3:5, 10:14, 3:7], opacity[4:6, 14:18, 15:19] = 1, 2
    hu = np.choose(lung, [0, -900, -500]) + np.choose(opacity, [0, 400, 900])
    affine = np.diag([-2.0, -2.0, 4.0, 1.0])
    return Volume(hu.astype(np.int16), "CT", "hu", "proven", affine), lung, opacity


def turned(volume: Volume, axes: str) -> Volume:
    """The same voxels stored in another orientation."""
    image = nib.Nifti1Image(volume.array.transpose(2, 1, 0), volume.affine)
    now = nib.orientations.io_orientation(image.affine)
    change = nib.orientations.ornt_transform(now, nib.orientations.axcodes2ornt(tuple(axes)))
    other = image.as_reoriented(change)
    array = np.asarray(other.dataobj).transpose(2, 1, 0)
    return Volume(np.ascontiguousarray(array), "CT", "hu", "proven", other.affine)


def test_air_in_the_table_is_no_lung() -> None:
    volume, lung, _ = chest()
    hu = volume.array.copy()
    hu[:6, 18:20, 4:5] = -900  # 12 voxels, beside 144 of each lung
    found = Segmenter(bundle(), ByGrey()).segment(replace(volume, array=hu))["lung"]
    np.testing.assert_array_equal(found, lung)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "RPI", "PSL", "ILA"])
@pytest.mark.parametrize("patch", [(16, 16), (8, 16, 16)])
def test_masks_lie_on_the_grid_of_the_image_in_any_orientation(
    axes: str, patch: tuple[int, ...]
) -> None:
    volume, lung, opacity = chest()
    other = turned(volume, axes)
    found = Segmenter(bundle(patch), ByGrey()).segment(other)
    for kind, truth in (("lung", lung), ("opacity", opacity)):
        mask = replace(other, array=found[kind].astype(np.int16))
        assert found[kind].shape == other.array.shape
        assert np.array_equal(mask.canonical().array, truth)


@pytest.mark.parametrize("patch", [(16, 16), (4, 16, 16)])
def test_blocks_leave_no_seam(monkeypatch: pytest.MonkeyPatch, patch: tuple[int, ...]) -> None:
    thin, _, _ = chest(30)
    assert thin.affine is not None
    thin = replace(thin, affine=thin.affine @ np.diag([1.0, 1.0, 0.3, 1.0]))  # 1.2 mm slices
    segmenter = Segmenter(bundle(patch), ByGrey())
    whole = segmenter.segment(thin)
    monkeypatch.setattr(module, "BLOCK", 4)
    parts = segmenter.segment(thin)
    for kind in GROUPS:
        assert np.array_equal(whole[kind], parts[kind])
        assert parts[kind].any()


def test_in_a_mirror_right_and_left_change_names() -> None:
    volume, lung, opacity = chest()

    class ByPlace(nn.Module):
        """Dark is lung, right where the picture's left is: so is it in the mirror."""

        def forward(self, images: Tensor) -> Tensor:
            dark = images[:, 0] < 0.4
            place = torch.arange(images.shape[-1]) < images.shape[-1] / 2
            parts = [~dark, dark & place, dark & ~place]
            nothing = [torch.ones_like(dark), dark & False, dark & False]
            return torch.stack([9.0 * part.float() for part in (*parts, *nothing)], dim=1)

    found = Segmenter(bundle(mirrored=True), ByPlace()).segment(volume)
    assert np.array_equal(found["lung"], lung)
    assert not found["opacity"].any()
    assert opacity.any()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    made = Segmenter(bundle(), build_network(bundle().recipe, GROUPS).eval())
    made.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_saved_bundle_answers_as_before(saved: Path) -> None:
    found = Segmenter.load(saved)
    assert found.bundle.groups == GROUPS
    assert found.bundle.sha256 == found.bundle.digest()
    torch.manual_seed(0)
    before = Segmenter(bundle(), build_network(bundle().recipe, GROUPS).eval())
    volume, _, _ = chest()
    for kind, labels in before.segment(volume).items():
        assert np.array_equal(found.segment(volume)[kind], labels)


def test_a_bundle_that_is_not_as_it_was_is_refused(saved: Path, tmp_path: Path) -> None:
    def refused(code: str) -> None:
        with pytest.raises(BundleError, match=code):
            Segmenter.load(saved)

    said = json.loads((saved / "bundle.json").read_text())
    write_json(saved / "bundle.json", {**said, "groups": {"lung": ["none", "lung"]}})
    refused("BUNDLE_CHANGED")
    write_json(saved / "bundle.json", {**said, "kind": "clinical"})
    refused("BUNDLE_KIND")
    write_json(saved / "bundle.json", said)
    (saved / "weights.safetensors").write_bytes(b"other")
    refused("BUNDLE_CHANGED")


def test_other_answers_are_lost_parity(saved: Path, tmp_path: Path) -> None:
    found = Segmenter.load(saved)
    other = tmp_path / "other"
    write_network(other, found.bundle, found.model, {"shares": found.parity() + np.float32(0.01)})
    with pytest.raises(BundleError, match="PARITY_LOST"):
        Segmenter.load(other)


def cache_of(folder: Path, images: int = 4) -> PairCache:
    """Bright squares to find on dark ground, where they are told by place: right or left."""
    index = {}
    for number in range(images):
        chance = np.random.default_rng(number)
        image = chance.integers(0, 40, (6, 24, 24)).astype(np.uint8)
        labels = np.zeros((2, 6, 24, 24), np.uint8)
        row = int(chance.integers(2, 12))
        image[1:5, row : row + 8, 2:9], labels[0, 1:5, row : row + 8, 2:9] = 200, 1
        image[1:5, row : row + 8, 14:21], labels[0, 1:5, row : row + 8, 14:21] = 200, 2
        np.save(folder / f"i{number}.npy", image)
        np.save(folder / f"i{number}-labels.npy", labels)
        index[f"i{number}"] = [[1, 2, 3, 4], []]
    return PairCache(folder, index, {})


@pytest.mark.parametrize(
    ("patch", "loss"), [((24, 24), "dice_ce"), ((24, 24), "dice_focal"), ((4, 16, 16), "dice_ce")]
)
def test_it_learns_and_is_taken_up_again(tmp_path: Path, patch: tuple[int, ...], loss: str) -> None:
    cache = cache_of(tmp_path)
    how = SegmentationLearning(
        patch=patch, samples=4, epochs=3, patience=5, batch=4, rate=0.01, loss=loss,
        augmentation=PairAugmentation(rotation_deg=0, scale=0, shift=0),
    )  # fmt: skip
    recipe = bundle(patch).recipe

    def trained(folder: Path, epochs: int) -> tuple[dict[str, Tensor], object, int | None]:
        torch.manual_seed(1)
        learner = SegmentLearner(build_network(recipe, GROUPS), GROUPS, how, 1)
        plan = PatchPlan(how.patch, how.samples, how.batch, 1)
        names = sorted(cache.index)
        data = PatchData(cache, names[:3], names[3:], plan, how.augmentation, GROUPS)
        fitted = fit_learner(learner, data, epochs, 5, folder, bar=False)
        return fitted.model.state_dict(), fitted.curves, fitted.resumed_from

    folder = tmp_path / "fit"
    folder.mkdir()
    weights, curves, resumed = trained(folder, 3)
    losses = curves["train_loss"].tolist()  # type: ignore[index]
    assert losses[-1] < losses[0]
    assert 0 <= curves["validation_dice"].iloc[-1] <= 1  # type: ignore[index]
    assert resumed is None
    again, _, resumed = trained(folder, 3)  # had ended: the kept epoch is given as it was
    assert resumed == 3
    assert all(torch.equal(weights[name], again[name]) for name in weights)
