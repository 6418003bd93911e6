"""Reads the operations of an OpenAPI document, JSON or YAML, as tools."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from umi_lite.data.openapi import tool_of
from umi_lite.data.rows import BadRow, Dropped
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Tool

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def operations(path: Path) -> tuple[list[Tool], list[Dropped]]:
    """Return a tool per operation, named by its `operationId`, and what cannot be one.

    Without an id it is named by method and path: `get_pets_petId`. Where the id ends with both, as
    FastAPI makes them, the name is what comes before, unless another operation has it.

    Raises:
        UserError: the file is missing, or not an OpenAPI document.
    """
    spec = _read(path)
    tools: list[Tool] = []
    dropped: list[Dropped] = []
    for where, method, operation in _operations(spec):
        own = {**spec, "paths": {**spec["paths"], where: {method: operation}}}
        place = f"{path}: {method.upper()} {where}"
        full = _name(operation, method, where)
        short = full.removesuffix(re.sub(r"\W", "_", where) + f"_{method}") or full
        taken = {other.name for other in tools}
        try:
            tool = tool_of(own, full if short in taken else short, where, method)
        except BadRow as err:
            dropped.append(Dropped(place, str(err)))
            continue
        if tool.name in taken:
            dropped.append(Dropped(place, f"another operation is named {tool.name!r}"))
        else:
            tools.append(tool)
    return tools, dropped


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; an OpenAPI document is JSON or YAML") from None
    try:
        found = parse(text) if text.lstrip().startswith("{") else _yaml(text)
    except BadJson as err:
        raise UserError(f"{path}: {err}; an OpenAPI document is JSON or YAML") from None
    if not isinstance(found, dict) or not isinstance(found.get("paths"), dict):
        raise UserError(f"{path}: not an OpenAPI document: it has no object 'paths'")
    return found


def _yaml(text: str) -> Any:
    import yaml

    try:
        # YAML has dates, keys that are numbers, and nodes that contain themselves; JSON has none.
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as err:
        raise BadJson(f"not YAML: {' '.join(str(err).split())}") from None


def _operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation; a path's own parameters are added to its operations."""
    for where, item in spec["paths"].items():
        if not isinstance(item, dict):
            continue
        shared = item.get("parameters")
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                own = operation.get("parameters")
                lists = [part for part in (shared, own) if isinstance(part, list)]
                yield str(where), method, {**operation, "parameters": [*chain(*lists)]}


def _name(operation: dict[str, Any], method: str, where: str) -> str:
    name = operation.get("operationId")
    if isinstance(name, str) and name.strip():
        return "_".join(name.split())
    return "_".join([method, *re.findall(r"\w+", where)])
