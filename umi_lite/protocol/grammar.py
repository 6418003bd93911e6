"""The roles' grammars, as llguidance's Lark text: what can be guaranteed is not learned.

A planner can only name a next speaker that exists; a caller can only name a tool that exists,
with arguments that its JSON Schema allows as far as a grammar can hold it, keys in
the schema's order, `", "` and `": "` between them as `roles.dump_json` writes them.
"""

import json
from collections.abc import Collection, Iterable
from typing import Any

from umi_lite.errors import UserError
from umi_lite.protocol.constraints import held
from umi_lite.protocol.trajectory import NEXTS, Next, Tool

_OPTIONS = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "coerce_one_of": True,
}


def plan_grammar(
    max_thought_chars: int,
    start: str = "",
    *,
    tools: bool = True,
    nexts: Collection[Next] = NEXTS,
) -> str:
    """Return the planner's grammar: one line of thought, then `Next: ` and a speaker.

    Args:
        max_thought_chars: the thought has 1 to this many characters.
        start: what the thought begins with.
        tools: False leaves the caller out of the speakers: there is nothing to call.
        nexts: the speakers that the planner can name, default all.
    """
    nexts = [name for name in NEXTS if name in nexts and (tools or name != "caller")]
    speakers = " | ".join(f'"{name}"' for name in nexts)
    thought = f"/[^\\n]{{1,{max(1, max_thought_chars - len(start))}}}/"
    begin = f"{json.dumps(start, ensure_ascii=False)} " if start else ""
    return f'start: {begin}{thought} "\\nNext: " ({speakers})'


def call_grammar(tools: Iterable[Tool]) -> str:
    """Return the caller's grammar: a tool's name, a space, its arguments as one JSON object.

    Raises:
        UserError: no tools, a name that a call cannot begin with, two tools of one name, or a
            schema that no call can fulfil (see `constraints.held`); the message names the tool.
    """
    rules: dict[str, str] = {}
    for tool in tools:
        if not tool.name.isprintable() or any(sign.isspace() for sign in tool.name):
            raise UserError(f"tool {tool.name!r}: a name has no spaces and no control characters")
        if tool.name in rules:
            raise UserError(f"two tools are named {tool.name!r}; names must differ")
        schema = held(tool.parameters, f"tool {tool.name}") | {"x-guidance": _OPTIONS}
        name = json.dumps(f"{tool.name} ", ensure_ascii=False)
        rules[tool.name] = f"{name} %json {json.dumps(schema)}"
    if not rules:
        raise UserError("no tools: a caller needs at least one tool to call")
    names = [f"call_{i}" for i in range(len(rules))]
    lines = [f"{name}: {rule}" for name, rule in zip(names, rules.values(), strict=True)]
    return "\n".join([f"start: {' | '.join(names)}", *lines])


def answer_grammar(stops: Iterable[str] = ()) -> str:
    """Return the summarizer's grammar: any text that is not empty and does not begin with space.

    Args:
        stops: texts after which nothing more can be written.
    """
    texts = "|".join("".join(map(_escaped, stop)) for stop in stops)
    if not texts:
        return r"start: /\S(.|\n)*/"
    return rf"start: TEXT{chr(10)}TEXT: /\S(.|\n)*/ & ~/(.|\n)*({texts})(.|\n)+/"


def json_grammar(schema: dict[str, Any], where: str) -> str:
    """Return the grammar of an answer that is one JSON value.

    Args:
        schema: a normalised schema of type object (`schema.normalised`).
        where: begins the message of an error.

    Raises:
        UserError: no value can be right (see `constraints.held`).
    """
    return f"start: %json {json.dumps(held(schema, where) | {'x-guidance': _OPTIONS})}"


def _escaped(sign: str) -> str:
    """Return a regular expression that matches one character."""
    return sign if sign.isalnum() and sign.isascii() else f"\\x{{{ord(sign):x}}}"
