"""A headless Chromium, driven by its DevTools protocol: what a page and its frames show."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-features=IsolateSandboxedIframes",
    "--disable-site-isolation-trials",
    "--window-size=1500,1400",
    "--remote-debugging-port=0",
)


class Tab:
    """One page: where it is, and what its frames hold."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._count = 0
        self._frames: dict[int, str] = {}

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        await self._socket.send_json(message)
        while True:
            answer = json.loads((await self._socket.receive(120)).data)
            if answer.get("method") == "Runtime.executionContextCreated":
                context = answer["params"]["context"]
                self._frames[context["id"]] = context["origin"]
            elif answer.get("method") == "Runtime.executionContextsCleared":
                self._frames.clear()
            elif answer.get("id") == message["id"]:
                return dict(answer.get("result", {}))

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self._call("Runtime.enable")
        await self._call("Page.enable")
        await self._call("Page.navigate", url="about:blank")
        await self._call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> list[Any]:
        """The value of an expression in every frame that is still there."""
        await self._call("Runtime.evaluate", expression="0")  # takes in what frames there are
        values = []
        for context in list(self._frames):
            answer = await self._call(
                "Runtime.evaluate", expression=script, contextId=context, returnByValue=True
            )
            values.append(answer.get("result", {}).get("value"))
        return values

    async def until(self, script: str, seconds: float = 90) -> Any:
        """The value of an expression, once it is true in any frame."""
        for _ in range(int(seconds * 2)):
            for value in await self.evaluate(script):
                if value:
                    return value
            await asyncio.sleep(0.5)
        shown = [value for value in await self.evaluate("document.body.innerText") if value]
        raise AssertionError(f"never true: {script}; the page shows {shown}")

    async def picture(self, path: Path) -> None:
        """Write what is in view as PNG."""
        answer = await self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """Start a browser with an empty profile in a folder; gives its one tab."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            address = await _address(profile, session)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


async def _address(profile: Path, session: aiohttp.ClientSession) -> str:
    for _ in range(240):
        with suppress(OSError, IndexError, aiohttp.ClientError):
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                for target in await answer.json():
                    if target["type"] == "page":
                        return str(target["webSocketDebuggerUrl"])
        await asyncio.sleep(0.25)
    raise AssertionError("Chromium did not start")
