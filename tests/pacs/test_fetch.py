"""Studies fetched whole, in part, again, and not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from covidx.errors import InvalidInputError, InvalidTableError, StoreError
from covidx.files import locked
from covidx.ingest import ingest
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.fetch import fetch_studies
from tests.cli.conftest import Call
from tests.pacs.conftest import Pacs
from tests.pacs.orthanc import Proxy

PATIENTS = ("PH0000-00000", "PH0000-00001")


@pytest.fixture
def studies(pacs: Pacs) -> list[str]:
    return [pacs.study(patient) for patient in PATIENTS]


def files_of(out: Path) -> dict[str, bytes]:
    """Fetched files by instance; anything else below `out` but the account and lock is an error."""
    found = {}
    for path in out.rglob("*"):
        if path.is_file() and path.name not in ("fetch.csv", ".lock"):
            assert path.suffix == ".dcm"
            assert not path.name.startswith(".")
            found[path.stem] = path.read_bytes()
    return found


def account(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "fetch.csv", dtype=str, keep_default_na=False)


def test_what_comes_is_what_was_stored_and_ingest_reads_it(
    server: Server, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "out"
    result = fetch_studies(server, studies, out, progress=lambda *done: told.append(done))
    assert files_of(out) == pacs.stored
    assert result.counts == {"fetched": len(pacs.stored)}
    assert result.stopped is None
    assert told[-1] == (len(pacs.stored), len(pacs.stored))
    assert set(account(out)["sop_uid"]) == set(pacs.stored)
    for row in account(out).itertuples():
        assert (out / row.study_uid / row.series_uid / f"{row.sop_uid}.dcm").is_file()
    ours = ingest(out, tmp_path / "ours", workers=1)
    theirs = ingest(pacs.folder, tmp_path / "theirs", workers=1)
    assert list(ours.manifest["sha256"]) == list(theirs.manifest["sha256"])
    assert ours.quarantined == 0


def test_what_is_there_is_not_fetched_again(
    server: Server, way: Proxy, studies: list[str], tmp_path: Path
) -> None:
    fetch_studies(server, studies[:1], tmp_path)
    before = files_of(tmp_path)
    way.asked.clear()
    result = fetch_studies(server, studies[:1], tmp_path)
    assert result.counts == {"present": len(before)}
    assert files_of(tmp_path) == before
    assert not [path for path in way.asked if "instances/" in path]


def test_studies_named_twice_are_fetched_once(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    result = fetch_studies(server, [studies[0], studies[0]], tmp_path)
    assert len(result.rows) == len(pacs.instances(studies[0]))


@pytest.mark.parametrize("how", ["cut", "cut quietly", "drop", 503])
def test_one_instance_that_never_comes_stops_nothing_and_comes_later(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path, how: object
) -> None:
    bad = min(pacs.instances(studies[0]))
    way.trouble = lambda path, times: how if path.endswith(bad) else None
    result = fetch_studies(server, studies, tmp_path)
    assert set(files_of(tmp_path)) == set(pacs.stored) - {bad}
    assert result.counts["failed"] == 1
    assert result.stopped is None
    (row,) = account(tmp_path).query("state == 'failed'").itertuples()
    assert row.sop_uid == bad
    assert row.code == ("PACS_BUSY" if how == 503 else "PACS_BROKEN_ANSWER")
    assert row.reason
    way.trouble = lambda path, times: None
    way.asked.clear()
    again = fetch_studies(server, studies, tmp_path)
    assert again.counts == {"present": len(pacs.stored) - 1, "fetched": 1}
    assert way.asked_for("instances/") == 1
    assert files_of(tmp_path) == pacs.stored


@pytest.mark.parametrize("how", ["cut", "cut quietly", "drop", 503])
def test_what_fails_twice_and_then_comes_is_whole(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path, how: object
) -> None:
    way.trouble = lambda path, times: how if times <= 2 and "instances/" in path else None
    result = fetch_studies(server, studies[:1], tmp_path)
    assert result.counts == {"fetched": len(pacs.instances(studies[0]))}
    assert set(files_of(tmp_path)) == pacs.instances(studies[0])


@pytest.mark.parametrize("how", [503, "drop"])
def test_a_server_that_goes_down_is_given_up(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path, how: object
) -> None:
    way.trouble = lambda path, times: how if "instances/" in path else None
    result = fetch_studies(server, studies, tmp_path)
    assert result.stopped is not None
    assert result.counts == {"failed": len(pacs.stored)}
    assert result.reasons == {result.stopped.code: len(pacs.stored)}
    assert len({path for path in way.asked if "instances/" in path}) < 20
    assert files_of(tmp_path) == {}
    tried = account(tmp_path)["reason"].str.startswith("Not tried")
    assert tried.any()
    assert not tried.all()


def test_a_study_that_is_not_there_is_told_and_the_others_come(
    server: Server, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    gone = [f"1.2.3.{i}" for i in range(15)]
    result = fetch_studies(server, [*gone, studies[0]], tmp_path)
    assert set(files_of(tmp_path)) == pacs.instances(studies[0])
    assert result.stopped is None
    assert result.reasons == {"PACS_NOT_FOUND": 15}


def test_a_list_that_the_server_cut_is_not_taken_for_the_whole(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    first: list[bytes] = []

    def cut(body: bytes) -> bytes:
        first.append(json.dumps(json.loads(body)[:20]).encode())
        return first[0]  # whatever the offset

    way.trouble = lambda path, times: cut if path.partition("?")[0].endswith("instances") else None
    result = fetch_studies(server, studies[:1], tmp_path)
    assert result.counts == {"fetched": 20, "failed": 1}
    (row,) = [row for row in result.rows if row.state == "failed"]
    assert (row.code, row.sop_uid) == ("PACS_LIST_SHORT", "")
    assert row.reason.endswith(f"Found 20, expected {len(pacs.instances(studies[0]))}.")


FORGED: list[tuple[str, Callable[[bytes, str], bytes]]] = [
    ("a path", lambda body, uid: body.replace(uid.encode(), b"../../../evil")),
    ("an absolute path", lambda body, uid: body.replace(uid.encode(), b"/tmp/evil")),
    ("too long", lambda body, uid: body.replace(uid.encode(), b"1" * 65)),
    ("nothing", lambda body, uid: body.replace(uid.encode(), b"")),
    ("a dot", lambda body, uid: body.replace(uid.encode(), b"..")),
]


@pytest.mark.parametrize(("what", "forge"), FORGED, ids=[name for name, _ in FORGED])
@pytest.mark.parametrize("level", ["SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_that_would_leave_the_folder_is_refused(
    server: Server,
    way: Proxy,
    pacs: Pacs,
    studies: list[str],
    tmp_path: Path,
    what: str,
    forge: Callable[[bytes, str], bytes],
    level: str,
) -> None:
    uid = str(pacs.heads[min(pacs.instances(studies[0]))].get(level))
    way.trouble = lambda path, times: None if "instances/" in path else lambda b: forge(b, uid)
    out = tmp_path / "a" / "b" / "c"
    result = fetch_studies(server, studies[:1], out)
    assert [row.code for row in result.rows] == ["PACS_BROKEN_ANSWER"]
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"fetch.csv", ".lock"}


def test_another_instance_than_asked_for_is_refused(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    one, *others = sorted(pacs.instances(studies[0]))
    other = next(uid for uid in others if len(uid) == len(one))
    way.trouble = lambda path, times: (
        (lambda b: b.replace(one.encode(), other.encode())) if path.endswith(one) else None
    )
    result = fetch_studies(server, studies[:1], tmp_path)
    assert result.reasons == {"PACS_BROKEN_ANSWER": 1}
    assert "another instance" in next(row.reason for row in result.rows if row.code)
    assert one not in files_of(tmp_path)


def test_killed_at_any_moment_nothing_half_written_has_a_name(
    way: Proxy, pacs: Pacs, studies: list[str], server: Server, tmp_path: Path
) -> None:
    way.delay_s = 0.05
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from covidx.cli import main; main()", "pacs", "fetch"]
    command += ["--url", way.url, "--out", str(out), *studies]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(list(out.rglob("[!.]*.dcm"))) < 10 and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.wait(30) == -signal.SIGKILL
    come = {p.stem: p.read_bytes() for p in out.rglob("[!.]*.dcm")}
    assert 10 <= len(come) < len(pacs.stored)
    assert come.items() <= pacs.stored.items()
    (out / ".7.tmp.left.dcm").write_bytes(b"half")  # as a kill amid a write leaves it
    way.delay_s = 0
    result = fetch_studies(server, studies, out)
    assert result.counts["present"] == len(come)
    assert files_of(out) == pacs.stored


def test_the_account_keeps_earlier_studies(
    server: Server, way: Proxy, pacs: Pacs, studies: list[str], tmp_path: Path
) -> None:
    fetch_studies(server, studies[:1], tmp_path)
    fetch_studies(server, studies[1:], tmp_path)
    assert set(account(tmp_path)["study_uid"]) == set(studies)
    way.trouble = lambda path, times: 403
    fetch_studies(server, studies[:1], tmp_path)
    assert len(account(tmp_path)) == len(pacs.stored) + 1
    way.trouble = lambda path, times: None
    fetch_studies(server, studies[:1], tmp_path)
    assert len(account(tmp_path)) == len(pacs.stored)
    assert account(tmp_path)["state"].value_counts().to_dict().keys() == {"present", "fetched"}


def test_two_fetches_into_one_folder(server: Server, studies: list[str], tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StoreError, match="IN_USE"):
        fetch_studies(server, studies, tmp_path)


def test_what_cannot_be_begun(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="STUDY_UID_INVALID") as caught:
        fetch_studies(server, ["1.2.3", "Doe^Jane"], tmp_path)
    assert "place 2" in str(caught.value)
    assert "Doe" not in str(caught.value)
    (tmp_path / "fetch.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidTableError, match="COLUMNS_MISSING"):
        fetch_studies(server, ["1.2.3"], tmp_path)


def test_from_find_to_fetch_on_the_command_line(
    covidx: Call, way: Proxy, pacs: Pacs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed, out = tmp_path / "found.csv", tmp_path / "out"
    assert covidx("pacs", "find", "--url", way.url, "--modality", "CT", "--out", listed).code == 0
    answer = covidx("pacs", "fetch", "--url", way.url, "--studies", listed, "--out", out)
    assert answer.code == 0
    total = len(pacs.stored)
    assert f"{total} instances = {total} fetched + 0 there already + 0 failed" in answer.out
    written = (out / "fetch.csv").read_text()
    assert "PH0000" not in answer.out + answer.err + caplog.text + written
    missing = covidx("pacs", "fetch", "--url", way.url, "1.2.3", "--out", out)
    assert missing.code == 1
    assert "PACS_NOT_FOUND: 1" in missing.out
    nothing = covidx("pacs", "fetch", "--url", way.url, "--out", out)
    assert nothing.code == 2
    assert "[STUDIES_MISSING]" in nothing.err


def test_a_wrong_password_ends_a_fetch_at_once(
    covidx: Call, way: Proxy, studies: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDX_PACS_PASSWORD", "wrong-horse")
    answer = covidx("pacs", "fetch", "--url", way.url, *studies, "--out", tmp_path)
    assert answer.code == 2
    assert "[PACS_DENIED]" in answer.err
    assert "wrong-horse" not in answer.out + answer.err
    assert set(account(tmp_path)["code"]) == {"PACS_DENIED"}
