"""docs/map.md is what the docstrings say, and no text has a word that readers stumble over."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_map_is_up_to_date() -> None:
    code = "import map; assert map.PAGE.read_text(encoding='utf-8') == map.page(), 'run python scripts/map.py'"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
