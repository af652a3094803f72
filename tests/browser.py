"""A headless Chromium, the system's, through Playwright: one page, what it asked for and what it complained of."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)


class Browser:
    """One page. asked: every address that it requested. said: what its console complained of.

    size: of the window, in CSS pixels. Downloads lie in ``folder/downloads``.
    """

    def __init__(self, folder: Path, size: str = "1280,900", dark: bool = False):
        from playwright.sync_api import sync_playwright

        width, height = map(int, size.split(","))
        self.playwright = sync_playwright().start()
        self.browser = self.playwright.chromium.launch(executable_path=PROGRAM, args=["--disable-gpu"])
        scheme: Any = "dark" if dark else "light"
        self.page = self.browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page.set_default_timeout(60_000)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", lambda message: self._heard(message))
        self.page.on("download", lambda file: file.save_as(folder / "downloads" / file.suggested_filename))

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.said.append(f"{message.text} {message.location.get('url', '')}")

    def open(self, address: str) -> None:
        """Go there."""
        self.page.goto(address, wait_until="commit")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is worth; a promise is awaited."""
        return self.page.evaluate(expression)

    def until(self, found: str | Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until a JavaScript expression, or a function, is worth something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.value(found) if isinstance(found, str) else found():
                return value
            self.page.wait_for_timeout(200)  # also lets its events come
        raise AssertionError(f"waited {seconds} s for {found}; the page says: {self.value('document.body.innerText')}")

    def upload(self, selector: str, file: Path) -> None:
        """Put a file into an <input type=file>."""
        self.page.set_input_files(selector, file)

    def touch(self, selector: str, share: float) -> None:
        """Press and release, as a finger does, at ``share`` of the width of what is seen there."""
        seen = self.page.locator(selector)
        seen.scroll_into_view_if_needed()
        box = seen.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)

    def press(self, key: str) -> None:
        """A key of the keyboard, by its name."""
        self.page.keyboard.press(key)

    def resize(self, width: int, height: int) -> None:
        """Another window, in CSS pixels: 390 x 844 is a phone's."""
        self.page.set_viewport_size({"width": width, "height": height})

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        self.page.screenshot(path=file, full_page=whole)

    def close(self) -> None:
        """End it."""
        self.browser.close()
        self.playwright.stop()
