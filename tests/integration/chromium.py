"""A headless Chromium: pages are opened in it, looked at, and asked what they show.

It is spoken to over two pipes (Chrome DevTools Protocol, `--remote-debugging-pipe`): JSON messages,
a NUL behind each. Nothing but the standard library is needed for that, and no port is opened.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .workplace import EngineRefused, Workplace, end, environment

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

ANSWERING = 60.0  # seconds, on a machine that is busy
WORDS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--no-first-run", "--disable-sync", "--disable-component-update", "--force-color-profile=srgb",
    "about:blank",
)  # fmt: skip
ON_PIPES = 'exec "$@" 3<&"$COMMANDS" 4>&"$ANSWERS"'  # bash's: it takes descriptors of two digits


@dataclass
class View:
    """How wide the window is, in CSS pixels, and which colours its user prefers."""

    width: int = 1280
    scheme: str = "light"
    height: int = 800


class Chromium(Workplace):
    """One browser with one tab."""

    programs = ("chromium", "bash")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.push(self.__exit__)
            self._start()
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.tell(f"{domain}.enable")
            undo.pop_all()
        return self

    def _start(self) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._session, self._number, self._rest = "", 0, b""
        self._events: list[dict[str, Any]] = []
        self._log = (self.home / "log").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", ON_PIPES, "bash", "chromium", f"--user-data-dir={self.home}/profile", *WORDS],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=(commands, answers),
            env={**environment(self.home), "COMMANDS": str(commands), "ANSWERS": str(answers)},
            cwd=self.home,
        )
        os.close(commands)
        os.close(answers)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if hasattr(self, "_process"):
                os.close(self._commands)
                os.close(self._answers)
                end(self._process)
                self._log.close()
        finally:
            super().__exit__(kind, error, trace)

    def show(self, url: str, view: View) -> None:
        """Open a page, and wait until it is there; what the last one said is forgotten."""
        self._events.clear()
        size = {
            "width": view.width,
            "height": view.height,
            "deviceScaleFactor": 1,
            "mobile": view.width < 600,
        }
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.tell(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": view.scheme}]
        )
        self.tell("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """What JavaScript of ours, not of the page's, says of the page; JSON."""
        answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise EngineRefused(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """What the page's console says: errors, blocked requests, refused styles."""
        spoken = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        return [json.dumps(event["params"]) for event in self._events if event["method"] in spoken]

    def requests(self) -> list[str]:
        """Every address that the page asked for, its own among them."""
        asked = [event for event in self._events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the page as it is seen."""
        data = self.tell("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def sheets(self) -> int:
        """How many sheets of paper the page takes, were it printed."""
        pdf = base64.b64decode(self.tell("Page.printToPDF", printBackground=True)["data"])
        return len(re.findall(rb"/Type */Page\b", pdf))

    def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """Give the tab a command and return its answer."""
        return self._ask(method, self._session, **params)

    def _ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._number:
            self._events.append(answer)
        if "error" in answer:
            raise EngineRefused(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _wait_for(self, event: str) -> None:
        while all(each.get("method") != event for each in self._events):
            self._events.append(self._message())

    def _message(self) -> dict[str, Any]:
        """The next message: an answer, or something that happened."""
        deadline = time.monotonic() + ANSWERING
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._answers, 1 << 20) if ready else b""
            if not piece:
                said = (self.home / "log").read_text(errors="replace")[-2000:]
                raise EngineRefused(f"chromium said nothing more: {said}")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))
