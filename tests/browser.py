"""Evaluate JavaScript in a page, in Chromium."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def found_browser() -> str:
    """Return the path of Chromium or Chrome; skip the test if neither is installed."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


def said_by(page: Path, expression: str) -> str:
    """Return the value of a JavaScript expression in the rendered page, as text."""
    probe = page.with_name("probe.html")
    # --dump-dom prints the title.
    script = f"<script>document.title = {expression}</script></body>"
    probe.write_text(page.read_text().replace("</body>", script))
    command = [found_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    shown = subprocess.run(
        [*command, str(probe)], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title
    return title[1]
