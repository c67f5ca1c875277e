"""A real Orthanc on loopback, and a proxy before it that makes trouble when told to."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "ann", "correct-horse"


def why_not() -> str | None:
    """Why Orthanc cannot be started here, if so."""
    if shutil.which("Orthanc") is None or not PLUGIN.exists():
        return "Debian's orthanc and orthanc-dicomweb are not installed"
    return None


@contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    """Start an empty Orthanc in `folder`; its address, without the path of DICOMweb."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "storage").mkdir()
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}/dicom-web/studies", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            if requests.get(url, auth=(USER, PASSWORD), timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
        assert server.poll() is None, log.read_text()
    raise AssertionError(log.read_text())


@dataclass
class Proxy:
    """Hands requests on to `target`.

    `trouble` gets (path, how often it was asked for, from 1) and names what goes wrong: an HTTP
    status, ``cut`` (half of the announced bytes), ``cut quietly`` (half, unannounced), ``drop`` (no
    answer), or a function that forges the body. None lets the answer through.
    """

    target: str
    trouble: Callable[[str, int], object] = lambda path, times: None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    delay_s: float = 0.0
    url: str = ""

    def asked_for(self, what: str) -> int:
        """Requests whose path holds a text."""
        return sum(what in path for path in self.asked)


@contextmanager
def proxy(target: str, certificate: Path | None = None) -> Iterator[Proxy]:
    """Start a `Proxy` on loopback, with TLS if there is a certificate (with its key, PEM)."""
    state = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path
            state.asked.append(path)
            state.headers.append(dict(self.headers))
            time.sleep(state.delay_s)
            what = state.trouble(path, state.asked.count(path))
            if what == "drop":
                self.close_connection = True
                return
            if isinstance(what, int):
                self._answer(what, "text/plain", b"trouble")
                return
            status, kind, body = _forward(state.target, path, dict(self.headers))
            if callable(what):
                body, what = what(body), ""
            self._answer(status, kind, body, cut=str(what or ""))

        def _answer(self, status: int, kind: str, body: bytes, cut: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if cut == "cut quietly":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    state.url = f"{scheme}://127.0.0.1:{server.server_port}/dicom-web"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def _forward(target: str, path: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    passed = {name: headers[name] for name in ("Accept", "Authorization") if name in headers}
    parts = urlsplit(target)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", path, headers=passed)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read()
    finally:
        connection.close()
