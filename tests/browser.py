"""A page in real Chromium."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def found_browser() -> str:
    """Chromium's or Chrome's path; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium here")
    return found


def said_by(page: Path, expression: str) -> str:
    """What a JavaScript expression gives in the page, once it is drawn, as text."""
    probe = page.with_name("probe.html")
    # The title is what --dump-dom shows of it.
    script = f"<script>document.title = {expression}</script></body>"
    probe.write_text(page.read_text().replace("</body>", script))
    command = [found_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    shown = subprocess.run(
        [*command, str(probe)], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    title = re.search(r"<title>(.*?)</title>", shown)
    assert title
    return title[1]
