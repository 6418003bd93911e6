"""Other names for a trajectory's tools and arguments, in its docs, calls and thoughts alike.

After Hammer's function masking (Lin et al. 2024, arXiv 2410.04587, section 3.2): a model that
cannot rely on names reads descriptions. Names become synonyms or have no meaning; then what they
named is in their description.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from umi_lite.protocol.trajectory import (
    Call,
    Observation,
    Offer,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)

# How often a name of a trajectory that is renamed gets another one.
_SHARE = 0.75
# Keywords of an object's schema next to which its properties' names are not found elsewhere.
_SIMPLE = frozenset(
    {"type", "properties", "required", "additionalProperties", "description", "title", "$defs"}
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SYLLABLES = ("ba", "do", "ki", "lu", "mer", "nov", "pra", "quo", "rin", "sto", "tav", "vel", "zim")
# Where a plain word is a tool's name, and where it is an argument's.
_TOOL = (
    r"(?P<before>\b(?:[Uu]se|[Cc]all|[Uu]sing|[Cc]alling|[Ii]nvoke|[Tt]ry|then|access to)(?: the)?"
    r"(?: tool| function)? )NAME(?![\w-])",
    r"(?P<before>)(?<![\w.])NAME(?=\(| (?:is|was) (?:offline|down|not available|unavailable)\b)",
)
_ARGUMENT = (r"(?P<before>)(?<![\w.])NAME(?==)", r"(?P<before>\bneeds )NAME(?![\w-])")
PYTHON = "python"


class CannotRename(ValueError):
    """A name cannot be replaced safely. The message says which and why."""


@dataclass(frozen=True)
class Names:
    """Old names to new ones: of tools, and of arguments, the same for all tools."""

    tools: Mapping[str, str]
    arguments: Mapping[str, str]

    def back(self) -> "Names":
        """Return the names that undo this."""
        return Names(
            {new: old for old, new in self.tools.items()},
            {new: old for old, new in self.arguments.items()},
        )


def draw_names(rng: random.Random, trajectory: Trajectory) -> Names:
    """Return new names for some of a trajectory's tools and arguments; none occurs in its texts.

    Raises:
        CannotRename: no other name was found, or tools are offered in the steps.
    """
    if trajectory.offered != trajectory.tools:
        raise CannotRename("its tools are not all in the system message")
    texts = " ".join(_texts(trajectory))
    taken = {*re.findall(r"[\w.\-]+", texts), *re.findall(r"\w+", texts)}
    for tool in trajectory.tools:
        taken |= {tool.name, *_properties(tool)}
    masked = rng.random() < 0.5
    given: dict[str, str] = {}

    def other(old: str, lead: Sequence[str]) -> str:
        for attempt in range(20):
            plain = masked or attempt > 5
            new = _meaningless(rng, lead) if plain else _synonym(rng, old)
            if new not in taken and new != old:
                taken.add(new)
                return new
        raise CannotRename(f"no other name was found for {old!r}")

    tools = {
        tool.name: other(tool.name, ("tool_", "func_", "fn", "api_", ""))
        for tool in trajectory.tools
        if tool.name != PYTHON and rng.random() < _SHARE
    }
    fixed = {name for tool in trajectory.tools if not _simple(tool) for name in _properties(tool)}
    for tool in trajectory.tools:
        for name in _properties(tool):
            if name not in given and name not in fixed and rng.random() < _SHARE:
                given[name] = other(name, ("arg_", "param_", "p", "x_", ""))
    return Names(tools, given)


def _meaningless(rng: random.Random, lead: Sequence[str]) -> str:
    start = rng.choice(lead)
    if start:
        return f"{start}{rng.choice((str(rng.randint(1, 99)), rng.choice('abcdefghkmnpqrst')))}"
    return "".join(rng.sample(_SYLLABLES, rng.choice((2, 2, 3))))


def _synonym(rng: random.Random, name: str) -> str:
    """Return a name with words replaced by synonyms, or written in another case."""
    known = _synonyms()

    def one(found: re.Match[str]) -> str:
        word = found[0]
        others = known.get(word.lower())
        if not others or rng.random() < 0.25:
            return word
        new = rng.choice(others)
        return _like(word, new)

    made = _PARTS.sub(one, name)
    if made == name or rng.random() < 0.2:
        words = [word.lower() for word in _PARTS.findall(made)]
        snake, camel = "_".join(words), words[0] + "".join(map(str.capitalize, words[1:]))
        made = camel if "_" in name and len(words) > 1 else snake
    return made


def _like(word: str, new: str) -> str:
    """Return a synonym in a word's case: Get → LookFor, get → look_for."""
    if not word[0].isupper():
        return new
    return "".join(map(str.capitalize, new.split("_")))


@cache
def _synonyms() -> Mapping[str, Sequence[str]]:
    import yaml

    text = files("umi_lite.data").joinpath("synonyms.yaml").read_text(encoding="utf-8")
    return yaml.load(text, yaml.SafeLoader)


def renamed(trajectory: Trajectory, names: Names) -> Trajectory:
    """Return a trajectory with other names.

    A name that could not be a word ("get_price", "x1") is replaced wherever it is a whole word; a
    plain word ("price") only where a thought or an error uses it as a name ("use price for …").

    Raises:
        CannotRename: a thought has a plain word that may be the tool or just a word, or a name
            as part of another one ("functions.get_price").
    """
    words = _words_of(trajectory)
    tool_text, argument_text = _replacer(names.tools), _replacer(names.arguments)
    plain = _pattern([name for name in names.tools if _is_word(name)], _TOOL)
    given = _pattern([name for name in names.arguments if _is_word(name)], _ARGUMENT)

    def in_text(text: str) -> str:
        return argument_text(tool_text(text))

    def in_thought(text: str) -> str:
        made = plain(in_text(text), names.tools)
        for old in names.tools:
            if not _is_word(old) and _has_word(made, old):
                raise CannotRename(f"a thought has {old!r} as part of another name")
            if _is_word(old) and _has_word(made, old) and old.lower() not in words:
                raise CannotRename(f"a thought has {old!r}, which may be the tool or a word")
        return given(made, names.arguments)

    def in_result(text: str, error: bool) -> str:
        return plain(tool_text(text), names.tools) if error else tool_text(text)

    return _applied(trajectory, names, in_text, in_thought, in_result)


def restored(trajectory: Trajectory, names: Names) -> Trajectory:
    """Return a renamed trajectory with its old names; the new ones occur nowhere else.

    Args:
        names: from the new names to the old ones.
    """
    tool_text = _replacer(names.tools, every=names.tools)
    argument_text = _replacer(names.arguments, every=names.arguments)

    def in_text(text: str) -> str:
        return argument_text(tool_text(text))

    return _applied(trajectory, names, in_text, in_text, lambda text, error: tool_text(text))


def _applied(
    trajectory: Trajectory,
    names: Names,
    in_text: Callable[[str], str],
    in_thought: Callable[[str], str],
    in_result: Callable[[str, bool], str],
) -> Trajectory:
    steps: list[Step] = []
    for step in trajectory.steps:
        match step:
            case Plan():
                changes = {"thought": in_thought(step.thought), "source_text": None}
            case Call():
                tool = names.tools.get(step.tool, step.tool)
                arguments = {names.arguments.get(k, k): v for k, v in step.arguments.items()}
                changes = {"tool": tool, "arguments": arguments, "source_text": None}
            case Observation():
                changes = {"content": in_result(step.content, step.error)}
            case User():
                changes = {"text": in_text(step.text)}
            case _:
                changes = {}
        steps.append(step.model_copy(update=changes))
    tools = tuple(_renamed_tool(tool, names, in_text) for tool in trajectory.tools)
    instruction = in_text(trajectory.instruction)
    return trajectory.model_copy(
        update={"tools": tools, "steps": tuple(steps), "instruction": instruction}
    )


def _renamed_tool(tool: Tool, names: Names, in_text: Callable[[str], str]) -> Tool:
    new = names.tools.get(tool.name, tool.name)
    description = in_text(tool.description)
    if new != tool.name and not description.strip():
        description = _spelled(tool.name)
    parameters = dict(tool.parameters)
    if any(name in names.arguments for name in _properties(tool)):
        parameters["properties"] = {
            names.arguments.get(name, name): _described(schema, name, names, in_text)
            for name, schema in _properties(tool).items()
        }
        if "required" in parameters:
            parameters["required"] = [
                names.arguments.get(name, name) for name in parameters["required"]
            ]
    return Tool(name=new, description=description, parameters=parameters)


def _described(schema: Any, name: str, names: Names, in_text: Callable[[str], str]) -> Any:
    """Return an argument's schema; its description says what its name said."""
    if not isinstance(schema, dict) or name not in names.arguments:
        return schema
    text = in_text(str(schema.get("description") or ""))
    return {**schema, "description": text if text.strip() else _spelled(name)}


def _spelled(name: str) -> str:
    return " ".join(word.lower() for word in _PARTS.findall(name)) or name


def _replacer(names: Mapping[str, str], every: Iterable[str] | None = None) -> Callable[[str], str]:
    """Return what replaces names as whole words.

    Args:
        every: which ones; None for those that are not plain words.
    """
    chosen = [name for name in names if not _is_word(name)] if every is None else list(every)
    if not chosen:
        return lambda text: text
    found = "|".join(map(re.escape, sorted(chosen, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w.\-/])(?:{found})(?![\w/]|[.\-]\w)")
    return lambda text: pattern.sub(lambda one: names[one[0]], text)


def _pattern(names: Sequence[str], forms: Sequence[str]) -> Callable[[str, Mapping[str, str]], str]:
    """Return what replaces plain words where one of the forms says that they are names."""
    every = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    patterns = [re.compile(form.replace("NAME", f"(?P<name>{every})")) for form in forms]

    def replace(text: str, new: Mapping[str, str]) -> str:
        for pattern in patterns if names else ():
            text = pattern.sub(lambda one: one["before"] + new[one["name"]], text)
        return text

    return replace


def _is_word(name: str) -> bool:
    """True if a name could be a word of a sentence: letters alone, in one case."""
    return bool(re.fullmatch(r"[A-Za-z]?[a-z]+", name))


def _has_word(text: str, word: str) -> bool:
    return bool(re.search(rf"(?<![\w]){re.escape(word)}(?!\w)", text))


def _properties(tool: Tool) -> Mapping[str, Any]:
    return tool.parameters.get("properties", {})


def _simple(tool: Tool) -> bool:
    """True if its arguments can be renamed: no other keyword names them, and it is not `python`."""
    return tool.name != PYTHON and tool.parameters.keys() <= _SIMPLE


def _words_of(trajectory: Trajectory) -> frozenset[str]:
    """Return the words that users and tools said, and those of the calls' values."""
    texts: list[str] = [trajectory.instruction]
    for step in trajectory.steps:
        if isinstance(step, Observation):
            texts.append(step.content)
        elif isinstance(step, User):
            texts.append(step.text)
        elif isinstance(step, Call):
            texts.append(str(list(step.arguments.values())))
    return frozenset(re.findall(r"\w+", " ".join(texts).lower()))


def _texts(trajectory: Trajectory) -> Iterable[str]:
    """Yield all texts of a trajectory."""
    yield trajectory.instruction
    for tool in trajectory.tools:
        yield tool.description
        yield str(tool.parameters)
    for step in trajectory.steps:
        match step:
            case Plan():
                yield step.thought
            case Call():
                yield str(step.arguments)
            case Observation():
                yield step.content
            case Offer():
                yield from (str(tool) for tool in step.tools)
            case _:
                yield step.text
