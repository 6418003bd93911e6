"""Errors that the user can fix, each one line with exit code 2, and notes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """What is wrong, where, and what would be right, in one line."""


class Note(UserWarning):
    """Something that did not stop the work, in one line; the command line prints it as it is."""


def error_line(error: Mapping[str, Any], whole: str = "") -> str:
    """Return one of pydantic's errors as `a.0.b: what is wrong`.

    Args:
        error: an entry of `ValidationError.errors()`.
        whole: the name of the whole, for an error that is not about a part of it.
    """
    where = ".".join(map(str, error["loc"])) or whole
    if error["type"] == "missing":
        what = "missing"
    elif error["type"] == "extra_forbidden":
        what = "unknown key"
    elif error["type"] == "value_error":  # a check of this program, which says all of it
        what = str(error["ctx"]["error"])
    else:
        what = " ".join(error["msg"].split())
        what = what[:1].lower() + what[1:]
    return f"{where}: {what}" if where else what


def first_error(err: "ValidationError", whole: str = "") -> str:
    """Return the first of pydantic's errors as `error_line` has it."""
    return error_line(err.errors(include_url=False)[0], whole)
