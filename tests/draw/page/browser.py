"""A headless Chromium for the page's tests: whatever it asks of the network, and whatever it complains of, is kept."""

import os
import shutil
from contextlib import contextmanager

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = "/usr/bin/chromium" if os.access("/usr/bin/chromium", os.X_OK) else shutil.which("chromium")


@contextmanager
def chromium():
    """A browser, or a skip that says why there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser: it is in the extra dev"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the page with (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, *, width=1280, height=800, dark=False):
    """The page in a window; afterwards it must have said nothing and asked for nothing."""
    window = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    window.set_default_timeout(10_000)
    said, asked = [], []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("request", lambda request: asked.append(request.url))
    address = path.resolve().as_uri()
    window.goto(address)
    yield window
    window.close()
    assert said == []
    assert asked == [address]
