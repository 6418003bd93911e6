"""The messages of a request as a trajectory that the loop continues."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from umi_lite.data.chat_messages import Message, ToolCall, call_thought, messages_of
from umi_lite.data.rows import BadRow
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, User
from umi_lite.sandbox.text import head_and_tail
from umi_lite.serve.errors import BadRequest
from umi_lite.serve.memory import Memory

_ANSWER = "I can answer the user now."
_FIELDS = {
    **{"system": {"content", "name"}, "developer": {"content", "name"}},
    **{"user": {"content", "name"}, "tool": {"content", "tool_call_id", "name"}},
    "assistant": {"content", "name", "tool_calls", "reasoning_content", "reasoning", "refusal"},
}


@dataclass
class History:
    """A conversation so far.

    Attributes:
        instruction: what the user wants, after the system message.
        steps: what happened since.
        key: a hash of all that its client saw.
    """

    instruction: str
    steps: tuple[Step, ...]
    key: str


def read_history(
    messages: Sequence[dict[str, Any]], memory: Memory, max_observation_chars: int
) -> History:
    """Return the conversation of a request.

    A message of the assistant becomes the steps that led to it if it is in the memory: by a
    call's id, or because the client saw the same messages up to there. Else thoughts are worded
    from what came of them. The system message begins the instruction, a later one the user's turn
    after it.

    Raises:
        BadRequest: messages that cannot follow each other; the field is named.
    """
    given = [_cleaned(message, f"messages.{at}") for at, message in enumerate(messages)]
    conversation = _Conversation(memory, max_observation_chars)
    try:
        for message in messages_of({"messages": given}):
            conversation.add(message)
        return conversation.history()
    except BadRow as err:
        raise BadRequest(f"messages: {err}", "messages") from None


def key_after(key: str, text: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return the key of a conversation after a message of the assistant."""
    return _hash(key, "assistant", text, [list(call) for call in calls])


def _cleaned(message: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a message without its nulls.

    Raises:
        BadRequest: an unknown role, or a field that cannot be honoured.
    """
    left = {name: value for name, value in message.items() if value not in (None, [])}
    role = left.get("role")
    if not isinstance(role, str) or role not in _FIELDS:
        known = ", ".join(_FIELDS)
        raise BadRequest(f"{where}.role: {role!r} is not one of {known}", f"{where}.role")
    unknown = next((name for name in left if name not in {"role", *_FIELDS[role]}), None)
    if unknown is not None:
        field = f"{where}.{unknown}"
        raise BadRequest(f"{field}: it cannot be honoured in a message of role {role}", field)
    if role == "assistant" and "refusal" in left and "content" not in left:
        left["content"] = left["refusal"]
    if role == "user" and isinstance(left.get("name"), str):
        left["content"] = _named(left["name"], left.get("content"))
    return left


def _named(name: str, content: Any) -> Any:
    """Return a user's content that says who of several users wrote it."""
    if isinstance(content, list):
        return [{"type": "text", "text": f"{name}:"}, *content]
    return f"{name}: {content or ''}"


@dataclass
class _Conversation:
    """Messages on their way to steps.

    Attributes:
        before: system messages for the user's next turn.
        open: calls whose results have not come yet; `results` are those that have.
    """

    memory: Memory
    max_observation_chars: int
    instruction: str = ""
    steps: list[Step] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    open: tuple[ToolCall, ...] = ()
    known: tuple[Step, ...] | None = None
    results: dict[str | int, str] = field(default_factory=dict)
    thought: str = ""
    key: str = ""
    last: str = ""

    def add(self, message: Message) -> None:
        """Add a message.

        Raises:
            BadRow: it cannot follow the ones before it.
        """
        if message.role == "tool":
            self._result(message)
            self.key = _hash(self.key, "tool", message.text, [])
        elif self.open:
            raise BadRow(f"the call of {self.open[0].name!r} has no result")
        elif message.role == "assistant":
            self._assistant(message)
        elif message.role == "system":
            if message.text:
                self.before.append(message.text)
            self.key = _hash(self.key, "system", message.text, [])
        else:
            self._user(message.text)
            self.key = _hash(self.key, "user", message.text, [])
        self.last = message.role

    def history(self) -> History:
        """Return the conversation.

        Raises:
            BadRow: it does not end with a message of the user or of a tool.
        """
        if self.open:
            raise BadRow(f"the call of {self.open[0].name!r} has no result")
        if not self.instruction:
            raise BadRow("none is of role user")
        if self.last not in ("user", "tool"):
            raise BadRow(f"the last one must be of role user or tool, not {self.last}")
        return History(self.instruction, tuple(self.steps), self.key)

    def _user(self, text: str) -> None:
        if not text:
            raise BadRow("a user's message is empty")
        text = "\n\n".join([*self.before, text])
        self.before.clear()
        if not self.instruction:
            self.instruction = text
        elif not self.steps:
            self.instruction += f"\n{text}"
        else:
            self.steps.append(User(text=text))

    def _assistant(self, message: Message) -> None:
        if not self.instruction:
            raise BadRow("the assistant speaks before the user")
        calls = [(call.name, call.arguments) for call in message.calls]
        key = key_after(self.key, message.text, calls)
        known = self.memory.get(message.calls[0].id or "") if message.calls else None
        known = known or self.memory.get(key)
        self.key = key
        if message.calls:
            self.open, self.thought = message.calls, message.text
            fits = (
                len(calls) == 1
                and known
                and known[-1] == Call(tool=calls[0][0], arguments=calls[0][1])
            )
            self.known = known if fits else None
        elif not message.text:
            raise BadRow("an assistant's message has neither text nor tool calls")
        elif known is not None:
            self.steps += known
        else:
            self.steps += [Plan(thought=_ANSWER, next="summarizer"), Answer(text=message.text)]

    def _result(self, message: Message) -> None:
        if not self.open:
            raise BadRow("a tool's result without a call")
        # A number for a call without an id: no client's id is equal to it.
        ids = [call.id or at for at, call in enumerate(self.open)]
        waiting = [one for one in ids if one not in self.results]
        if message.call_id in waiting:
            self.results[message.call_id or ""] = message.text
        elif message.call_id and any(call.id for call in self.open):
            raise BadRow(f"a tool's result for {message.call_id!r}, which is not a call before it")
        else:
            self.results[waiting[0]] = message.text
        if len(self.results) < len(ids):
            return
        for at, (one, call) in enumerate(zip(ids, self.open, strict=True)):
            self.steps += self.known or self._called(call, self.thought if at == 0 else "")
            content = head_and_tail(self.results[one], self.max_observation_chars)
            self.steps.append(Observation(content=content))
        self.open, self.results, self.known = (), {}, None

    def _called(self, call: ToolCall, thought: str) -> list[Step]:
        thought = thought or call_thought(call.name, call.arguments)
        return [
            Plan(thought=thought, next="caller"),
            Call(tool=call.name, arguments=call.arguments),
        ]


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
