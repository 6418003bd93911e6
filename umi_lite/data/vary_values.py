"""Other names for what a trajectory is about: its people, places and things get composed ones.

Sources have few names of a kind and repeat them; roles then remember them and copy an unseen one
wrongly. A name is replaced in the instruction, calls, results, thoughts and answers alike.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from umi_lite.data.synth.pools import POOLS, choice
from umi_lite.data.synth.spoken import MONTHS, WEEKDAYS
from umi_lite.protocol.roles import tool_line
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory, User

# "Fox Hollow", "Dr. Pearl"; no numbers, codes, paths, texts of several sentences.
_NAME = re.compile(r"[A-Z][a-z'&.-]*(?: [A-Za-z][a-z'&.-]*){0,3}")
_PARTS = re.compile(r"\n|, |; ")
_LEAST = 4
_UNHEARD = 0.25  # share of the new names that are no words: those are copied letter by letter
_ONSETS = (*"bdfgklmnprstvz", "br", "ch", "dr", "gr", "kl", "pl", "sh", "st", "tr")
_VOWELS, _CODAS = ("a", "e", "i", "o", "u", "ee", "ai"), ("", "l", "n", "r", "s", "t", "nd")
_CLOSED = frozenset((*MONTHS, *WEEKDAYS))


def with_other_names(
    rng: random.Random, trajectory: Trajectory
) -> tuple[Trajectory, dict[str, str]]:
    """Return the trajectory with other names, and what each new one was.

    One with an error keeps its names: a suggestion is like the name that was wrong.
    """
    if any(isinstance(step, Observation) and step.error for step in trajectory.steps):
        return trajectory, {}
    texts = list(_texts(trajectory))
    docs = "\n".join(map(tool_line, trajectory.tools))
    new: dict[str, str] = {}
    for name in sorted(set(_names(trajectory)), key=lambda one: (-len(one), one)):
        if name in docs or any(name in other for other in new) or _respelled(name, texts):
            continue
        made = _composed(rng, len(name.split(" ")))
        if not any(made in text for text in (*texts, docs, *new.values())):
            new[name] = made
    back = {made: name for name, made in new.items()}
    return replaced(trajectory, new), back


def replaced(trajectory: Trajectory, names: Mapping[str, str]) -> Trajectory:
    """Return a trajectory with each of these names replaced as a whole word, tools unchanged."""
    if not names:
        return trajectory
    every = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{every})(?!\w)")

    def text(said: str) -> str:
        return pattern.sub(lambda found: names[found[0]], said)

    steps = tuple(_step(step, text) for step in trajectory.steps)
    gold = text(trajectory.gold) if trajectory.gold is not None else None
    return trajectory.model_copy(
        update={"instruction": text(trajectory.instruction), "steps": steps, "gold": gold}
    )


def _step(step: Step, text: Callable[[str], str]) -> Step:
    match step:
        case Plan():
            return step.model_copy(update={"thought": text(step.thought)})
        case Call():
            return step.model_copy(update={"arguments": _value(step.arguments, text)})
        case Observation():
            return step.model_copy(update={"content": text(step.content)})
        case Answer() | User():
            return step.model_copy(update={"text": text(step.text)})
        case _:
            return step


def _value(value: Any, text: Callable[[str], str]) -> Any:
    match value:
        case str():
            return text(value)
        case list():
            return [_value(item, text) for item in value]
        case dict():
            return {key: _value(item, text) for key, item in value.items()}
        case _:
            return value


def _names(trajectory: Trajectory) -> Iterator[str]:
    """Yield names that are a whole value of a call or a result.

    None of a parameter whose schema lists its values.
    """
    tools = {tool.name: tool for tool in trajectory.offered}
    for step in trajectory.steps:
        if isinstance(step, Call) and step.tool in tools and step.source_text is None:
            properties = tools[step.tool].parameters.get("properties", {})
            for key, value in step.arguments.items():
                if not _listed(properties.get(key)):
                    yield from filter(_is_name, _strings(value))
        elif isinstance(step, Observation):
            yield from filter(_is_name, _result_strings(step.content))


def _result_strings(result: str) -> Iterator[str]:
    """Yield the texts of a result in JSON, or of lines such as `key: value, key: value`."""
    try:
        yield from _strings(json.loads(result))
    except ValueError:
        for part in _PARTS.split(result):
            yield part.rpartition(": ")[2]


def _listed(schema: Any) -> bool:
    """True if a schema allows only some texts, in whatever way."""
    found = str(schema)
    return any(f"'{word}'" in found for word in ("enum", "const", "pattern", "format", "default"))


def _is_name(text: str) -> bool:
    return len(text) >= _LEAST and bool(_NAME.fullmatch(text)) and text not in _CLOSED


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _texts(trajectory: Trajectory) -> Iterator[str]:
    yield trajectory.instruction
    for step in trajectory.steps:
        match step:
            case Plan():
                yield step.thought
            case Call():
                yield from _strings(step.arguments)
            case Observation():
                yield step.content
            case Answer() | User():
                yield step.text
            case _:
                pass


def _respelled(name: str, texts: list[str]) -> bool:
    """True if a name is also written in capitals, small or backwards: its letters count."""
    low, back = name.lower(), name[::-1].lower()
    return any(text.lower().count(low) > text.count(name) or back in text.lower() for text in texts)


def _composed(rng: random.Random, words: int) -> str:
    if rng.random() < _UNHEARD:
        return " ".join(_unheard(rng) for _ in range(min(words, 2)))
    if words == 1:
        return f"{choice(rng, POOLS['noun']).capitalize()}{choice(rng, POOLS['noun'])}"
    return " ".join(choice(rng, POOLS["noun"]).capitalize() for _ in range(min(words, 3)))


def _unheard(rng: random.Random) -> str:
    """Return a word that no language has, such as "Velorin"."""
    syllables = (choice(rng, _ONSETS) + choice(rng, _VOWELS) for _ in range(rng.randint(2, 3)))
    return ("".join(syllables) + choice(rng, _CODAS)).capitalize()
