"""A hospital's PACS: Orthanc with two phantom patients, and a way to it that can fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
import requests
from pydicom.dataset import Dataset

from covidx.ingest.pacs.dicomweb import Server
from covidx.phantom import generate_cohort
from tests.cli.conftest import covidx
from tests.pacs.orthanc import PASSWORD, USER, Proxy, orthanc, proxy, why_not

__all__ = ["covidx"]


@dataclass(frozen=True)
class Pacs:
    """A filled Orthanc. `stored` holds the bytes of each instance, by SOP Instance UID."""

    address: str
    folder: Path
    stored: dict[str, bytes]
    heads: dict[str, Dataset]

    def study(self, patient: str) -> str:
        """The study of a patient."""
        return next(str(d.StudyInstanceUID) for d in self.heads.values() if d.PatientID == patient)

    def instances(self, study: str) -> set[str]:
        """SOP Instance UIDs of a study."""
        return {uid for uid, d in self.heads.items() if d.StudyInstanceUID == study}


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    cohort = generate_cohort(tmp_path_factory.mktemp("phantom") / "p", 2, 0, workers=1)
    stored, heads = {}, {}
    with orthanc(tmp_path_factory.mktemp("orthanc")) as address, requests.Session() as session:
        session.auth = (USER, PASSWORD)
        for path in sorted((cohort / "dicom").rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if data[128:132] == b"DICM":
                ds = pydicom.dcmread(path, stop_before_pixels=True)
                stored[str(ds.SOPInstanceUID)], heads[str(ds.SOPInstanceUID)] = data, ds
                session.post(f"{address}/instances", data=data, timeout=30).raise_for_status()
        yield Pacs(address, cohort / "dicom", stored, heads)


@pytest.fixture
def way(pacs: Pacs) -> Iterator[Proxy]:
    """A proxy to the PACS."""
    with proxy(pacs.address) as state:
        yield state


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right login in the environment, and little patience."""
    for name in ("COVIDX_PACS_URL", "COVIDX_PACS_TOKEN", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COVIDX_PACS_USER", USER)
    monkeypatch.setenv("COVIDX_PACS_PASSWORD", PASSWORD)
    monkeypatch.setattr("covidx.ingest.pacs.dicomweb.WAITS_S", (0.001, 0.002, 0.003))


@pytest.fixture
def server(way: Proxy) -> Server:
    return Server.from_environment(way.url)


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
