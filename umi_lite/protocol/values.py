"""JSON values whose type is known only when they are read."""

from typing import Any, cast


def object_of(value: Any) -> dict[str, Any] | None:
    """Return the value if it is a JSON object, else None."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def list_of(value: Any) -> list[Any] | None:
    """Return the value if it is a JSON list, else None."""
    return cast(list[Any], value) if isinstance(value, list) else None
