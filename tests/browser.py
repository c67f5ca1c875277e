"""A headless Chromium, driven by its DevTools protocol: what a page and its frames show."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-features=IsolateSandboxedIframes",
    "--disable-site-isolation-trials",
    "--window-size=1500,1400",
    "--remote-debugging-pipe",
)


class Tab:
    """One page: where it is, what its frames hold, what it asked for and complained of."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = os.fdopen(answers, "rb")
        self._rest = b""
        self._count = 0
        self._frames: list[int] = []
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = str(attached["sessionId"])
        self._call("Runtime.enable")
        self._call("Page.enable")
        self._call("Log.enable")
        self._call("Network.enable")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") == "Runtime.executionContextCreated":
                self._frames.append(answer["params"]["context"]["id"])
            elif answer.get("method") == "Runtime.executionContextsCleared":
                self._frames.clear()
            elif "method" in answer:
                self._note(answer["method"], answer["params"])
            elif answer.get("id") == message["id"]:
                return dict(answer.get("result", {}))

    def _note(self, method: str, event: dict[str, Any]) -> None:
        """Keep what a page complains of, and each address that it asks for."""
        if method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning"):
            self.faults.append(json.dumps(event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.faults.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._answers.read1(1 << 16)
            if not part:
                raise AssertionError("Chromium has ended")
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(text))

    def open(self, url: str) -> None:
        """Go to an address, from an empty page."""
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> list[Any]:
        """The value of an expression in every frame that is still there."""
        self._call("Runtime.evaluate", expression="0")  # takes in what frames there are
        options = {"expression": script, "returnByValue": True}
        answers = [
            self._call("Runtime.evaluate", contextId=frame, **options)
            for frame in list(self._frames)
        ]
        return [answer.get("result", {}).get("value") for answer in answers]

    def value(self, script: str) -> Any:
        """The value of an expression, or of its promise, in the page itself."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self._call("Runtime.evaluate", expression=script, **options)
        if "exceptionDetails" in answer:
            raise AssertionError(json.dumps(answer["exceptionDetails"]))
        return answer.get("result", {}).get("value")

    def key(self, key: str) -> None:
        """Press a key, by the name that pages know it by."""
        text = {"text": key} if len(key) == 1 else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """A mouse event, such as ``mouseMoved``, at a place of the window in pixels."""
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def window(self, width: int, height: int) -> None:
        """Give the page this many pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def picture(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        answer = self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def until(self, script: str, seconds: float = 90) -> Any:
        """The value of an expression, once it is true in any frame."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for value in self.evaluate(script):
                if value:
                    return value
            time.sleep(0.2)
        shown = [value for value in self.evaluate("document.body.innerText") if value]
        raise AssertionError(f"never true: {script}; the page shows {shown}")


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start a browser with an empty profile in a folder; gives its one tab."""
    assert CHROMIUM is not None
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    script = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    process = subprocess.Popen(
        ["bash", "-c", script, CHROMIUM, *OPTIONS, f"--user-data-dir={profile}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(theirs_in, theirs_out),
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(ours_out, ours_in)
    finally:
        os.close(ours_out)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
