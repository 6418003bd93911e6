"""Search over tools by need: which of many fit an instruction, by BM25 over their docs."""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from umi_lite.protocol.schema_parts import list_of, object_of
from umi_lite.protocol.trajectory import Tool

_WORD = re.compile(r"[^\W_]+")
# Round a name in a sentence.
_MARKS = "\"'`.,;:?!()"
# Within a word: `getWeather`, `HTTPServer`.
_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class ToolIndex:
    """An index of tools: their names, their descriptions, and those of their arguments.

    BM25 as Lucene has it (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25
    and Beyond", 2009; k1 1.5, b 0.75). It is made at the first search.
    """

    def __init__(self, tools: Iterable[Tool]):
        self._tools = tuple(tools)

    @property
    def tools(self) -> tuple[Tool, ...]:
        return self._tools

    def best(self, query: str, k: int) -> tuple[Tool, ...]:
        """Return the `k` tools that fit the query best, the best first; all if there are fewer.

        Tools that fit alike, as all do where the query has none of their words, are in the
        order in which they were given.
        """
        ranked = [tool for tool, _ in self._ranked(query, k)]
        return tuple(ranked) if ranked else self._tools[:k]

    def matching(self, need: str, k: int) -> tuple[Tool, ...]:
        """Return at most `k` tools that the need names, or has a word of; the named ones first."""
        said = frozenset(word.strip(_MARKS) for word in need.split())
        found = {tool.name: tool for tool in self._tools if tool.name in said}
        for tool, score in self._ranked(need, k):
            if score > 0:
                found.setdefault(tool.name, tool)
        return tuple(found.values())[:k]

    def _ranked(self, query: str, k: int) -> list[tuple[Tool, float]]:
        """Return the `k` best tools with their scores, [] if no tool has a word of the query."""
        import numpy as np

        words = [word for word in _words(query) if word in self._known]
        if not words:
            return []
        scores = self._bm25.get_scores(words)
        order: list[int] = np.argsort(-scores, kind="stable")[:k].tolist()
        return [(self._tools[at], float(scores[at])) for at in order]

    @cached_property
    def _docs(self) -> list[list[str]]:
        from bm25s.stopwords import STOPWORDS_EN_PLUS  # pyright: ignore[reportMissingTypeStubs]

        common: frozenset[str] = frozenset(STOPWORDS_EN_PLUS)
        docs = ([word for text in _texts(tool) for word in _words(text)] for tool in self._tools)
        return [[word for word in words if word not in common] for words in docs]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(word for words in self._docs for word in words)

    @cached_property
    def _bm25(self) -> Any:
        import bm25s  # pyright: ignore[reportMissingTypeStubs]

        library: Any = bm25s  # its types are partly unknown
        made = library.BM25()
        made.index(self._docs, show_progress=False)
        return made


def _texts(tool: Tool) -> Iterator[str]:
    yield tool.name
    yield tool.description
    yield from _schema_texts(tool.parameters)


def _schema_texts(schema: Any) -> Iterator[str]:
    """Yield the names, descriptions and choices of a schema's properties, those within them too."""
    facts = object_of(schema) or {}
    for name, part in (object_of(facts.get("properties")) or {}).items():
        yield name
        inner = object_of(part) or {}
        yield str(inner.get("description", ""))
        yield from map(str, list_of(inner.get("enum")) or ())
        yield from _schema_texts(inner)
    if "items" in facts:
        yield from _schema_texts(facts["items"])


def _words(text: str) -> list[str]:
    """Return a text's words in lower case, with names split: `get_currentWeather.v2` is four."""
    return [part.casefold() for word in _WORD.findall(text) for part in _CASE.split(word)]


class HasTools(Protocol):
    """Tools that may change, as a `Toolbox` has them."""

    @property
    def specs(self) -> tuple[Tool, ...]: ...


_KEPT: "WeakKeyDictionary[HasTools, ToolIndex]" = WeakKeyDictionary()


def index_of(toolbox: HasTools) -> ToolIndex:
    """Return the index of a toolbox's tools; it is kept for as long as they stay the same."""
    index = _KEPT.get(toolbox)
    if index is None or index.tools != toolbox.specs:
        index = _KEPT[toolbox] = ToolIndex(toolbox.specs)
    return index
