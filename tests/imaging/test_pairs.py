"""Images and labels change together, are refused by themselves, and are laid out once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from covidx.errors import InvalidInputError
from covidx.imaging.augment_pairs import PairAugmentation, augment_pair, fit_patch
from covidx.imaging.frames import RadiographFraming
from covidx.imaging.pairs import build_pairs
from covidx.volume import Volume

STILL = PairAugmentation(
    mirror=False, rotation_deg=0, scale=0, shift=0, brightness=0, contrast=0, noise=0
)
SWAPS = [torch.tensor([0, 2, 1])]


def test_no_strength_changes_nothing() -> None:
    image, labels = torch.rand(1, 8, 8), torch.randint(0, 3, (1, 1, 8, 8))
    same, same_labels = augment_pair(image, labels, STILL, SWAPS, torch.Generator())
    assert torch.allclose(same, image, atol=1e-6)
    assert torch.equal(same_labels, labels)


def test_right_and_left_change_names_in_a_mirror() -> None:
    how = STILL.model_copy(update={"mirror": True})
    labels = torch.zeros(1, 1, 4, 6, dtype=torch.long)
    labels[..., :2] = 1  # right lung, on the picture's left
    image = labels[0].float() / 2
    seen = set()
    for seed in range(8):
        chance = torch.Generator().manual_seed(seed)
        moved, found = augment_pair(image, labels, how, SWAPS, chance)
        side = 2 if float(moved[0, 0, -1]) > 0 else 1
        seen.add(side)
        expected = torch.zeros(4, 6, dtype=torch.long)
        expected[:, slice(4, 6) if side == 2 else slice(0, 2)] = side
        assert torch.equal(found[0, 0], expected)
    assert seen == {1, 2}


def test_labels_stay_on_what_they_label() -> None:
    yes = (
        torch.cdist(torch.cartesian_prod(*[torch.arange(64.0)] * 2), torch.tensor([[25.0, 40.0]]))
        < 12
    )
    labels = yes.reshape(1, 1, 64, 64).long()
    how = PairAugmentation(mirror=True, brightness=0, contrast=0, noise=0)
    for seed in range(5):
        chance = torch.Generator().manual_seed(seed)
        image, found = augment_pair(labels[0].float(), labels, how, [torch.tensor([0, 1])], chance)
        both = ((image[0] > 0.5) & (found[0, 0] > 0)).sum()
        assert 2 * both / ((image[0] > 0.5).sum() + (found > 0).sum()) > 0.96


def test_a_patch_reaches_beyond_the_image() -> None:
    plane = torch.arange(6).reshape(2, 3)
    assert fit_patch(plane, (-1, 1), (4, 3)).tolist() == [
        [0, 0, 0],
        [1, 2, 0],
        [4, 5, 0],
        [0, 0, 0],
    ]
    assert fit_patch(plane, (0, 1), (1, 2)).tolist() == [[1, 2]]


def test_what_does_not_fit_is_refused_by_itself_and_the_rest_is_laid_out_once(
    tmp_path: Path,
) -> None:
    manifest = pd.DataFrame({"image_id": ["b", "a"], "sha256": ["1", "2"]})
    masks = pd.DataFrame({"image_id": ["a", "b"], "kind": "lung", "sha256": ["3", "4"]})
    asked: list[str] = []

    class Images(NamedTuple):
        manifest: pd.DataFrame
        masks: pd.DataFrame
        groups: dict[str, list[str]]
        reading: dict[str, Any]

        def load(self, row: Mapping[Any, Any]) -> Volume:
            asked.append(str(row["image_id"]))
            return Volume(np.tile(np.arange(40), (40, 1))[None], "CR", "display", "none")

        def mask_labels(self, image_id: str, volume: Volume) -> dict[str, np.ndarray]:
            if image_id == "b":
                raise InvalidInputError("MASK_SHAPE", "Not on these pixels.")
            return {"lung": (volume.array > 19).astype(np.uint8)}

    images = Images(manifest, masks, {"lung": ["none", "lung"]}, {"values": {1: "lung"}})
    framing = RadiographFraming(input="radiograph", size=32)
    for _ in range(2):
        found = build_pairs(images, framing, 2, tmp_path)
    assert asked == ["a", "b"]
    assert found.refused == {"b": ["MASK_SHAPE", "Not on these pixels."]}
    assert found.index == {"a": [[0]]}
    assert found.labels("a").shape == (1, 1, 32, 32)
    assert found.labels("a")[0, 0, 0].tolist() == [0] * 16 + [1] * 16
    build_pairs(images._replace(masks=masks.assign(sha256="5")), framing, 2, tmp_path)
    assert len(asked) == 4
    build_pairs(images._replace(reading={"values": {2: "lung"}}), framing, 2, tmp_path)
    assert len(asked) == 6  # a card that was corrected makes other labels of the same files


@pytest.mark.parametrize("patch", [(5, 5), (2, 5, 5)])
def test_a_cut_of_everything_is_everything(patch: tuple[int, ...]) -> None:
    whole = torch.rand(3, 2, 5, 5)
    assert torch.equal(fit_patch(whole, (0,) * len(patch), patch), whole)
