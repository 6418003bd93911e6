"""Loads a source by its name: gold trajectories to train on, or tasks to solve."""

import inspect
from collections.abc import Mapping
from typing import Any

from umi_lite.data import SOURCES
from umi_lite.data.rows import HubData, Loaded
from umi_lite.data.source import Source, named
from umi_lite.errors import UserError

_HUB = ("hub", "config", "split")


def find_source(name: str) -> Source:
    """Return the source of a name, importing its module.

    Raises:
        UserError: no source has this name.
    """
    if name not in SOURCES:
        raise UserError(f"no source {name!r}; there are {', '.join(SOURCES)}")
    return named(f"umi_lite.data.{SOURCES[name]}")


def load_source(name: str, options: Mapping[str, Any]) -> Loaded:
    """Return a source's gold trajectories, to train on.

    Args:
        options: what its `load` takes; one that is None is not passed. `hub` (with `config`
            and `split`, default `train`) replaces `path`.

    Raises:
        UserError: no such source, an option that it does not take, one that is missing, or
            what the source itself raises.
    """
    load = find_source(name).load
    if load is None:
        raise UserError(f"source {name} holds tasks without steps: nothing to train on")
    return _load(name, load, options)


def load_questions(name: str, options: Mapping[str, Any]) -> Loaded:
    """Return a source's tasks, to be solved again; options and errors as in `load_source`."""
    source = find_source(name)
    load = source.questions or source.load
    if load is None:
        raise UserError(f"source {name} holds no tasks")
    return _load(name, load, options)


def _load(name: str, load: Any, options: Mapping[str, Any]) -> Loaded:
    taken = inspect.signature(load).parameters.values()
    # Keyword-only parameters are for callers in code.
    known = [p.name for p in taken if p.kind is not p.KEYWORD_ONLY]
    given = {key: value for key, value in options.items() if value is not None}
    if "hub" in given and "path" in known:
        if "path" in given:
            raise UserError(f"source {name} takes path or hub, not both")
        parts = {key: given.pop(key) for key in _HUB if key in given}
        given["path"] = HubData(parts.pop("hub"), **parts)
    wrong = [key for key in given if key not in {p.name for p in taken}]
    missing = [p.name for p in taken if p.default is p.empty and p.name not in given]
    if wrong or missing:
        error = f"source {name} takes {', '.join(known)}"
        error += " (or hub, config, split for path)" if "path" in known else ""
        error += f"; not {', '.join(wrong)}" if wrong else ""
        error += f"; {', '.join(missing)} is missing" if missing else ""
        raise UserError(error)
    return load(**given)


def live_sources() -> list[str]:
    """Return the names of the sources whose tasks can be run on live tools."""
    return [name for name in SOURCES if find_source(name).tools is not None]
