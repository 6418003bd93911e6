"""Which results fit which arguments: the same name, the same thing's id, the same kind."""

import datetime
import random
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from umi_lite.data.synth.drawing import Drawing
from umi_lite.data.synth.facts import facts_of
from umi_lite.data.synth.generic import entity
from umi_lite.data.synth.kinds import DONE, NAMES, kind_of
from umi_lite.data.synth.names import entity_of, words, words_of
from umi_lite.data.synth.wording import SynthTool

# Kinds whose values one tool finds and another takes, whatever the names.
_LINKED = frozenset(words("city country email phone url path address airport"))
_UNLINKED = frozenset(
    {DONE, NAMES}
    | set(
        words(
            "status title word text message number measure temperature condition percent minutes "
            "rating count boolean time"
        )
    )
)


class Link(NamedTuple):
    """A result's field that fits an argument of another tool."""

    producer: str
    field: str
    argument: str


def links_of(
    tools: Mapping[str, SynthTool],
    returns: Mapping[str, Mapping[str, str]],
    guessed: Collection[str],
) -> dict[str, list[Link]]:
    """Return the links to each tool's required arguments, by the tool's name.

    Args:
        guessed: tools whose results are not known well enough to build on.
    """
    links: dict[str, list[Link]] = {}
    by_name: dict[str, list[tuple[str, str]]] = {}
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for one in tools.values():
        if one.function is not None or one.tool.name in guessed:
            continue
        given = one.tool.parameters.get("properties", {})
        for name, kind in returns[one.tool.name].items():
            if name in given or kind in _UNLINKED or name in ("name", "title", "result", "content"):
                continue
            if "|" in kind:
                by_name.setdefault(_alternatives(name, one), []).append((one.tool.name, name))
                continue
            key = _key(name, kind, one)
            by_name.setdefault(f"{one.domain} {key}" if kind == "id" else key, []).append(
                (one.tool.name, name)
            )
            if kind in _LINKED:
                by_kind.setdefault(kind, []).append((one.tool.name, name))
    for one in tools.values():
        properties = one.tool.parameters.get("properties", {})
        found: list[Link] = []
        for argument in one.tool.parameters.get("required", ()):
            facts = _scalar(properties.get(argument))
            if facts is None:
                continue
            if "examples" in facts:
                alike = dict.fromkeys(by_name.get(_alternatives(argument, one), ()))
                found += [Link(*maker, argument) for maker in alike if maker[0] != one.tool.name]
            kind = kind_of(argument, facts, one.context)
            key = _key(argument, kind, one)
            if kind == "id" and (
                facts["type"] != "string" or facts.keys() & {"pattern", "format", "examples"}
            ):
                continue
            fitting = by_name.get(f"{one.domain} {key}" if kind == "id" else key, [])
            named = "examples" not in facts or kind in words_of(argument)
            if kind in _LINKED and named and facts["type"] == "string" and "pattern" not in facts:
                fitting = [*fitting, *_sampled(by_kind.get(kind, []), one, tools)]
            for producer, name in dict.fromkeys(fitting):
                if producer != one.tool.name and returns[producer][name] == kind:
                    found.append(Link(producer, name, argument))
        if found:
            links[one.tool.name] = found
    return links


def _sampled(
    fitting: list[tuple[str, str]], consumer: SynthTool, tools: Mapping[str, SynthTool]
) -> list[tuple[str, str]]:
    """Return those of the consumer's domain, and some of the others."""
    near = [one for one in fitting if tools[one[0]].domain == consumer.domain]
    rng = random.Random(f"links {consumer.tool.name}")
    return near + rng.sample(fitting, min(6, len(fitting)))


def _scalar(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, dict) or "enum" in schema or "const" in schema or "$ref" in schema:
        return None
    facts = facts_of(schema, Drawing(random.Random(0), "train", datetime.date(2026, 1, 1)))
    return (
        facts
        if facts.get("type") in ("string", "integer", "number") and "enum" not in facts
        else None
    )


def _alternatives(name: str, made: SynthTool) -> str:
    """Return the key of what is one of some values: the same name in the same domain."""
    return f"{made.domain} = {' '.join(words_of(name))}"


def _key(name: str, kind: str, made: SynthTool) -> str:
    """Return what a field or argument is called, an id by the thing it identifies."""
    if kind == "id":
        return f"id of {entity_of(name) or entity(made.tool.name, made.tool.description)}"
    return f"{kind} {' '.join(words_of(name))}"
