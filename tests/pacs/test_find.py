"""What a PACS is asked, and what is shown of its answer."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from covidx.errors import InvalidInputError, PacsError
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.query import StudyQuery, find_studies
from tests.cli.conftest import Call
from tests.pacs.conftest import Pacs
from tests.pacs.orthanc import PASSWORD, Proxy

FIRST, SECOND = "PH0000-00000", "PH0000-00001"

# Lists: a set's order, and so a test's name, would differ between pytest's processes.
QUERIES = [
    ({"patient_id": SECOND}, [SECOND]),
    ({"patient_id": "PH0000-*"}, [FIRST, SECOND]),
    ({"patient_id": "PH0000-0000?", "accession": "A0000000"}, [FIRST]),
    ({"patient_id": "PH&modality=CT"}, []),
    ({"description": "CT?CHEST*W/O*"}, [FIRST, SECOND]),
    ({"modality": "CT"}, [FIRST, SECOND]),
    ({"modality": "MR"}, []),
    ({"description": "CT*CHEST*"}, [FIRST, SECOND]),
    ({"description": "HEAD*"}, []),
    ({"since": date(2020, 3, 8), "until": date(2020, 3, 8)}, [FIRST, SECOND]),
    ({"since": date(2020, 3, 9)}, []),
    ({"until": date(2020, 3, 7)}, []),
    ({"until": date(2020, 3, 8)}, [FIRST, SECOND]),
]


@pytest.mark.parametrize(("asked", "patients"), QUERIES, ids=lambda x: str(x)[:50])
def test_studies_by_each_criterion(
    server: Server, pacs: Pacs, asked: dict[str, str], patients: list[str]
) -> None:
    found = find_studies(server, StudyQuery(**asked))
    assert sorted(study.patient_id for study in found) == patients
    for study in found:
        assert study.study_uid == pacs.study(study.patient_id)
        assert study.instances == len(pacs.instances(study.study_uid))
        assert (study.date, study.modalities, study.series) == ("2020-03-08", "CT SR", 3)
        assert study.description == "CT CHEST W/O CONTRAST"


def test_a_server_that_gives_its_results_in_pages(server: Server, way: Proxy) -> None:
    def one(body: bytes) -> bytes:
        offset = int(parse_qs(urlsplit(way.asked[-1]).query).get("offset", ["0"])[0])
        return json.dumps(json.loads(body or b"[]")[offset : offset + 1]).encode()

    way.trouble = lambda path, times: one
    assert len(find_studies(server, StudyQuery(modality="CT"))) == 2
    assert len(way.asked) == 3


def test_a_server_that_knows_no_offset_is_not_asked_for_ever(server: Server, way: Proxy) -> None:
    assert len(find_studies(server, StudyQuery(modality="CT"))) == 2  # as Orthanc, without a limit
    assert len(way.asked) == 2


def test_what_the_server_sends_steers_no_terminal(server: Server, way: Proxy) -> None:
    way.trouble = lambda path, times: lambda body: body.replace(b"CHEST", b"\\u001b[2J\\nX")
    (study, _) = find_studies(server, StudyQuery(modality="CT"))
    assert study.description == "CT [2J X W/O CONTRAST"


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[1]", b'[{"0020000D": 5}]', b"[{}]"])
def test_an_answer_that_is_no_dicom_json(server: Server, way: Proxy, body: bytes) -> None:
    way.trouble = lambda path, times: lambda _: body
    with pytest.raises(PacsError, match="PACS_BROKEN_ANSWER"):
        find_studies(server, StudyQuery(modality="CT"))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "QUERY_EMPTY"),
        ({"patient_id": ""}, "QUERY_EMPTY"),
        ({"since": date(2020, 3, 9), "until": date(2020, 3, 8)}, "QUERY_DATES"),
    ],
)
def test_a_query_that_makes_no_sense(asked: dict[str, str], code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        StudyQuery(**asked)


def test_the_table_shows_no_patient_unless_asked(covidx: Call, way: Proxy, tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    answer = covidx("pacs", "find", "--url", way.url, "--modality", "CT", "--out", out)
    assert answer.code == 0
    assert "2020-03-08" in answer.out
    assert "2 studies" in answer.out
    table = pd.read_csv(out)
    assert list(table) == [
        "study_uid", "date", "modalities", "description", "series", "instances",
    ]  # fmt: skip
    assert out.stat().st_mode & 0o077 == 0
    assert "PH0000" not in answer.out + answer.err + out.read_text()
    shown = covidx("pacs", "find", "--url", way.url, "--modality", "CT", "--show-patients")
    assert SECOND in shown.out
    assert "PHANTOM^" not in shown.out


def test_many_patients_from_a_table_into_json(
    covidx: Call, pacs: Pacs, way: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDX_PACS_URL", way.url)
    ids, out = tmp_path / "ids.csv", tmp_path / "found.json"
    ids.write_text(f"patient_id,label\n{SECOND},1\nnobody,0\n{SECOND},1\n")
    assert covidx("pacs", "find", "--patients", ids, "--out", out).code == 0
    (row,) = json.loads(out.read_text())
    assert row["study_uid"] == pacs.study(SECOND)
    assert row["instances"] == len(pacs.instances(row["study_uid"]))
    assert way.asked_for("PatientID=nobody") == 1


MISTAKES = [
    ("--modality CT --out x.txt", "OUT_SUFFIX", ".csv or .json"),
    ("--since 2020-03-09 --until 2020-03-08", "QUERY_DATES", "2020-03-09"),
    ("", "QUERY_EMPTY", "description"),
    ("--modality CT --out {wrong}/x.csv", "UNWRITABLE", "wrong.csv"),
    ("--patients {wrong}", "COLUMNS_MISSING", "patient_id"),
    ("--patients {empty}", "TABLE_EMPTY", "patient_id"),
]


@pytest.mark.parametrize(("line", "code", "told"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_mistakes_of_find(covidx: Call, tmp_path: Path, line: str, code: str, told: str) -> None:
    wrong, empty = tmp_path / "wrong.csv", tmp_path / "empty.csv"
    wrong.write_text("id\n1\n")
    empty.write_text("patient_id,label\n,1\n")
    words = line.format(wrong=wrong, empty=empty).split()
    answer = covidx("pacs", "find", "--url", "http://127.0.0.1:9", *words)
    assert answer.code == 2
    assert f"[{code}]" in answer.err
    assert told in answer.err


@pytest.mark.parametrize("trouble", [401, 403, 404, 500, "drop", "cut", "cut quietly"])
def test_no_identity_and_no_secret_in_errors_and_logs(
    covidx: Call, way: Proxy, caplog: pytest.LogCaptureFixture, trouble: object
) -> None:
    way.trouble = lambda path, times: trouble
    answer = covidx("pacs", "find", "--url", way.url, "--patient", "Jane-Doe-4711")
    assert answer.code == 2
    assert way.asked_for("Jane-Doe-4711") >= 1
    assert "Jane" not in answer.out + answer.err + caplog.text
    assert PASSWORD not in answer.out + answer.err + caplog.text
    assert "Traceback" not in answer.err
