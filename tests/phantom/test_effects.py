"""The table of effects is frozen."""

from covidx.phantom import CLASSES, EFFECTS, effects_digest

PINNED = "b776946f23080a1b00d56c9475fa66fec0903e6577aaec84ba52131917bba6b8"


def test_changing_an_effect_size_needs_a_reason_in_the_changelog() -> None:
    assert effects_digest() == PINNED


def test_class_mix_and_shares_are_shares() -> None:
    assert sum(EFFECTS.mix.per_block) == 20
    assert set(EFFECTS.clinical) == set(CLASSES)
    assert sum(weight for _, weight in EFFECTS.pneumonia.patterns) == 1.0
    assert EFFECTS.mix.covid_normal_ct == 0.10
