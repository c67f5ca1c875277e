from pathlib import Path

import pytest

from covidx.errors import StoreError
from covidx.forecast import Forecast, need_disk, size_text


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(seconds_each: float, total: int, started: int = 0) -> list[str]:
    clock = Clock()
    forecast = Forecast("prepare", after="It goes on.", clock=clock)
    said = []
    for done in range(started, total + 1):
        said.append(forecast(done, total))
        clock.now += seconds_each
    return [line for line in said if line]


def test_work_of_minutes_is_announced_once_and_early() -> None:
    (line,) = lines(seconds_each=1, total=600)
    assert line.startswith("prepare: about 10 min; memory ")
    assert "disk" in line and line.endswith("free. It goes on.")


def test_hours_are_hours() -> None:
    (line,) = lines(seconds_each=30, total=360)
    assert "about 3.0 h" in line


def test_short_work_is_not_announced() -> None:
    assert lines(seconds_each=0.5, total=100) == []


def test_work_taken_up_again_counts_what_is_left() -> None:
    (line,) = lines(seconds_each=1, total=600, started=480)
    assert "about 2 min" in line


def test_the_cache_that_does_not_fit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    need_disk(tmp_path / "not" / "yet", 1, "a cache")
    with pytest.raises(StoreError, match="DISK_SHORT") as caught:
        need_disk(tmp_path, 10**18, "a cache")
    assert "1000000000.0 GB" in str(caught.value.expected) and "free" in str(caught.value.actual)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (2_000_000, "2 MB"), (1.44e9, "1.4 GB")],
)
def test_sizes_as_a_person_reads_them(size: float, text: str) -> None:
    assert size_text(size) == text
