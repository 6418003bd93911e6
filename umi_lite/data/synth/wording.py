"""`SynthTool` and `Wording`: a tool, and how people ask for what it does and read its result."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from umi_lite.data.synth.names import content_words, own_words, verb_class
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.tools import ToolFunction

SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Wording:
    """How people ask for what a tool does, and what it returns.

    Attributes:
        requests: whole requests with slots of arguments, e.g. "What's the weather in {city}?";
            each has the slots of all required arguments, and optional arguments are given only
            where their slot is.
        thing: a noun phrase of what the tool does or finds ("the weather forecast").
        result: sentences of an answer with slots of result fields, e.g. "It is {temperature} °C.";
            slots of arguments may be used too.
        returns: result field to kind: one of `values.KINDS` ("city", "id", "amount", "date" …),
            `done` (what was done: "cancelled"), `names` (a list of names), alternatives
            ("open|closed") or a range ("2..9").
    """

    requests: tuple[str, ...]
    thing: str
    result: tuple[str, ...] = ()
    returns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SynthTool:
    """A tool to make tasks for.

    Attributes:
        wording: None where it is worded from its name, description and arguments.
        domain: what the tool is about ("weather"); company is drawn from the same and others.
        function: run for its observations in place of the simulator, if given. Only for what
            has no side effects.
    """

    tool: Tool
    wording: Wording | None
    domain: str
    function: ToolFunction | None = None

    @cached_property
    def verb(self) -> str:
        """`query`, or the verb of an action."""
        return verb_class(self.tool.name, self.tool.description)

    @cached_property
    def about(self) -> frozenset[str]:
        """The content words of its name."""
        return content_words(self.tool.name)

    @cached_property
    def context(self) -> frozenset[str]:
        """What its arguments' kinds are judged by: files are searched in folders."""
        words = own_words(self.tool.name)
        in_folders = words[:1] in (("search",), ("list",), ("find",)) and "file" in self.about
        return self.about | {"directory"} if in_folders else self.about


def slots_of(template: str) -> tuple[str, ...]:
    """Return the slots of a template in order."""
    return tuple(SLOT.findall(template))
