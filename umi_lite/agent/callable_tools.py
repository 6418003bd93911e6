"""Which tools a caller can call, and why it cannot call the others."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from umi_lite.errors import UserError
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.trajectory import Tool

# llguidance appends the grammar that it refuses, however long, with line numbers.
_LISTING = re.compile(r"\n\s*\d+ \|.*\Z", re.DOTALL)
_LONGEST = 200
_PLACE = re.compile(r"^at \d+\(\d+\): (?:failed to compile JSON schema: )?")


def callable_tools(tools: Iterable[Tool]) -> tuple[tuple[Tool, ...], dict[str, str]]:
    """Return the tools that a grammar can be made for, and for each other one a line why not.

    A tool that no call could be right for (its schema contradicts itself, say) takes nothing from
    the others.
    """
    kept: list[Tool] = []
    refused: dict[str, str] = {}
    for tool in tools:
        try:
            why = _fault(call_grammar([tool]))
        except UserError as err:
            refused[tool.name] = str(err)
            continue
        if why is None:
            kept.append(tool)
        else:
            refused[tool.name] = f"tool {tool.name}: its schema cannot be used: {why}"
    return tuple(kept), refused


def grammar_fault(error: str) -> str:
    """Return llguidance's reason on one line, without the grammar."""
    return " ".join(_PLACE.sub("", _LISTING.sub("", error)).split())[:_LONGEST]


@lru_cache(maxsize=4096)
def _fault(grammar: str) -> str | None:
    from llguidance import LLMatcher

    return grammar_fault(LLMatcher.validate_grammar(grammar, _bytes())) or None


@lru_cache(maxsize=1)
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
