"""Chats with tool calls as OpenAI's API has them: `{"messages": [...], "tools": [...]}`.

Also read: the older `functions` and `function_call`, ShareGPT's `conversations` with turns of
`human`, `gpt`, `function_call`, `observation`, and xLAM's `query`, `tools`, `answers`.
How a chat becomes a trajectory: docs/data.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.chat_messages import Message, ToolCall, call_thought, messages_of
from umi_lite.data.read_rows import any_rows
from umi_lite.data.rows import (
    BadRow,
    Loaded,
    Place,
    Row,
    checked,
    collect,
    outcomes,
    split_name,
    stem,
)
from umi_lite.data.source import CHATS, Source
from umi_lite.data.tool_specs import tools_of
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)

_WHAT = "OpenAI-style rows with messages"
_ANSWER = "I can answer the user now."


def load(path: Place, n: int | None = None) -> Loaded:
    """Return the chats of a file, a folder or a hub data set as trajectories, at most `n`.

    A row that the three roles cannot express is dropped with its reason. `meta.system` keeps
    the system message, which no role sees, but where a call takes a value from it alone: there
    it is the beginning of the instruction.

    Raises:
        UserError: see `any_rows`.
    """
    name, split = stem(path), split_name(path)

    def parse(row: Row) -> Trajectory:
        value = checked(row)
        messages, tools = messages_of(value), _tools(value)
        chat = _Chat({tool.name: tool for tool in tools})
        for message in messages:
            chat.add(message)
        meta = {"record": row.number, "split": split, **chat.finish()}
        return Trajectory(
            id=f"openai-{name}-{row.number}",
            source="openai",
            tools=tools,
            instruction=chat.instruction,
            steps=tuple(chat.steps),
            meta=meta,
        )

    return collect(outcomes(any_rows(path, _WHAT), parse), n)


def _tools(row: dict[str, Any]) -> tuple[Tool, ...]:
    given = next((row[key] for key in ("tools", "functions") if row.get(key)), None)
    return tools_of(given)


@dataclass
class _Chat:
    """One chat on its way to steps.

    Attributes:
        waiting: calls whose results have not come yet, in their order.
        results: what came for them, by the call's id or, without ids, by its place.
    """

    tools: dict[str, Tool]
    instruction: str = ""
    steps: list[Step] = field(default_factory=list)
    system: list[str] = field(default_factory=list)
    waiting: list[ToolCall] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    thought: str = ""
    seen: str = ""

    def add(self, message: Message) -> None:
        """Add a message.

        Raises:
            BadRow: it cannot follow the ones before it.
        """
        if message.role == "tool":
            self._result(message)
            return
        if self.waiting:
            raise BadRow(f"the call of {self.waiting[0].name!r} has no result")
        if message.role == "system":
            self.system.append(message.text)
        elif message.role == "user":
            self._user(message.text)
        elif not self.instruction:
            raise BadRow("the assistant speaks before the user")
        elif message.calls:
            self.thought, self.waiting = message.text, list(message.calls)
            for call in message.calls:
                self._check(call)
        elif message.text:
            self.steps += [Plan(thought=_ANSWER, next="summarizer"), Answer(text=message.text)]
            self.seen += f"\n{message.text}"
        else:
            raise BadRow("an assistant's message has neither text nor tool calls")

    def finish(self) -> dict[str, Any]:
        """End the chat and return what is remembered of it.

        A chat may end with calls: the first one is kept, as what comes after it depends on its
        result.

        Raises:
            BadRow: the assistant says nothing in it.
        """
        meta: dict[str, Any] = {"system": "\n\n".join(self.system)} if self.system else {}
        if self.waiting:
            if self.results:
                raise BadRow(f"a call of {self.waiting[0].name!r} has no result")
            self.steps += self._called(self.waiting[0], self.thought)
            meta |= {"calls_left_out": len(self.waiting) - 1} if len(self.waiting) > 1 else {}
        if not any(isinstance(step, Plan) for step in self.steps):
            raise BadRow("the assistant says nothing in it")
        while isinstance(self.steps[-1], User):
            del self.steps[-1]
        return meta

    def _user(self, text: str) -> None:
        if not text:
            raise BadRow("a user's message is empty")
        if not self.instruction:
            self.instruction = text
        elif not self.steps:
            self.instruction += f"\n{text}"
        else:
            self.steps.append(User(text=text))
        self.seen += f"\n{text}"

    def _check(self, call: ToolCall) -> None:
        tool = self.tools.get(call.name)
        if not self.tools:
            raise BadRow("there are calls, but no field 'tools' that says what can be called")
        if tool is None:
            raise BadRow(f"a call of {call.name!r}, which is not among the row's tools")
        _leave_out_nulls(call.arguments, tool)
        for text in _texts(call.arguments):
            if text not in self.seen and any(text in said for said in self.system):
                # Nowhere else could a role have it from.
                self.instruction = "\n\n".join([*self.system, self.instruction])
                self.seen += "\n".join(["", *self.system])
                break

    def _result(self, message: Message) -> None:
        if not self.waiting:
            raise BadRow("a tool's result without a call")
        open_ids = [call.id or f"#{at}" for at, call in enumerate(self.waiting)]
        open_ids = [one for one in open_ids if one not in self.results]
        one = message.call_id if message.call_id in open_ids else None
        if one is None and message.call_id and any(call.id for call in self.waiting):
            raise BadRow(f"a tool's result for {message.call_id!r}, which is not a call before it")
        self.results[one or open_ids[0]] = message.text
        if len(self.results) < len(self.waiting):
            return
        for at, call in enumerate(self.waiting):
            result = self.results[call.id or f"#{at}"]
            self.steps += self._called(call, self.thought if at == 0 else "")
            self.steps.append(Observation(content=result))
            self.seen += f"\n{result}"
        self.waiting, self.results, self.thought = [], {}, ""

    def _called(self, call: ToolCall, thought: str) -> Iterator[Step]:
        yield Plan(thought=thought or call_thought(call.name, call.arguments), next="caller")
        yield Call(tool=call.name, arguments=call.arguments)


def _leave_out_nulls(arguments: dict[str, Any], tool: Tool) -> None:
    """Drop the nulls that a table has where a row has no such argument."""
    properties = tool.parameters.get("properties", {})
    for key in [key for key, value in arguments.items() if value is None]:
        schema = properties.get(key, False)
        kinds = schema.get("type", ()) if isinstance(schema, dict) else ()
        if schema is False or (kinds and "null" not in kinds):
            del arguments[key]


def _texts(value: Any) -> Iterator[str]:
    """Yield texts of an argument that are long enough to be recognised."""
    if isinstance(value, str) and len(value) > 3:
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


SOURCE = Source(
    about="chats with tool calls as OpenAI has them, messages and tools (path, n)",
    load=load,
    fits=lambda row: bool(row.keys() & CHATS) or {"query", "answers", "tools"} <= row.keys(),
)
