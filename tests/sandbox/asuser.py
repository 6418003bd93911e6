"""Python code run as an unprivileged user: root cannot do what the tests do at each level."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from umi_lite.sandbox import unprivileged


def as_user(code: str, given: Any = None, timeout: float = 300.0) -> Any:
    """Run code that reads JSON from stdin (`given`) and prints JSON as its last line."""
    done = subprocess.run(
        unprivileged.command([sys.executable, "-c", code]),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(unprivileged.__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/",
        },
        cwd="/",
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
