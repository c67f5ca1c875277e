"""One DICOMweb server (PS3.18): login, retries and the codes of failures.

Errors quote neither the server's words nor the address asked, since a query holds a patient id.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from time import sleep
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from requests.auth import AuthBase, HTTPBasicAuth
from requests.exceptions import ConnectTimeout, ProxyError, SSLError
from urllib3.exceptions import MaxRetryError

from covidx.errors import InvalidInputError, PacsError
from covidx.ingest.pacs.session import Bearer, Session, check_whole

URL_VARIABLE = "COVIDX_PACS_URL"
USER_VARIABLE = "COVIDX_PACS_USER"
PASSWORD_VARIABLE = "COVIDX_PACS_PASSWORD"  # noqa: S105
TOKEN_VARIABLE = "COVIDX_PACS_TOKEN"  # noqa: S105
CA_VARIABLE = "REQUESTS_CA_BUNDLE"

TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two pieces of an answer."""
WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""Before each further try."""
BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP answers that may be better a moment later."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
TALKERS = ("dicomweb_client", "retrying", "urllib3")
"""Loggers that quote addresses, and with them patient ids."""

T = TypeVar("T")


class Server:
    """A DICOMweb server.

    Parameters
    ----------
    url : str
        Address of the service, such as ``https://pacs.example.org/dicom-web``.
    auth : AuthBase, optional
        Who asks, as requests has it.

    Raises
    ------
    InvalidInputError
        ``PACS_URL_INVALID``, ``PACS_URL_SECRET`` or ``PACS_INSECURE``.
    """

    def __init__(self, url: str, auth: AuthBase | None = None) -> None:
        self.url = _checked(url, secret=auth is not None)
        for name in TALKERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        session = Session()
        session.auth = auth
        self._client = DICOMwebClient(
            self.url, session=session, callback=check_whole, timeout=TIMEOUT_S
        )
        self._client.set_http_retry_params(retry=False)  # `ask` also repeats what broke midway

    @classmethod
    def from_environment(cls, url: str | None = None) -> Server:
        """Take the login, and the address unless `url` is given, from the environment.

        ``COVIDX_PACS_URL``; ``COVIDX_PACS_USER`` with ``COVIDX_PACS_PASSWORD``, or
        ``COVIDX_PACS_TOKEN`` (sent as a bearer token). ``REQUESTS_CA_BUNDLE`` names the
        certificates of a private authority.

        Raises
        ------
        InvalidInputError
            ``PACS_URL_MISSING``, ``PACS_LOGIN_INCOMPLETE``, or as `Server`.
        """
        url = url or os.environ.get(URL_VARIABLE)
        if not url:
            raise InvalidInputError(
                "PACS_URL_MISSING",
                "The PACS has no address.",
                expected="the address of its DICOMweb service",
                hint=f"Give --url, or set {URL_VARIABLE}.",
            )
        user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
        token = os.environ.get(TOKEN_VARIABLE)
        if bool(user) != bool(password) or (user and token):
            raise InvalidInputError(
                "PACS_LOGIN_INCOMPLETE",
                "The environment holds half a login, or two.",
                expected=f"{USER_VARIABLE} with {PASSWORD_VARIABLE}, or {TOKEN_VARIABLE}",
                hint="Set what belongs together, and unset the rest.",
            )
        if token:
            return cls(url, Bearer(token))
        if user and password:
            return cls(url, HTTPBasicAuth(user.encode(), password.encode()))
        return cls(url)

    def ask(self, call: Callable[[DICOMwebClient], T]) -> T:
        """Send a request, and send it again where another try may help.

        Parameters
        ----------
        call : callable
            The request, as a function of the client.

        Raises
        ------
        PacsError
            ``PACS_UNREACHABLE``, ``PACS_UNTRUSTED``, ``PACS_DENIED`` (the login),
            ``PACS_FORBIDDEN`` (this object), ``PACS_NOT_FOUND``, ``PACS_BUSY`` or
            ``PACS_BROKEN_ANSWER``.
        """
        for wait in (*WAITS_S, None):
            try:
                return call(self._client)
            except Exception as error:  # what a server sends makes a parser raise nearly anything
                problem, again = self._problem(error)
            if wait is None or not again:
                break
            sleep(wait)
        raise problem

    def _problem(self, error: Exception) -> tuple[PacsError, bool]:
        """What a failure is called, and whether another try may help."""
        if isinstance(error, PacsError):
            return error, False
        if isinstance(error, requests.HTTPError) and error.response is not None:
            status = error.response.status_code
            return self._error(*_refusal(status), actual=f"HTTP {status}"), status in BUSY
        connecting = bool(error.args) and isinstance(error.args[0], MaxRetryError)
        if connecting and isinstance(error, SSLError):
            return self._error("PACS_UNTRUSTED", *UNTRUSTED), False
        if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
            return self._error("PACS_UNTRUSTED", *NO_AUTHORITIES), False
        if connecting or isinstance(error, ConnectTimeout | ProxyError):
            return self._error("PACS_UNREACHABLE", *UNREACHABLE), True
        kind = type(error).__name__
        again = isinstance(error, requests.RequestException) and not isinstance(error, ValueError)
        return self._error("PACS_BROKEN_ANSWER", *(CUT if again else BROKEN), actual=kind), again

    def _error(self, code: str, message: str, hint: str, actual: object = None) -> PacsError:
        return PacsError(code, message, path=self.url, actual=actual, hint=hint)


UNREACHABLE = (
    "The PACS cannot be reached.",
    "Check the address, the network and the proxy, and whether the service runs.",
)
UNTRUSTED = (
    "The PACS does not prove who it is: its certificate is not trusted, or it speaks no TLS.",
    f"Set {CA_VARIABLE} to the certificates of the authority that your hospital uses.",
)
NO_AUTHORITIES = (
    "The certificates of the authorities cannot be read.",
    f"Set {CA_VARIABLE} to a file in PEM format that is there.",
)
CUT = ("The connection broke while the PACS answered.", "Run the command again.")
BROKEN = (
    "The PACS answered what is neither DICOM nor DICOM JSON.",
    "Check that the address is that of its DICOMweb service (QIDO-RS and WADO-RS).",
)


def _refusal(status: int) -> tuple[str, str, str]:
    """Code, message and hint of an HTTP status of 400 or more."""
    if status == 401:
        login = f"Check {USER_VARIABLE} and {PASSWORD_VARIABLE}, or {TOKEN_VARIABLE}."
        return "PACS_DENIED", "The PACS does not accept the login.", login
    if status == 403:
        rights = "Ask whoever runs the PACS for the right to read it."
        return "PACS_FORBIDDEN", "The PACS does not let this user have it.", rights
    if status in (404, 410):
        there = "Check the study UID, and the address of the DICOMweb service."
        return "PACS_NOT_FOUND", "The PACS has no such thing.", there
    if status in BUSY:
        return "PACS_BUSY", "The PACS is too busy, or fails.", "Run the command again later."
    return "PACS_BROKEN_ANSWER", "The PACS refuses the request.", BROKEN[1]


def _checked(url: str, secret: bool) -> str:
    """An address without user, password or a slash at its end."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if "@" in url:  # the address may hold a password: it is not shown
        raise InvalidInputError(
            "PACS_URL_SECRET",
            "The address of the PACS holds a login.",
            hint=f"Take it out; set {USER_VARIABLE} and {PASSWORD_VARIABLE} instead.",
        )
    if not sound or parts.query or parts.fragment:
        raise InvalidInputError(
            "PACS_URL_INVALID",
            "The address of the PACS is none.",
            expected="such as https://pacs.example.org/dicom-web",
            actual=url.partition("?")[0],
        )
    if secret and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise InvalidInputError(
            "PACS_INSECURE",
            "The login would cross the network in the clear.",
            path=url,
            expected="an address that begins with https",
            hint="Ask for the TLS address of the PACS, or tunnel to it (ssh -L).",
        )
    return url.rstrip("/")
