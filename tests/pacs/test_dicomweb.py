"""Who asks, over what kind of line, and what a failure is called."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from covidx.errors import InvalidInputError, PacsError
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.query import StudyQuery, find_studies
from tests.cli.conftest import Call
from tests.pacs.conftest import Pacs
from tests.pacs.orthanc import USER, Proxy, proxy

CT = StudyQuery(modality="CT")

STATUSES = [
    (401, "PACS_DENIED", 1),
    (403, "PACS_FORBIDDEN", 1),
    (404, "PACS_NOT_FOUND", 1),
    (406, "PACS_BROKEN_ANSWER", 1),
    (503, "PACS_BUSY", 4),
    (429, "PACS_BUSY", 4),
    ("drop", "PACS_BROKEN_ANSWER", 4),
    ("cut", "PACS_BROKEN_ANSWER", 4),
    ("cut quietly", "PACS_BROKEN_ANSWER", 4),
]


@pytest.mark.parametrize(("trouble", "code", "tries"), STATUSES)
def test_each_failure_has_its_code_and_its_number_of_tries(
    server: Server, way: Proxy, trouble: object, code: str, tries: int
) -> None:
    way.trouble = lambda path, times: trouble
    with pytest.raises(PacsError, match=rf"\[{code}\]"):
        find_studies(server, CT)
    assert len(way.asked) == tries


def test_a_server_that_is_busy_twice_and_then_well(server: Server, way: Proxy) -> None:
    way.trouble = lambda path, times: 503 if times <= 2 else None
    assert len(find_studies(server, CT)) == 2
    assert way.asked[0] == way.asked[1] == way.asked[2]


def test_the_waits_grow(server: Server, way: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.undo()
    monkeypatch.setattr("covidx.ingest.pacs.dicomweb.sleep", waited.append)
    way.trouble = lambda path, times: 503
    with pytest.raises(PacsError, match="PACS_BUSY"):
        find_studies(server, CT)
    assert waited == [0.5, 1.0, 2.0, 4.0]


def test_nobody_listens() -> None:
    with pytest.raises(PacsError, match="PACS_UNREACHABLE"):
        find_studies(Server.from_environment("http://127.0.0.1:9/dicom-web"), CT)


def test_the_wrong_password(
    covidx: Call, pacs: Pacs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("COVIDX_PACS_PASSWORD", "wrong-horse")
    answer = covidx("pacs", "find", "--url", f"{pacs.address}/dicom-web", "--modality", "CT")
    assert answer.code == 2
    assert "[PACS_DENIED]" in answer.err
    told = answer.out + answer.err + caplog.text
    encoded = base64.b64encode(f"{USER}:wrong-horse".encode()).decode()
    assert not [secret for secret in ("wrong-horse", USER + ":", encoded) if secret in told]


def test_a_token_is_sent_as_it_is(way: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVIDX_PACS_USER")
    monkeypatch.delenv("COVIDX_PACS_PASSWORD")
    monkeypatch.setenv("COVIDX_PACS_TOKEN", "t0k3n")
    with pytest.raises(PacsError, match="PACS_DENIED"):  # Orthanc knows no tokens
        find_studies(Server.from_environment(way.url), CT)
    assert way.headers[0]["Authorization"] == "Bearer t0k3n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def test_tls_is_verified(pacs: Pacs, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(pacs.address, certificate) as way:
        with pytest.raises(PacsError, match=r"\[PACS_UNTRUSTED\]"):
            find_studies(Server.from_environment(way.url), CT)
        assert way.asked == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert len(find_studies(Server.from_environment(way.url), CT)) == 2
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "nowhere"))
        with pytest.raises(PacsError, match=r"\[PACS_UNTRUSTED\] The certificates of"):
            find_studies(Server.from_environment(way.url), CT)


def test_https_to_a_server_without_tls(way: Proxy) -> None:
    with pytest.raises(PacsError, match="PACS_UNTRUSTED"):
        find_studies(Server.from_environment(way.url.replace("http:", "https:")), CT)


ADDRESSES = [
    ("pacs.example.org/dicom-web", "PACS_URL_INVALID"),
    ("ftp://pacs.example.org", "PACS_URL_INVALID"),
    ("https://", "PACS_URL_INVALID"),
    ("https://[::1", "PACS_URL_INVALID"),
    ("https://pacs.example.org/x?PatientID=7", "PACS_URL_INVALID"),
    ("https://ann:hunter2@pacs.example.org", "PACS_URL_SECRET"),
    ("http://pacs.example.org/dicom-web", "PACS_INSECURE"),
]


@pytest.mark.parametrize(("url", "code"), ADDRESSES)
def test_an_address_that_cannot_be_used(url: str, code: str) -> None:
    with pytest.raises(InvalidInputError, match=code) as caught:
        Server.from_environment(url)
    assert "hunter2" not in str(caught.value)
    assert "PatientID" not in str(caught.value)


def test_without_a_login_plain_http_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COVIDX_PACS_USER")
    monkeypatch.delenv("COVIDX_PACS_PASSWORD")
    url = "http://pacs.example.org/dicom-web"
    assert Server.from_environment(f"{url}/").url == url


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("COVIDX_PACS_PASSWORD", "", "PACS_LOGIN_INCOMPLETE"),
        ("COVIDX_PACS_USER", "", "PACS_LOGIN_INCOMPLETE"),
        ("COVIDX_PACS_TOKEN", "t", "PACS_LOGIN_INCOMPLETE"),
        ("COVIDX_PACS_URL", "", "PACS_URL_MISSING"),
    ],
)
def test_half_a_login(monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: str) -> None:
    monkeypatch.setenv("COVIDX_PACS_URL", "https://pacs.example.org")
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError, match=code):
        Server.from_environment()
