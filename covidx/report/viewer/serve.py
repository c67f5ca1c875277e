"""A folder of pages by HTTP, for this machine alone and for whoever has the address's token."""

from __future__ import annotations

import secrets
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from covidx.errors import InvalidInputError, StoreError

HOST = "127.0.0.1"
TOKEN_BYTES = 24
PAGES = ("report.html", "index.html", "evaluation.html")
"""What is opened first, by preference."""


class PageServer(ThreadingHTTPServer):
    """Serves the files below one folder.

    Parameters
    ----------
    folder : Path
        Nothing outside of it is served, by links in it neither.
    port : int
        Of this machine; 0 for any that is free.

    Raises
    ------
    InvalidInputError
        ``PAGES_MISSING``: the folder has no page to open.
    StoreError
        ``PORT_TAKEN``.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        self.root = folder.resolve()
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        first = next((name for name in PAGES if (self.root / name).is_file()), None)
        if first is None:
            raise InvalidInputError(
                "PAGES_MISSING",
                "There is no page in this folder.",
                path=folder,
                expected=" or ".join(PAGES),
                hint="Name a run's folder, such as runs/train_ct/latest.",
            )
        self.first = first
        try:
            super().__init__((HOST, port), partial(_Handler, directory=str(self.root)))
        except OSError as error:
            raise StoreError(
                "PORT_TAKEN",
                "Another program listens on this port.",
                path=f"{HOST}:{port}",
                actual=error.strerror,
                hint="End it, or choose another port with --port.",
            ) from error

    @property
    def address(self) -> str:
        """Of the first page, with the token."""
        return f"http://{HOST}:{self.server_port}/{self.token}/{self.first}"


class _Handler(SimpleHTTPRequestHandler):
    server: PageServer

    def translate_path(self, path: str) -> str:
        """The file that an address names; an empty path, which is no file, where none may be."""
        token, _, rest = unquote(urlsplit(path).path).lstrip("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or "\0" in rest:
            return ""
        root = self.server.root
        file = (root / rest).resolve() if not Path(rest).is_absolute() else Path("/")
        return str(file) if file.is_file() and file.is_relative_to(root) else ""

    def parse_request(self) -> bool:
        """Refuse a request by another name than this machine's: a page elsewhere may send it."""
        if not super().parse_request():
            return False
        port = self.server.server_port
        if self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}"):
            return True
        self.send_error(HTTPStatus.FORBIDDEN)
        return False

    def end_headers(self) -> None:
        """Nothing is kept, guessed, or told to where a link leads."""
        for name, value in (
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Addresses have the token: they are not printed."""
