"""A headless Chromium, spoken to over a pipe in its DevTools protocol: no driver, no socket, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)


class Browser:
    """One page. asked: every address that it requested. said: what its console complained of."""

    def __init__(self, folder: Path, size: str = "1280,900"):
        assert PROGRAM
        ours, theirs = os.pipe(), os.pipe()  # the browser reads commands from 3 and writes answers to 4
        script = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        words = [
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--no-first-run",
            f"--window-size={size}",
            f"--user-data-dir={folder / 'profile'}",
            "--disable-component-update",
            "--disable-background-networking",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            ["bash", "-c", script, *words], pass_fds=(ours[0], theirs[1]), stderr=subprocess.DEVNULL
        )
        os.close(ours[0])
        os.close(theirs[1])
        self.output, self.input, self.held, self.count = ours[1], theirs[0], b"", 0
        self.asked: list[str] = []
        self.said: list[str] = []
        self.session = ""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Network", "Page", "Runtime", "DOM", "Log"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder / "downloads"))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; what happens meanwhile is noted."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self, seconds: float = 60) -> dict[str, Any]:
        while b"\0" not in self.held:
            assert select.select([self.input], [], [], seconds)[0], "the browser is silent"
            part = os.read(self.input, 2**16)
            assert part, "the browser has ended"
            self.held += part
        line, self.held = self.held.split(b"\0", 1)
        message = json.loads(line)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.asked.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.said.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        return message

    def open(self, address: str) -> None:
        """Go there."""
        self.call("Page.navigate", url=address)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is worth; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, found: str | Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until a JavaScript expression, or a function, is worth something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.value(found) if isinstance(found, str) else found():
                return value
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds} s for {found}; the page says: {self.value('document.body.innerText')}")

    def upload(self, selector: str, file: Path) -> None:
        """Put a file into an <input type=file>."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def picture(self, file: Path) -> None:
        """A PNG of what is seen."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        self.call("Browser.close")
        self.process.wait(timeout=30)
        os.close(self.output)
        os.close(self.input)
