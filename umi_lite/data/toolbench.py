"""ToolBench as α-UMi prepared it: a JSON list of `{tools, instruction, conversations}`.

Also read: the repository's intermediate form with OpenAI-style `chains` in place of
`conversations`, by its data rules (X-PLUG/Multi-LLM-Agent, snapshot f9eeef7).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from umi_lite.data.leaks import read_excluded
from umi_lite.data.read_rows import list_rows
from umi_lite.data.rows import (
    BadRow,
    Loaded,
    Place,
    Row,
    checked,
    collect,
    outcomes,
    stem,
    typed_field,
)
from umi_lite.data.source import Source
from umi_lite.data.strict_json import BadJson, parse_as_python, parse_loose
from umi_lite.protocol.paper import NO_ANSWER
from umi_lite.protocol.roles import dump_json
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Next,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)

NEXT: dict[str, Next] = {
    "caller": "caller",
    "conclusion": "summarizer",
    "give up": "give_up",
}
NEXT_TAG = re.compile(r"\s*\bNext: (caller|conclusion|give up)\.?\s*\Z")
_ACTION = re.compile(r"Action: (.*?)\nAction Input: (.*)\Z", re.DOTALL)
_RESPONSE = '"response":'
_JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
Turn = tuple[str, str]


def load(
    path: Place,
    n: int | None = None,
    exclude: Path | str | None = None,
    *,
    keep_bad_arguments: bool = False,
) -> Loaded:
    """Return the file's trajectories, at most `n`. `meta.record` counts records from 1.

    A record that does not parse is dropped with the reason. So is one with a call whose
    arguments are not a JSON object, unless `keep_bad_arguments` (static evaluation scores such
    steps): then the call's `arguments` are empty and its `source_text` is what there is.

    Args:
        exclude: a file of test instructions that are kept out.

    Raises:
        UserError: a file is missing, or `path` is not a JSON list.
    """
    excluded, name = read_excluded(exclude), stem(path)

    def parse(row: Row) -> Trajectory:
        meta = {"record": row.number}
        made = trajectory(checked(row), f"{name}-{row.number}", meta, keep_bad_arguments)
        excluded.check(None, made.instruction)
        return made

    rows = list_rows(path, "ToolBench conversations as prepared by α-UMi")
    return collect(outcomes(rows, parse), n)


def trajectory(
    record: dict[str, Any], name: str, meta: dict[str, Any], keep_bad_arguments: bool
) -> Trajectory:
    """Return one record `{tools, instruction, conversations}` (or `chains`), under the id `name`.

    Raises:
        BadRow: it has no such form.
    """
    tools = tuple(_tool(tool) for tool in typed_field(record, "tools", list))
    if "conversations" in record:
        turns = list(conversation_turns(typed_field(record, "conversations", list)))
    elif "chains" in record:
        # The first two messages are AutoGPT's system prompt and the instruction.
        chain = typed_field(record, "chains", list)[2:]
        turns = [("user", typed_field(record, "instruction", str)), *chain_turns(chain)]
    else:
        raise BadRow("no field 'conversations' (nor 'chains')")
    if not turns or turns[0][0] != "user":
        raise BadRow("the conversation does not begin with the user")
    return Trajectory(
        id=name,
        source="toolbench",
        tools=tools,
        instruction=turns[0][1],
        steps=tuple(_step(who, text, keep_bad_arguments) for who, text in turns[1:]),
        meta=meta,
    )


def _tool(tool: Any) -> Tool:
    if not isinstance(tool, dict):
        raise BadRow("a tool is not a JSON object")
    arguments = typed_field(tool, "input", dict)
    name = typed_field(tool, "Name", str).strip()
    if not name:
        raise BadRow("a tool has no name")
    properties = {key: _argument(name, key, text) for key, text in arguments.items()}
    return Tool(
        name=name,
        description=typed_field(tool, "function", str),
        parameters={"type": "object", "properties": properties},
    )


def _argument(tool: str, name: str, text: Any) -> dict[str, Any]:
    """Read `"type, description"`; the source does not say which arguments are required."""
    if not isinstance(text, str):
        raise BadRow(f"argument {name!r} of tool {tool!r} must be a str, not {text!r}")
    kind, comma, description = text.partition(", ")
    if comma and kind in _JSON_TYPES:
        return {"type": kind, "description": description}
    return {"description": text}


def conversation_turns(conversation: list[Any]) -> Iterator[Turn]:
    """Yield who and what, of each entry `{from, value}`.

    Raises:
        BadRow: one has no such form.
    """
    for turn in conversation:
        if not isinstance(turn, dict):
            raise BadRow("a turn is not a JSON object")
        yield typed_field(turn, "from", str), typed_field(turn, "value", str)


def chain_turns(messages: list[Any]) -> Iterator[Turn]:
    """Yield OpenAI-style messages (assistant with `function_call`, function, user) as turns.

    An assistant message without a function call is left out, as officially.

    Raises:
        BadRow: a message has no such form.
    """
    for message in messages:
        if not isinstance(message, dict):
            raise BadRow("a message is not a JSON object")
        role = typed_field(message, "role", str)
        text = typed_field(message, "content", str) if message.get("content") else ""
        if role == "user":
            yield "user", text
        elif role == "function":
            yield "observation", _response(text)
        elif role == "assistant" and message.get("function_call"):
            yield from _called(text, typed_field(message, "function_call", dict))
        elif role != "assistant":
            raise BadRow(f"a message has role {role!r}; user, assistant, function are known")


def _called(thought: str, call: dict[str, Any]) -> Iterator[Turn]:
    name, arguments = typed_field(call, "name", str), typed_field(call, "arguments", str)
    thought = f"{thought}\n" if thought else ""
    if name != "Finish":
        yield "assistant", f"{thought} Next: caller."
        yield "caller", f"Action: {name}\nAction Input: {arguments}"
        return
    try:
        finish = parse_loose(arguments)
    except BadJson as err:
        raise BadRow(f"the arguments of Finish: {err}") from None
    kind = finish.get("return_type") if isinstance(finish, dict) else None
    if kind == "give_answer":
        yield "assistant", f"{thought} Next: conclusion."
        yield "conclusion", _final_answer(finish.get("final_answer"))
    elif kind == "give_up_and_restart":
        yield "assistant", f"{thought} Next: give up."
    else:
        raise BadRow(f"Finish has return_type {kind!r}; give_answer or give_up_and_restart")


def _final_answer(given: Any) -> str:
    """Return the text of `final_answer`; without one the official mark of a missing answer."""
    text = given if isinstance(given, str) else "" if given is None else dump_json(given)
    return text if text.strip() else NO_ANSWER


def _response(content: str) -> str:
    """Return the `response` field; of an observation that was cut, the text after its name."""
    try:
        value = parse_as_python(content)
    except BadJson:
        _, found, cut = content.partition(_RESPONSE)
        return cut if found else content
    if not isinstance(value, dict) or "response" not in value:
        return content
    response = value["response"]
    return response if isinstance(response, str) else str(response)


def _step(who: str, text: str, keep: bool) -> Step:
    match who:
        case "user":
            return User(text=text)
        case "assistant":
            tag = NEXT_TAG.search(text)
            if tag is None:
                return Plan(thought=text.strip(), next=None, source_text=text)
            thought = text[: tag.start()].strip()
            return Plan(thought=thought, next=NEXT[tag[1]], source_text=text)
        case "caller":
            return _call(text, keep)
        case "observation":
            return Observation(content=text)
        case "conclusion":
            return Answer(text=text)
        case _:
            known = "user, assistant, caller, observation, conclusion"
            raise BadRow(f"a turn is from {who!r}; {known} are known")


def _call(text: str, keep: bool) -> Call:
    parts = _ACTION.match(text)
    if parts is None:
        raise BadRow("a caller's turn is not 'Action: name', line break, 'Action Input: json'")
    try:
        arguments = parse_loose(parts[2])
    except BadJson:
        arguments = None
    if not isinstance(arguments, dict):
        if not keep:
            raise BadRow(f"the arguments of a call of {parts[1]!r} are not a JSON object")
        arguments = {}
    # A line that ends with "\r\n" would put the "\r" into the name.
    return Call(tool=parts[1].strip(), arguments=arguments, source_text=text)


def _fits(row: Mapping[str, Any]) -> bool:
    """True for conversations with turns that only α-UMi's have."""
    turns = row.get("conversations")
    given = turns if isinstance(turns, list) else []
    speakers = {turn.get("from") for turn in given if isinstance(turn, dict)}
    return "chains" in row or bool(speakers & {"caller", "conclusion"})


SOURCE = Source(
    about="ToolBench conversations as prepared by α-UMi (path, n, exclude)", load=load, fits=_fits
)
