"""The roles, and how each one words its turn.

All views read one growing transcript, in training and inference alike, each after a system
message of its own. `backbone` is the global stage's view: one model that plays all the roles.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, cast

from umi_lite.protocol.schema_parts import list_of, object_of, referred, spread
from umi_lite.protocol.trajectory import (
    NEXTS,
    Answer,
    Call,
    Next,
    Observation,
    Offer,
    Plan,
    Step,
    Tool,
    User,
    View,
)

PYTHON_TOOL = Tool(
    name="python",
    description="Run a Python program; gives what it prints or its last expression's value.",
    parameters={
        "type": "object",
        "properties": {"code": {"type": "string", "description": "the program"}},
        "required": ["code"],
        "additionalProperties": False,
    },
)

SEARCH_TOOL = Tool(
    name="search_tools",
    description="Find more tools by name or need.",
    parameters={
        "type": "object",
        "properties": {"need": {"type": "string", "description": "what the tool does"}},
        "required": ["need"],
        "additionalProperties": False,
    },
)

SYSTEM: dict[View, str] = {
    "backbone": "Solve the task with the tools. Think, then call a tool or answer.",
    "planner": "Plan the task. Think, then say who is next: caller, summarizer or give_up.",
    "caller": "Write the tool call that the plan asks for.",
    "summarizer": "Answer the user from what the tools found.",
}
# The paper's summarizer sees no tool docs (official split script, `summarizer` samples).
SEES_TOOLS: frozenset[View] = frozenset({"backbone", "planner", "caller"})
SPEAKS: dict[View, tuple[type, ...]] = {
    "backbone": (Plan, Call, Answer),
    "planner": (Plan,),
    "caller": (Call,),
    "summarizer": (Answer,),
}
NEXT_MARK = "\nNext: "


class BadTurn(ValueError):
    """A role's text is not a turn of that role. The message says what is missing."""


def plain_text(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else dump_json(value)


def dump_json(value: Any) -> str:
    """Return JSON as every role writes and reads it: one line, `", "` and `": "`, unicode kept."""
    return json.dumps(value, ensure_ascii=False)


def tool_line(tool: Tool) -> str:
    """Return one line of docs: `name(arg: type, other?: type) - description`."""
    schema = tool.parameters
    required = set(schema.get("required", ()))
    args = ", ".join(
        f"{name}{'' if name in required else '?'}: {_type_name(sub)}"
        for name, sub in schema.get("properties", {}).items()
    )
    return f"{tool.name}({args}) - {tool.description}"


def _type_name(schema: Any) -> str:
    if not isinstance(schema, dict):
        return "any"
    facts = cast("dict[str, Any]", schema)
    if "enum" in facts:
        name = "|".join(str(choice) for choice in facts["enum"])
    elif facts.get("type") == "array":
        name = f"[{_type_name(facts.get('items'))}]"
    else:
        kind = facts.get("type", "any")
        name = "|".join(cast("list[str]", kind)) if isinstance(kind, list) else str(kind)
    note = facts.get("description")
    return f"{name} ({note})" if note else name


def system_text(view: View, tools: tuple[Tool, ...]) -> str:
    """Return the system message of a view, with the tool docs where the view sees them."""
    if view not in SEES_TOOLS or not tools:
        return SYSTEM[view]
    return f"{SYSTEM[view]}\n{docs_text(tools)}"


def docs_text(tools: tuple[Tool, ...]) -> str:
    """Return the docs of tools: `Tools:`, then a line each."""
    return "\n".join(["Tools:", *map(tool_line, tools)])


def thought_text(plan: Plan) -> str:
    """Return the thought on one line: the grammar allows the planner no more."""
    return " ".join(plan.thought.split())


def plan_text(plan: Plan) -> str:
    """Return `thought`, newline, `Next: caller|summarizer|give_up`; without a next, only it."""
    return thought_text(plan) + (f"{NEXT_MARK}{plan.next}" if plan.next else "")


def spoken(steps: Sequence[Step]) -> Iterator[tuple[int, Step]]:
    """Yield the steps as every transcript has them, each with its index among the given ones.

    A plan that names no next speaker names the one of the step after it; where that is not a
    role's turn either, the plan is left out, as no role would speak. An empty thought is worded
    from what the plan led to.
    """
    for at, (step, after) in enumerate(zip_longest(steps, steps[1:])):
        if not isinstance(step, Plan):
            yield at, step
        elif (who := step.next or _speaker(after)) is not None:
            thought = step.thought if step.thought.strip() else _worded(who, after)
            yield at, step.model_copy(update={"thought": thought, "next": who})


def _speaker(step: Step | None) -> Next | None:
    match step:
        case Call():
            return "caller"
        case Answer():
            return "summarizer"
        case _:
            return None


def _worded(who: Next, after: Step | None) -> str:
    if who == "caller":
        return f"Call {after.tool}." if isinstance(after, Call) else "Call a tool."
    return "The answer is known." if who == "summarizer" else "No tool can do this."


def order_arguments(call: Call, tools: tuple[Tool, ...]) -> dict[str, Any]:
    """Return a call's arguments in the schema's order, unknown ones last, as the grammar forces it.

    So are the keys of objects in them.
    """
    schemas = [tool.parameters for tool in tools if tool.name == call.tool]
    schema: dict[str, Any] = schemas[0] if schemas else {}
    return _ordered(call.arguments, schema, schema.get("$defs", {}))


def _ordered(value: Any, schema: Any, defs: dict[str, Any]) -> Any:
    if (items := list_of(value)) is not None:
        part = (referred(schema, defs) or {}).get("items")
        return [_ordered(item, part, defs) for item in items]
    if (given := object_of(value)) is None:
        return value
    facts = _facts(given, schema, defs)
    known: dict[str, Any] = facts.get("properties", {})
    order = [key for key in known if key in given]
    order += [key for key in given if key not in known]
    open_part = facts.get("additionalProperties")
    return {key: _ordered(given[key], known.get(key, open_part), defs) for key in order}


def _facts(value: dict[str, Any], schema: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object; of alternatives the first one that knows all of its keys."""
    facts = referred(schema, defs) or {}
    choices = [] if "properties" in facts else [*facts.get("anyOf", ()), *facts.get("oneOf", ())]
    for choice in choices:
        found = referred(choice, defs) or {}
        if "properties" in found and found["properties"].keys() >= value.keys():
            return found
    return spread(facts, defs)


def call_text(call: Call, tools: tuple[Tool, ...]) -> str:
    """Return `tool {json}` with the arguments in the schema's order."""
    return f"{call.tool} {dump_json(order_arguments(call, tools))}"


def parse_plan(text: str) -> Plan:
    """Return the planner's turn from its text.

    Raises:
        BadTurn: there is no `Next:` line, or it names an unknown role.
    """
    thought, mark, who = text.rpartition(NEXT_MARK)
    who = who.strip()
    if not mark:
        raise BadTurn("the planner's turn has no 'Next:' line")
    if who not in NEXTS:
        raise BadTurn(f"the planner named {who!r}; one of {', '.join(NEXTS)} can be next")
    return Plan(thought=thought.strip(), next=who)


def parse_call(text: str) -> Call:
    """Return the caller's turn from its text.

    Raises:
        BadTurn: the text is not `tool {json object}`.
    """
    name, _, arguments = text.strip().partition(" ")
    try:
        value = json.loads(arguments or "{}")
    except json.JSONDecodeError as err:
        raise BadTurn(f"the call's arguments are not JSON: {err}") from None
    if not isinstance(value, dict):
        raise BadTurn("the call's arguments are not a JSON object")
    return Call(tool=name, arguments=cast("dict[str, Any]", value))


def step_text(step: Step, tools: tuple[Tool, ...]) -> str:
    """Return a step as it reads in every transcript."""
    match step:
        case User():
            return step.text
        case Plan():
            return plan_text(step)
        case Call():
            return call_text(step, tools)
        case Observation():
            return f"{'Error' if step.error else 'Result'}: {step.content}"
        case Offer():
            return docs_text(step.tools)
        case Answer():
            return step.text
