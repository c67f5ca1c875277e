"""The table of effects is frozen."""

from covidx.phantom import CLASSES, EFFECTS, effects_digest

PINNED = "49ff463ec8ea73822ee3c8462d02d2df9f4ec0431e59643f8d115b6a627a7bf1"


def test_changing_an_effect_size_needs_a_reason_in_the_changelog() -> None:
    assert effects_digest() == PINNED


def test_class_mix_and_shares_are_shares() -> None:
    assert sum(EFFECTS.mix.per_block) == 20
    assert set(EFFECTS.clinical) == set(CLASSES)
    assert sum(weight for _, weight in EFFECTS.pneumonia.patterns) == 1.0
    assert EFFECTS.mix.covid_normal_ct == 0.10
