"""The roles' grammars as GBNF, for programs that take no llguidance."""

import json
import re
from collections.abc import Sequence
from typing import Any

from umi_lite.protocol.roles import NEXTS, View
from umi_lite.protocol.trajectory import Tool

_RULE = re.compile(r"^([\w-]+) ::=", re.MULTILINE)


def gbnf(view: View, tools: Sequence[Tool]) -> str | None:
    """What `view` may say next, None for any text.

    A thought's length is left to the bound on tokens: `{1,400}` costs GBNF far more.
    """
    if view == "planner":
        speakers = " | ".join(f'"{name}"' for name in NEXTS)
        return f'root ::= [^\\n]+ "\\nNext: " ({speakers})'
    return call_gbnf(tools) if view == "caller" else None


def call_gbnf(tools: Sequence[Tool]) -> str:
    """A tool's name, a space, its arguments as JSON (llama.cpp's own schema converter)."""
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
    """Converted rules with `", "` and `": "` as the only spaces, as `protocol.grammar` has it."""
    text = text.replace('space ":" space', '": "').replace('"," space', '", "')
    text = re.sub(r"^space ::=.*\n?", "", text, flags=re.MULTILINE)
    return re.sub(r" space(?![\w-])", "", text)
