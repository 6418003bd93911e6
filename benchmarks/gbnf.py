"""The roles' grammars as GBNF, for programs without llguidance."""

import json
import re
from collections.abc import Sequence
from typing import Any

from umi_lite.protocol.trajectory import NEXTS, Tool, View

_RULE = re.compile(r"^([\w-]+) ::=", re.MULTILINE)


def gbnf(view: View, tools: Sequence[Tool]) -> str | None:
    """Return what `view` may generate next, None for any text.

    The length of a thought is limited by its tokens only: `{1,400}` is much slower in GBNF.
    """
    if view == "planner":
        speakers = " | ".join(f'"{name}"' for name in NEXTS)
        return f'root ::= [^\\n]+ "\\nNext: " ({speakers})'
    return call_gbnf(tools) if view == "caller" else None


def call_gbnf(tools: Sequence[Tool]) -> str:
    """Return a grammar of NAME, a space and JSON arguments, from llama.cpp's schema converter."""
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    rules: list[str] = []
    for number, tool in enumerate(tools):
        schema: dict[str, Any] = tool.parameters
        text = json_schema_to_gbnf(json.dumps(schema), list(schema.get("properties", {})))
        text = _one_spacing(text)
        for name in {*_RULE.findall(text)}:
            text = re.sub(rf"(?<![\w\"-]){re.escape(name)}(?![\w\"-])", f"t{number}-{name}", text)
        rules.append(text)
    calls = " | ".join(f'"{tool.name} " t{i}-root' for i, tool in enumerate(tools))
    return "\n".join([f"root ::= {calls}", *rules])


def _one_spacing(text: str) -> str:
    """Return converted rules whose only spaces are `", "` and `": "`, as in `protocol.grammar`."""
    text = text.replace('space ":" space', '": "').replace('"," space', '", "')
    text = re.sub(r"^space ::=.*\n?", "", text, flags=re.MULTILINE)
    return re.sub(r" space(?![\w-])", "", text)
