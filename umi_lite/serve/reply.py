"""An episode's outcome as a chat completion, whole or in chunks."""

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from umi_lite.agent.trace import Trace, ending
from umi_lite.protocol.roles import call_text, dump_json, order_arguments
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step
from umi_lite.serve.errors import error_json
from umi_lite.serve.history import key_after
from umi_lite.serve.memory import Memory
from umi_lite.serve.turn import Served, Turn

# Stop reasons that are a limit's.
_LIMITS = {"max_calls", "max_tokens", "timeout", "context"}
DONE = b"data: [DONE]\n\n"


@dataclass
class Failed:
    """An episode that gave no message: the HTTP status and body of its error."""

    status: int
    json: dict[str, Any]


@dataclass
class Message:
    """What the assistant says; one of `content`, `refusal` and `call` is set.

    Attributes:
        thoughts: thoughts and tool turns, a line each.
        call: a tool's call, with the id that its result will name.
    """

    content: str | None
    refusal: str | None
    thoughts: str
    call: dict[str, Any] | None
    finish_reason: str


def outcome(turn: Turn, trace: Trace, memory: Memory) -> Message | Failed:
    """Return what an episode's client gets; what it does not see of it is kept in the memory."""
    failed = _failure(turn, trace)
    if failed is not None:
        return failed
    steps = trace.trajectory.steps[turn.before :]
    last = steps[-1] if steps else None
    content = refusal = call = None
    shown = steps[:-1]
    if trace.stop == "call" and isinstance(last, Call):
        call = _tool_call(last, trace)
        memory.put(call["id"], steps)
        calls = [(last.tool, last.arguments)]
        memory.put(key_after(turn.history.key, "", calls), steps)
    elif isinstance(last, Answer):
        content = last.text
    else:
        content, shown = _no_answer(trace, last), steps
    if call is None:
        memory.put(key_after(turn.history.key, content or "", []), steps)
    if turn.check is not None and call is None and not isinstance(last, Answer):
        content, refusal = None, content
    thoughts = "\n".join(filter(None, (thought(step, trace) for step in shown)))
    return Message(content, refusal, thoughts, call, _finish_reason(trace))


def thought(step: Step, trace: Trace) -> str:
    """Return a step as a line of `reasoning_content`."""
    match step:
        case Plan():
            return step.thought
        case Call():
            return call_text(step, trace.trajectory.offered)
        case Observation():
            return step.content
        case _:
            return ""


def usage(trace: Trace) -> dict[str, Any]:
    """Return the tokens of all turns of a request, OpenAI's names.

    Each turn reads its whole transcript: `prompt_tokens` is the sum of these, `cached_tokens` the
    part of it that was in the cache. `reasoning_tokens` are all but the answer's, or the call's.
    """
    turns = trace.turns
    prompt, written = sum(t.prompt_tokens for t in turns), sum(t.generated for t in turns)
    final = turns[-1].generated if turns and trace.stop in ("answer", "call") else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": sum(t.reused for t in turns)},
        "completion_tokens_details": {"reasoning_tokens": written - final},
    }


@dataclass
class Reply:
    """The objects of one response, which share an id."""

    served: Served
    id: str
    usage_asked: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, message: Message, trace: Trace) -> dict[str, Any]:
        """Return the `chat.completion`."""
        said: dict[str, Any] = {
            "role": "assistant",
            "content": message.content,
            "refusal": message.refusal,
        }
        if self.served.show_thoughts and message.thoughts:
            said["reasoning_content"] = message.thoughts
        if message.call is not None:
            said["tool_calls"] = [message.call]
        choice = {
            "index": 0,
            "message": said,
            "logprobs": None,
            "finish_reason": message.finish_reason,
        }
        return self._object("chat.completion", [choice]) | {"usage": usage(trace)}

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """Return a `chat.completion.chunk` as a server-sent event."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        more = {"usage": None} if self.usage_asked else {}
        return event(self._object("chat.completion.chunk", [choice]) | more)

    def last(self, trace: Trace) -> bytes:
        """Return what ends a stream: the usage if it was asked for, and `[DONE]`."""
        if not self.usage_asked:
            return DONE
        return event(self._object("chat.completion.chunk", []) | {"usage": usage(trace)}) + DONE

    def _object(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.served.model,
            "system_fingerprint": self.served.fingerprint,
            "choices": choices,
        }


def event(value: dict[str, Any]) -> bytes:
    """Return a JSON object as a server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


class AnswerStream:
    """The part of an answer that can be sent already.

    Space at its end, and what a stop text may begin with, are held back.
    """

    def __init__(self, stops: tuple[str, ...]):
        self._stops = stops
        self._text = ""
        self._sent = 0

    def add(self, text: str) -> str:
        """Return what a further stretch lets out."""
        self._text += text
        safe = len(self._text) - self._held()
        return self._until(len(self._text[:safe].rstrip()))

    def rest(self, answer: str) -> str:
        """Return what is left of the whole answer."""
        self._text = answer
        return self._until(len(answer))

    def _held(self) -> int:
        """Return how many of the last characters may belong to a stop text."""
        return max(
            (
                size
                for stop in self._stops
                for size in range(1, len(stop) + 1)
                if self._text.endswith(stop[:size])
            ),
            default=0,
        )

    def _until(self, end: int) -> str:
        out = self._text[self._sent : end]
        self._sent = max(self._sent, end)
        return out


def _failure(turn: Turn, trace: Trace) -> Failed | None:
    if trace.stop == "error":
        return Failed(500, error_json(trace.error or "the engine failed", 500))
    if trace.stop == "interrupted":
        return Failed(503, error_json(trace.error or "the server was stopped", 503))
    if trace.stop == "context" and not trace.turns:
        why = trace.error or "the messages are too long"
        code = "context_length_exceeded"
        return Failed(400, error_json(f"messages: {why}", 400, param="messages", code=code))
    whole = trace.answer is not None and _finish_reason(trace) == "stop"
    if turn.check is not None and trace.answer is not None and whole:
        wrong = turn.check.fault(json.loads(trace.answer))
        if wrong is not None:
            message = f"response_format: the answer breaks its schema ({wrong})"
            return Failed(422, error_json(message, 422, param="response_format"))
    return None


def _finish_reason(trace: Trace) -> str:
    if trace.stop == "call":
        return "tool_calls"
    cut = bool(trace.turns) and trace.turns[-1].stop == "length"
    return "length" if cut or trace.stop in _LIMITS else "stop"


def _no_answer(trace: Trace, last: Step | None) -> str:
    """Return the content of a reply without an answer: the planner's reason, or what ended it."""
    if trace.stop == "give_up" and isinstance(last, Plan):
        return last.thought
    return f"No answer: {ending(trace)}"


def _tool_call(call: Call, trace: Trace) -> dict[str, Any]:
    arguments = order_arguments(call, trace.trajectory.offered)
    return {
        "id": f"call_{uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": call.tool, "arguments": dump_json(arguments)},
    }
