"""`~` in the paths that a command is given."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from umi_lite.errors import UserError

_Path = TypeVar("_Path", str, str | None)


def with_home(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with `~` expanded in each path: a shell leaves it in `--out=~/x`."""

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        return command(**{name: _expanded(value) for name, value in given.items()})

    return run


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return Path(home(str(value))) if isinstance(value, Path) else value


def home(path: _Path) -> _Path:
    """A path as text with its `~` expanded; None is left as it is.

    Raises:
        UserError: there is no such home folder.
    """
    if path is None or not path.startswith("~"):
        return path
    expanded = os.path.expanduser(path)
    if expanded == path:
        raise UserError(f"{path}: there is no such home folder")
    return expanded
