"""The levels that this machine has, to an ordinary user."""

import functools

import pytest
from asuser import as_user

LEVELS = ("standard", "full")
_ASK = """
import json
from umi_lite.errors import UserError
from umi_lite.sandbox.sandbox import Sandbox
missing = {}
for level in ("standard", "full"):
    with Sandbox(level, packages=()) as sandbox:
        try:
            sandbox.start(); missing[level] = None
        except UserError as err:
            missing[level] = str(err)
print(json.dumps(missing))
"""


@functools.cache
def lacking() -> dict[str, str | None]:
    return as_user(_ASK)


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """Each level; `full` is skipped where it is not available, `standard` must be."""
    missing = lacking()[request.param]
    if missing is not None and request.param == "full":
        pytest.skip(missing)
    assert missing is None, missing
    return request.param
