"""The messages of a chat in OpenAI's, ShareGPT's or xLAM's form: who said and called what."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from umi_lite.data.rows import BadRow
from umi_lite.data.strict_json import BadJson, parse
from umi_lite.data.tool_specs import json_value
from umi_lite.protocol.roles import dump_json, plain_text

_ROLES = {
    **{"system": "system", "developer": "system", "user": "user", "assistant": "assistant"},
    **{"tool": "tool", "function": "tool"},
}
_SHAREGPT = {
    **{"system": "system", "human": "user", "user": "user", "gpt": "assistant"},
    **{"assistant": "assistant", "observation": "tool", "tool": "tool", "function_call": "call"},
}
_VALUE_CHARS = 60
_THOUGHT_CHARS = 200
_BLANKS = re.compile(r"\s+")
_REASONING = re.compile(r"<think>.*?</think>", re.DOTALL)
# Calls written into the text of an assistant, as templates of many models have them.
_CALL_MARKS = ("<tool_call>", "<functioncall>", "<function=", "[TOOL_CALLS]", "<|python_tag|>")


@dataclass(frozen=True)
class ToolCall:
    """A tool and its arguments. `id` is None where the source gives none."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None


@dataclass(frozen=True)
class Message:
    """`role` is system, user, assistant or tool; `call_id` is the call that a tool answers."""

    role: str
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None


def messages_of(row: dict[str, Any]) -> list[Message]:
    """Return the messages of a row: its `messages`, ShareGPT's `conversations`, xLAM's `query`.

    Raises:
        BadRow: it has neither, or one that no role could have said.
    """
    if row.get("messages") is not None:
        return _joined(_message(one) for one in _listed(row["messages"], "messages"))
    if row.get("conversations") is not None:
        said = _joined(_turn(one) for one in _listed(row["conversations"], "conversations"))
        system = row.get("system")
        return [Message("system", system), *said] if isinstance(system, str) and system else said
    if row.get("query") is not None and row.get("answers") is not None:
        return list(_query(row["query"], row["answers"]))
    raise BadRow("no field 'messages' (nor ShareGPT's 'conversations', nor 'query' and 'answers')")


def call_thought(name: str, arguments: dict[str, Any]) -> str:
    """Return a thought for a call that the source has none for: `Call weather: city Oslo.`

    It has the call's values, which the caller is to write: texts of more than 60 characters and
    what goes beyond 200 in all are left out.
    """
    parts: list[str] = []
    for key, value in arguments.items():
        text = plain_text(value)
        text = _BLANKS.sub(" ", text).strip()
        if text and len(text) <= _VALUE_CHARS and sum(map(len, parts)) < _THOUGHT_CHARS:
            parts.append(f"{key} {text}")
    return f"Call {name}: {', '.join(parts)}." if parts else f"Call {name}."


def _query(query: Any, answers: Any) -> Iterator[Message]:
    """Read xLAM's form: what the user asks, and the calls for it."""
    yield Message("user", _text(query, "user"))
    calls = (_call(call, None) for call in _listed(answers, "answers"))
    yield Message("assistant", "", tuple(calls))


def _joined(messages: Iterable[Message]) -> list[Message]:
    """Join what an assistant says in several messages: `Let me look.`, then the call."""
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        apart = last is None or {last.role, message.role} != {"assistant"}
        if last is None or apart or (last.calls and message.text):
            joined.append(message)
        else:
            text = "\n".join(filter(None, (last.text, message.text)))
            joined[-1] = Message("assistant", text, (*last.calls, *message.calls))
    return joined


def _listed(given: Any, name: str) -> list[Any]:
    found = json_value(given, f"the {name}")
    if not isinstance(found, list):
        raise BadRow(f"{name!r} must be list, not {type(found).__name__}")
    return found


def _message(message: Any) -> Message:
    if not isinstance(message, dict):
        raise BadRow("a message is not a JSON object")
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        known = ", ".join(_ROLES)
        raise BadRow(f"a message has role {message.get('role')!r}; {known} are known")
    if role == "assistant" and message.get("weight") == 0:
        raise BadRow("an assistant's message has weight 0; a single turn cannot be left untrained")
    calls = tuple(_calls(message)) if role == "assistant" else ()
    if len({call.id for call in calls}) < len(calls):
        # One id for several: their order is all that there is.
        calls = tuple(replace(call, id=None) for call in calls)
    if role == "tool":
        content = message.get("content")
        text = content if isinstance(content, str) else _result(content)
        call_id = message.get("tool_call_id")
        return Message(role, text, call_id=call_id if isinstance(call_id, str) else None)
    return Message(role, _text(message.get("content"), role), calls)


def _text(content: Any, role: str) -> str:
    """Return the text of a content (a string, parts of text, or none), without reasoning."""
    if content is None:
        return ""
    if isinstance(content, list):
        content = "\n".join(_part(part) for part in content if part is not None)
    if not isinstance(content, str):
        raise BadRow(f"a message's content must be text, not {type(content).__name__}")
    if role != "assistant":
        return content.strip()
    mark = next((mark for mark in _CALL_MARKS if mark in content), None)
    if mark is not None:
        raise BadRow(f"calls are written into the text ({mark}); they belong into tool_calls")
    return _REASONING.sub("", content).strip()


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        raise BadRow(f"a part of a message is not text but {kind or type(part).__name__}")
    return part["text"]


def _result(content: Any) -> str:
    """Return what a tool answered, as text: parts of text, or any JSON value."""
    if isinstance(content, list) and content and all(_is_text_part(part) for part in content):
        return "\n".join(_part(part) for part in content)
    return "" if content is None else dump_json(content)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and "text" in part


def _calls(message: dict[str, Any]) -> Iterator[ToolCall]:
    given = message.get("tool_calls") or []
    for entry in _listed(given, "tool_calls"):
        if entry is None:
            continue
        if not isinstance(entry, dict):
            raise BadRow("a tool call is not a JSON object")
        function = entry.get("function")
        if function is None and entry.get("type", "function") not in ("function", None):
            raise BadRow(f"a tool call of type {entry['type']!r} is not a function's")
        call_id = entry.get("id")
        yield _call(
            function if isinstance(function, dict) else entry,
            call_id if isinstance(call_id, str) and call_id else None,
        )
    if message.get("function_call"):
        yield _call(json_value(message["function_call"], "the function_call"), None)


def _call(given: Any, call_id: str | None) -> ToolCall:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise BadRow("a tool call has no name")
    name, arguments = given["name"], given.get("arguments", given.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = parse(arguments) if arguments.strip() else {}
        except BadJson as err:
            raise BadRow(f"the arguments of a call of {name!r} are {err}") from None
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise BadRow(f"the arguments of a call of {name!r} are not a JSON object")
    return ToolCall(name, dict(arguments), call_id)


def _turn(turn: Any) -> Message:
    """Read a turn of ShareGPT, `{from, value}`; `function_call` is JSON text of calls."""
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        raise BadRow("a turn is not {from, value}")
    who, value = turn.get("from"), turn["value"]
    role = _SHAREGPT.get(str(who))
    if role is None:
        raise BadRow(f"a turn is from {who!r}; {', '.join(_SHAREGPT)} are known")
    if role == "call":
        found = json_value(value, "the arguments of a function_call")
        calls = found if isinstance(found, list) else [found]
        return Message("assistant", "", tuple(_call(call, None) for call in calls))
    return Message(role, value if role == "tool" else _text(value, role))
