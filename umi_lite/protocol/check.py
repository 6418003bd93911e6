"""A call's arguments against the whole schema of its tool, what no grammar can hold included."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any


class Check:
    """The check of one tool's calls.

    Args:
        parameters: a tool's normalised parameters (`Tool.parameters`).
    """

    def __init__(self, parameters: Mapping[str, Any]):
        self._parameters = parameters

    @cached_property
    def _validator(self) -> Any:
        import jsonschema

        return jsonschema.Draft202012Validator(self._parameters)

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the arguments, on one line with its place; None if nothing."""
        try:
            wrong = next(iter(self._validator.iter_errors(arguments)), None)
        except re.error as err:
            return f"the pattern {err.pattern!r} is not a regular expression: {err}"
        if wrong is None:
            return None
        at = ".".join(str(step) for step in wrong.absolute_path)
        return " ".join((f"{at}: {wrong.message}" if at else wrong.message).split())
