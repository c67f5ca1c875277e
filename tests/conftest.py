"""What tests of several rooms share: one trained run, real data, a key of their own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHANGES = (
    "phantom.patients=30",
    "volume.learning.epochs=1",
    "volume.learning.slices=4",
    "volume.preprocessing.slices=8",
)
REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Run:
    """A finished run of the CT pipeline on a tiny phantom cohort, one epoch long."""

    folder: Path
    runs: Path
    work: Path

    @property
    def phantom(self) -> Path:
        """The phantom cohort."""
        return next(self.work.glob("phantom-*"))

    @property
    def bundle(self) -> Path:
        """The trained bundle."""
        return self.folder / "bundle"


@pytest.fixture(scope="session", autouse=True)
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the user's key nor a tracking server is touched by a test.

    The key is the same each time: splits go by pseudonym, so that a random one would give every
    run of the tests other training patients.
    """
    key = tmp_path_factory.mktemp("key") / "key"
    key.touch(mode=0o600)
    key.write_bytes(bytes(range(32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COVIDX_KEY", str(key))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(autouse=True)
def _no_server_left() -> Iterator[None]:
    """MLflow writes the server it is told into the environment, where the next test finds it."""
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Public data beside the checkout; a fresh clone has none."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"the real data are not at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run for all tests, and for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained"
    place.mkdir(exist_ok=True)
    with (place / "waiting").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # the second worker waits for the first one's run
        done = place / "done"
        if not done.exists():
            done.write_text(_train(place))
        return Run(Path(done.read_text()), place / "runs", place / "work")


def _train(place: Path) -> str:
    from covidx.config import load_config
    from covidx.pipelines.image.config import TRAIN_CT, TrainCT
    from covidx.pipelines.image.train import train_image

    config = load_config(TRAIN_CT, TrainCT, CHANGES)
    return str(train_image(config, work=place / "work", runs=place / "runs").folder)
