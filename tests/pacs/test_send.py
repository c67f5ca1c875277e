"""Objects sent to a real Orthanc by STOW-RS, and read back the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from pydicom import dcmread
from pydicom.dataset import Dataset

from benchmarks.dciodvfy import derived
from covidx.errors import PacsError
from covidx.export import read_source, save
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.send import send_files
from tests.cli.conftest import Call
from tests.pacs.conftest import Pacs
from tests.pacs.orthanc import PASSWORD, USER

PATIENT = "PH0000-00000"


@pytest.fixture
def direct(pacs: Pacs) -> Server:
    """The PACS itself: the proxy passes GET alone."""
    return Server.from_environment(f"{pacs.address}/dicom-web")


@pytest.fixture
def made(pacs: Pacs, tmp_path: Path) -> Iterator[list[Path]]:
    """Every kind of object, for the PACS that its patient is in; removed from there at the end."""
    folders = {p.parent for p in pacs.folder.rglob("*") if p.is_file()}
    sources = (read_source(folder, "original") for folder in sorted(folders))
    source = next(one for one in sources if one.images[0].PatientID == PATIENT)
    objects = derived(pacs.folder.parent, PATIENT, source)
    paths = [save(one, tmp_path / "objects" / f"{name}.dcm") for name, one in objects]
    uids = [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths]
    yield paths
    with requests.Session() as session:
        session.auth = (USER, PASSWORD)
        for uid in uids:
            url = f"{pacs.address}/tools/lookup"
            for found in session.post(url, data=uid, timeout=30).json():
                session.delete(f"{pacs.address}{found['Path']}", timeout=30)


def read_back(server: Server, sent: Dataset) -> Dataset:
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    uids = [str(sent[name].value) for name in names]
    return server.ask(lambda client: client.retrieve_instance(*uids))


def test_orthanc_gives_back_what_it_was_sent(direct: Server, pacs: Pacs, made: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    rows = send_files(direct, made, progress=lambda *done: told.append(done))
    assert [(row.path, row.code) for row in rows] == [(path, "") for path in made]
    assert told == [(n, len(made)) for n in range(1, len(made) + 1)]
    for path in made:
        here = dcmread(path)
        there = read_back(direct, here)
        assert there == here
        name = next((n for n in ("PixelData", "FloatPixelData") if n in here), None)
        if name is not None:
            np.testing.assert_array_equal(there.pixel_array, here.pixel_array)


def test_the_study_has_them_beside_its_slices(direct: Server, pacs: Pacs, made: list[Path]) -> None:
    """And what a SEG refers to is there."""
    send_files(direct, made)
    study = pacs.study(PATIENT)
    found = direct.ask(lambda client: client.search_for_instances(study))
    uids = {item["00080018"]["Value"][0] for item in found}
    seg = dcmread(made[0])
    referred = {
        str(item.ReferencedSOPInstanceUID)
        for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert referred
    assert referred | {str(seg.SOPInstanceUID)} <= uids


def test_send_on_the_command_line(
    pacs: Pacs, made: list[Path], covidx: Call, tmp_path: Path
) -> None:
    text = tmp_path / "note.txt"
    text.write_text("no DICOM")
    url = f"{pacs.address}/dicom-web"
    assert covidx("pacs", "send", *made, "--url", url).code == 0
    answer = covidx("pacs", "send", text, made[0], "--url", url)
    assert answer.code == 1
    assert "2 files = 1 stored + 1 failed" in answer.out
    assert "NOT_DICOM" in answer.out


def test_a_login_that_is_refused_stops_it(
    pacs: Pacs, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDX_PACS_PASSWORD", "wrong")
    with pytest.raises(PacsError) as caught:
        send_files(Server.from_environment(f"{pacs.address}/dicom-web"), made)
    assert caught.value.code == "PACS_DENIED"


def test_an_object_that_the_pacs_refuses(
    pacs: Pacs, made: list[Path], direct: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a patient id and UIDs, Orthanc stores nothing; the others go on."""
    ds = dcmread(made[1])
    ds.PatientName = "Zwiebelfisch"
    del ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID
    ds.save_as(made[1])
    rows = send_files(direct, made)
    assert [bool(row.code) for row in rows] == [False, True, False, False, False]
    assert rows[1].code in ("PACS_REFUSED", "PACS_BROKEN_ANSWER")
    assert "Zwiebelfisch" not in str(rows) + caplog.text
