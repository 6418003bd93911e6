"""Consent: which calls of MCP tools need the user's word, and how a terminal asks for it."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from umi_lite.sandbox.text import head_and_tail, visible
from umi_lite.tools.tools import ToolError


@dataclass(frozen=True)
class Question:
    """A call that waits for consent.

    Attributes:
        server: the server's name.
        tool: the tool's name, as the agent sees it.
        arguments: of the call.
        why: what its server says of the tool, e.g. `is marked destructive by its server`.
    """

    server: str
    tool: str
    arguments: dict[str, Any]
    why: str

    def line(self) -> str:
        """Return the call and the reason in one line without control characters."""
        given = head_and_tail(json.dumps(self.arguments, ensure_ascii=False), 300)
        return " ".join(visible(f"{self.tool} {given} (server {self.server}: {self.why})").split())


Confirm = Callable[[Question], bool]


@dataclass
class Consent:
    """Decides before each call of an MCP tool whether it may be made.

    Attributes:
        every: ask before each tool that its server does not mark as read-only; default only
            before those that it marks as destructive.
        allowed: names of tools that are never asked about.
        confirm: asks the user; None refuses what would have to be asked.
    """

    every: bool = False
    allowed: frozenset[str] = field(default_factory=frozenset[str])
    confirm: Confirm | None = None

    def check(self, server: str, tool: str, arguments: dict[str, Any], hints: Any) -> None:
        """Return if the call may be made.

        Args:
            hints: the SDK's `ToolAnnotations`, or None: what the server says of its tool, which
                nothing checks.

        Raises:
            ToolError: the user said no, or cannot be asked. The planner reads it.
        """
        why = self._reason(hints)
        if why is None or tool in self.allowed:
            return
        if self.confirm is None:
            raise ToolError(
                f"{tool} was not called: it {why}, and without a terminal the user cannot be "
                f"asked; --allow {tool} allows it"
            )
        if not self.confirm(Question(server, tool, arguments, why)):
            raise ToolError(f"{tool} was not called: the user did not allow it")

    def _reason(self, hints: Any) -> str | None:
        if hints is not None and hints.read_only_hint:
            return None
        if hints is not None and hints.destructive_hint:
            return "is marked destructive by its server"
        return "is not marked read-only by its server" if self.every else None


def terminal() -> Confirm | None:
    """Return a function that asks on the terminal, None if stdin or stderr is not one."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return None
    always: set[tuple[str, str]] = set()

    def confirm(question: Question) -> bool:
        asked = question.server, question.tool
        if asked in always:
            return True
        print(f"\n{question.line()}\ncall it? [y]es, [n]o, [a]lways: ", end="", file=sys.stderr)
        sys.stderr.flush()
        said = sys.stdin.readline().strip().casefold()
        if said in ("a", "always"):
            always.add(asked)
        return said in ("y", "yes", "a", "always")

    return confirm
