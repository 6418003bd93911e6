"""Recipe files: YAML reading, overrides, and checks that report all errors in one line."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from umi_lite.errors import UserError, error_line

_Tree = TypeVar("_Tree", bound=BaseModel)


def merged(tree: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return a tree with another one merged over it: mappings key by key, all else replaced."""
    found = dict(tree)
    for key, value in over.items():
        below = found.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            found[key] = merged(below, value)
        else:
            found[key] = value
    return found


_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML in which a duplicate key is an error, not a silent choice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    # `<<` is YAML's merge of another mapping; keys of this one take precedence.
    keys = [
        key.value if key.tag == _MERGE else loader.construct_object(key, deep=True)
        for key, _ in node.value
    ]
    twice = [key for i, key in enumerate(keys) if key in keys[:i]]
    if twice:
        line = node.start_mark.line + 1
        raise yaml.YAMLError(f"key {twice[0]!r} appears twice in the block at line {line}")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a recipe file's tree.

    Raises:
        UserError: it cannot be read, is not YAML, or is not a mapping.
    """
    try:
        # The loader is a SafeLoader.
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as err:
        raise UserError(f"{path}: cannot be read ({err})") from err
    except yaml.YAMLError as err:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(err).split())}") from err
    if not isinstance(tree, dict):
        raise UserError(f"{path}: a recipe is a mapping of keys, not {type(tree).__name__}")
    return tree


def override(tree: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Return the tree with each `a.b.0.c=value` set; the values are YAML.

    Raises:
        UserError: no `=`, a value that is not YAML, or a path through something without keys.
            Unknown keys are found by `check`.
    """
    for text in overrides:
        dotted, mark, value = text.partition("=")
        keys = dotted.strip().split(".")
        if not mark or not all(keys):
            raise UserError(f"-o {text}: write key=value, e.g. stages.global.learning_rate=1e-4")
        try:
            parsed = yaml.load(value, Loader=_Loader)
        except yaml.YAMLError as err:
            raise UserError(f"-o {text}: the value is not valid YAML") from err
        tree = _set(tree, keys, parsed, text)
    return tree


def _set(node: Any, keys: list[str], value: Any, text: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(node, list):
        if not key.isdigit() or int(key) >= len(node):
            raise UserError(f"-o {text}: {key!r} is not an index of a list of {len(node)}")
        return [_set(v, rest, value, text) if i == int(key) else v for i, v in enumerate(node)]
    if node is not None and not isinstance(node, dict):
        raise UserError(f"-o {text}: there are no keys below the value {node!r}")
    node = node or {}
    return {**node, key: _set(node.get(key), rest, value, text)}


def check(model: type[_Tree], tree: dict[str, Any], where: str) -> _Tree:
    """Return the tree as a model.

    Raises:
        UserError: all errors in one line, with did-you-mean for unknown keys.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as err:
        errors = err.errors()
        # "the list is empty" follows from a wrong item in it: only the cause is reported.
        inner = {e["loc"][:i] for e in errors for i in range(1, len(e["loc"]))}
        lines = [_line(model, error) for error in errors if error["loc"] not in inner]
        raise UserError(f"{where}: {'; '.join(dict.fromkeys(lines))}") from None


def _line(model: type[BaseModel], error: Any) -> str:
    line, loc = error_line(error), error["loc"]
    if error["type"] == "extra_forbidden":
        return line + hint(str(loc[-1]), _keys(model, loc[:-1]))
    if error["type"] in ("missing", "value_error"):
        return line
    return f"{line}, not {error['input']!r}"


def hint(word: str, names: list[str]) -> str:
    """Return ` (did you mean …?)` if a name is close, else an empty text."""
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _keys(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Return the known keys of the model that `loc` leads to."""
    found: Any = model
    for key in loc:
        if isinstance(key, int):
            found = next(_models(found), None)
            continue
        fields = getattr(found, "model_fields", {})
        field = next((f for name, f in fields.items() if key in (name, f.alias)), None)
        annotation = field.annotation if field else None
        found = annotation if _is_list(annotation) else next(_models(annotation), None)
    fields = getattr(found, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif _is_list(annotation) or get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _models(part)
