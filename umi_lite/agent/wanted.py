"""`Wanted`: what a request asks of an episode besides its task."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from umi_lite.protocol.grammar import answer_grammar, plan_grammar
from umi_lite.protocol.trajectory import NEXTS, Tool


@dataclass(frozen=True)
class Wanted:
    """What a request asks of an episode besides its task; by default nothing.

    Attributes:
        calls: `may` leaves it to the planner, `must` lets it name the caller only, `never` all
            but the caller.
        tools: names of the tools that can be called, None for all of the task's. The roles read
            the docs of all of them.
        answer: grammar of the answer (llguidance's Lark text), None for any text.
        stops: the answer ends before the first of these texts.
        max_tokens: tokens of all turns together (stop reason `max_tokens`), None for no limit.
    """

    calls: Literal["may", "must", "never"] = "may"
    tools: frozenset[str] | None = None
    answer: str | None = None
    stops: tuple[str, ...] = ()
    max_tokens: int | None = None

    def callable(self, tools: Iterable[Tool]) -> tuple[Tool, ...]:
        """Return the tools that can be called."""
        if self.calls == "never":
            return ()
        return tuple(tool for tool in tools if self.tools is None or tool.name in self.tools)

    def plan_grammar(self, max_thought_chars: int, start: str = "", *, tools: bool) -> str:
        """Return the planner's grammar.

        Args:
            start: what the thought begins with.
            tools: True if there is a tool that can be called.
        """
        nexts = ("caller",) if self.calls == "must" and tools else NEXTS
        return plan_grammar(max_thought_chars, start, tools=tools, nexts=nexts)

    def answer_grammar(self) -> str:
        """Return the summarizer's grammar."""
        return answer_grammar(self.stops) if self.answer is None else self.answer

    def cut(self, answer: str) -> str:
        """Return the answer without its stop text, and without space at its ends."""
        found = [at for stop in self.stops if (at := answer.find(stop)) >= 0]
        return answer[: min(found, default=len(answer))].strip()
