"""Augmentation: the same draws for the same generator, and a mirror that is one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from covidx.imaging import Augmentation, augment

STILL = Augmentation(flip=False, rotation_deg=0, scale=0, shift=0, brightness=0, contrast=0)
SLICES = torch.rand(3, 1, 12, 16, generator=torch.Generator().manual_seed(1))


def by(seed: int, how: Augmentation, slices: torch.Tensor = SLICES) -> torch.Tensor:
    return augment(slices, how, torch.Generator().manual_seed(seed))


def only(**change: Any) -> Augmentation:
    return STILL.model_copy(update=change)


def test_the_generator_is_the_only_source_of_chance() -> None:
    torch.manual_seed(0)
    one = by(5, Augmentation())
    torch.manual_seed(1)
    assert torch.equal(one, by(5, Augmentation()))
    assert not torch.equal(one, by(6, Augmentation()))


def test_it_draws_the_same_number_whatever_is_on() -> None:
    ends = []
    for how in (Augmentation(), STILL):
        chance = torch.Generator().manual_seed(3)
        augment(SLICES, how, chance)
        ends.append(torch.rand(1, generator=chance))
    assert torch.equal(*ends)


def test_nothing_on_changes_nothing() -> None:
    torch.testing.assert_close(by(0, STILL), SLICES, atol=1e-6, rtol=0)


def test_half_of_the_bags_are_mirrored_exactly() -> None:
    mirrored = 0
    for seed in range(40):
        result = by(seed, only(flip=True))
        flipped = torch.allclose(result, SLICES.flip(-1), atol=1e-6)
        assert flipped or torch.allclose(result, SLICES, atol=1e-6)
        mirrored += flipped
    assert 10 <= mirrored <= 30


def test_rotation_keeps_circles_round_on_oblong_pictures() -> None:
    rows, columns = torch.meshgrid(torch.arange(41) - 20.0, torch.arange(81) - 40.0, indexing="ij")
    disc = torch.sigmoid(14 - (rows**2 + columns**2).sqrt())[None, None]
    turned = by(2, only(rotation_deg=80.0), disc)
    assert (turned - disc).abs().mean() < 0.01


def test_a_zoom_scales_an_area_by_its_square() -> None:
    square = torch.zeros(1, 1, 64, 64)
    square[..., 22:42, 22:42] = 1
    areas = torch.tensor([float(by(seed, only(scale=0.2), square).sum()) for seed in range(30)])
    assert areas.min() > 400 / 1.2**2 - 15 and areas.max() < 400 / 0.8**2 + 15
    assert areas.max() - areas.min() > 200


def test_brightness_and_contrast_stay_in_their_range() -> None:
    grey = torch.full((1, 1, 4, 4), 0.5)
    shifts = torch.tensor([float(by(s, only(brightness=0.1), grey)[0, 0, 0, 0]) for s in range(50)])
    assert 0.4 <= shifts.min() < 0.45 and 0.55 < shifts.max() <= 0.6
    fixed = [by(s, only(contrast=0.5), grey) for s in range(5)]
    for result in fixed:  # contrast turns about the middle grey
        torch.testing.assert_close(result, grey)


def test_all_slices_of_a_bag_move_alike() -> None:
    same = SLICES[:1].expand(3, -1, -1, -1)
    moved = by(4, only(flip=True, rotation_deg=10.0, scale=0.1, shift=0.1, contrast=0.2), same)
    for other in (1, 2):
        torch.testing.assert_close(moved[other], moved[0])


@pytest.mark.parametrize("seed", range(5))
def test_it_stays_between_black_and_white(seed: int) -> None:
    result = by(seed, Augmentation(brightness=0.9))
    assert result.shape == SLICES.shape and result.min() >= 0 and result.max() <= 1


def test_a_crop_shows_a_part_of_the_picture_from_within_it() -> None:
    """On a ramp from 0 to 1 the values say which columns are seen."""
    ramp = torch.linspace(0, 1, 101)[None, None, None].expand(1, 1, 64, 101)
    edges, firsts = [], []
    for seed in range(60):
        seen = by(seed, only(crop=0.75), ramp)[0, 0, 32]
        edges.append(float(seen[-1] - seen[0]))
        firsts.append(float(seen[0]))
        assert seen[0] >= 0 and seen[-1] <= 1
    assert min(edges) == pytest.approx(0.5, abs=0.06)  # a quarter of the area: half of the edge
    assert max(edges) > 0.9
    assert min(firsts) < 0.05 and max(firsts) > 0.3
