"""HTTP as a PACS needs it: plain wildcards, tokens, and answers that are whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

IN_QUERY = "*?/:,"
"""Characters that stand for themselves in a query (RFC 3986 3.4), wildcards among them."""
LAST_BYTES = 1024
"""Of an answer, where its end is looked for; a boundary has at most 70 (RFC 2046 5.1.1)."""


class Session(requests.Session):
    """Sends what may stand in a query as it is: Orthanc 1.10 decodes no percent signs."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """The prepared `request`, with the characters of `IN_QUERY` as they are."""
        prepared = super().prepare_request(request)
        path, mark, query = (prepared.url or "").partition("?")
        for plain in IN_QUERY:
            query = query.replace(quote(plain, safe=""), plain)
        prepared.url = path + mark + query
        return prepared


class Bearer(AuthBase):
    """A token (RFC 6750). As `auth`, not as a header, so that no .netrc overrides it."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def check_whole(response: requests.Response, **_: Any) -> None:
    """Refuse a `response` that was cut short; the hook's options `_` are not used."""
    kind, headers = response.headers.get("Content-Type", ""), response.headers
    if not response.ok:
        return
    if kind.lower().startswith("multipart/"):
        # Its last boundary is followed by two hyphens (RFC 2046 5.1.1).
        boundary = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"')
        whole = f"--{boundary}--".encode() in response.content[-LAST_BYTES:]
    else:
        whole = "Content-Length" in headers or "Transfer-Encoding" in headers or not kind
    if not whole:
        raise requests.ConnectionError("an answer without its end")
