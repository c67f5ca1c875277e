"""The benchmark of evaluation, on few rows."""

from __future__ import annotations

from benchmarks.evaluate import evaluate_200k, made_up_predictions


def test_seconds_and_memory_of_the_verb() -> None:
    found = evaluate_200k(rows=400, resamples=100, runs=1)
    assert found.keys() == {"evaluate_200k_seconds", "evaluate_200k_gib"}
    seconds, memory = found["evaluate_200k_seconds"], found["evaluate_200k_gib"]
    assert 0 < seconds.value < 120
    assert 0.05 < memory.value < 4
    assert seconds.n == 400
    assert "under 60; 100 resamples" in seconds.against


def test_predictions_are_of_both_roles_and_classes() -> None:
    table = made_up_predictions(900, 100)
    assert table.groupby("role").size().to_dict() == {"test": 900, "validation": 100}
    assert 0.25 < (table["label"] == "covid-19").mean() < 0.35
