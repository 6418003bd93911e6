"""Wild: thousands of tools, split cleanly, with tasks that replay and that a person would say."""

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from goldturns import check_turns

from umi_lite.data.load import load_questions
from umi_lite.data.source import GIVE_UP
from umi_lite.data.synth.catalog import catalog_of
from umi_lite.data.synth.check import fault_of
from umi_lite.data.wild import SPLITS, environment_of, everything, load
from umi_lite.data.wild.apart import grams
from umi_lite.data.wild.catalog import plain_name, tools_of
from umi_lite.data.wild.drafts import a_noun, expanded, plural_of
from umi_lite.errors import UserError
from umi_lite.protocol.schema import Schema
from umi_lite.protocol.trajectory import Answer, Call, Plan, Tool, Trajectory

N = 400


@cache
def tasks(split: str) -> list[Trajectory]:
    return load(split, N, seed=5).trajectories


@pytest.fixture(params=SPLITS)
def split(request: pytest.FixtureRequest) -> str:
    return request.param


def specs() -> Iterator[Tool]:
    for split in SPLITS:
        yield from (made.tool for made in tools_of(split))


def test_there_are_thousands_of_tools_in_many_domains() -> None:
    names = {plain_name(tool.name) for tool in specs()}
    assert len(names) == len(list(specs())) >= 3000
    assert len({made.domain for split in SPLITS for made in tools_of(split)}) >= 60


def test_the_splits_share_no_domain_and_no_name() -> None:
    for parts in ("domain", "name"):
        found: Counter[str] = Counter()
        for split in SPLITS:
            made = tools_of(split)
            values = {m.domain if parts == "domain" else plain_name(m.tool.name) for m in made}
            assert values
            found.update(values)
        assert found.most_common(1)[0][1] == 1


def test_the_splits_share_no_eight_words_in_a_row() -> None:
    # Other seeds as well: what belongs to a split does not depend on what was drawn.
    said = {
        split: {g for seed in (5, 6) for t in load(split, N, seed).trajectories
                for g in grams(t.instruction)}
        for split in SPLITS
    }  # fmt: skip
    assert all(len(words) > 500 for words in said.values())
    assert not said["train"] & said["dev"]
    assert not said["train"] & said["test"]
    assert not said["dev"] & said["test"]


def test_every_tool_can_be_used(split: str) -> None:
    made = catalog_of(tools_of(split), 0, split)
    assert not made.dropped
    assert len(made.links) > 100


def test_tools_are_documented_in_many_ways() -> None:
    found: Counter[str] = Counter()
    for tool in specs():
        found.update(_features(tool))
    wanted = [
        *("snake", "camel", "pascal", "kebab", "dotted", "long", "short", "none", "array"),
        *("object", "union", "enum", "default", "date", "email", "described", "undescribed"),
        *("optional", "closed"),
    ]
    assert min((found[name], name) for name in wanted) > (20, "")


def _features(tool: Tool) -> set[str]:
    last = tool.name.rpartition(".")[2]
    found = {"dotted"} if "." in tool.name else set()
    if last[0].isupper():
        found.add("pascal")
    else:
        found.add("snake" if "_" in last else "kebab" if "-" in last else "camel")
    words = len(tool.description.split())
    found.add("none" if not words else "long" if words > 10 else "short")
    if tool.parameters.get("additionalProperties") is False:
        found.add("closed")
    properties: dict[str, Schema] = tool.parameters["properties"]
    if properties.keys() - set(tool.parameters.get("required", ())):
        found.add("optional")
    for schema in properties.values():
        kind: Any = schema.get("type")
        found.add("described" if schema.get("description") else "undescribed")
        found |= {kind} if kind in ("array", "object") else set()
        found |= {"union"} if isinstance(kind, list) or "anyOf" in schema else set()
        found |= {key for key in ("enum", "default") if key in schema}
        found |= {schema["format"]} if "format" in schema else set()
    return found


def test_the_same_seed_gives_the_same_tasks_in_another_process(split: str) -> None:
    def fingerprint(made: list[Trajectory]) -> str:
        text = "\n".join(task.model_dump_json() for task in made)
        return hashlib.sha256(text.encode()).hexdigest()

    code = (
        "import hashlib\nfrom umi_lite.data.wild import load\n"
        f"made = load({split!r}, 60, seed=3).trajectories\n"
        "text = '\\n'.join(task.model_dump_json() for task in made)\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(load(split, 60, seed=3).trajectories)


def test_instructions_and_ids_are_distinct(split: str) -> None:
    made = tasks(split)
    assert len({t.instruction for t in made}) == len({t.id for t in made}) == N
    kinds = Counter(task.meta["kind"] for task in made)
    assert kinds.keys() >= {"one", "two_parts", "two_chain", "retry", "missing", "unsupported"}


def test_every_task_replays(split: str) -> None:
    assert not [(t.id, why) for t in tasks(split) if (why := fault_of(t))]
    for task in tasks(split)[:60]:
        box = environment_of(task)
        assert box.specs == task.tools
        pairs = zip(task.steps, task.steps[1:], strict=False)
        assert all(box.call(step) == after for step, after in pairs if isinstance(step, Call))
        assert box.state() == task.meta["state"]


def test_every_step_is_what_the_grammars_allow(split: str) -> None:
    check_turns(tasks(split)[:80], 200)


def test_what_ends_without_an_answer_gives_up(split: str) -> None:
    for task in tasks(split):
        last = task.steps[-1]
        if task.gold == GIVE_UP:
            assert isinstance(last, Plan) and last.next == "give_up"
        else:
            assert isinstance(last, Answer)


def test_instructions_have_no_marks_of_their_templates(split: str) -> None:
    for task in tasks(split):
        assert not set("{}[]<>") & set(task.instruction), task.instruction
        assert "  " not in task.instruction
        assert task.instruction[0].isupper() or not task.instruction[0].isalpha()


def test_options_that_do_not_fit() -> None:
    with pytest.raises(UserError, match="no split 'ood'; there are train, dev, test"):
        load("ood")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="n is 0"):
        load("train", 0)
    with pytest.raises(UserError, match="source wild takes split, n, seed"):
        load_questions("wild", {"path": "x"})


def test_all_tools_to_try_an_agent_with() -> None:
    box = environment_of()
    assert len(box) == len(tools_of("test")) > 500
    task = next(t for t in tasks("test") if t.meta["state"] and t.meta["state"]["changes"])
    calls = [step for step in task.steps if isinstance(step, Call)]
    assert not any(
        box.call(call).error for call in calls if call.tool in {s.name for s in box.specs}
    )
    assert (box.state() or {})["changes"]


def test_all_tools_in_a_tasks_world_do_what_its_own_do() -> None:
    for task in tasks("test")[:60]:
        box = everything("test", task)
        assert len(box) > 500
        pairs = zip(task.steps, task.steps[1:], strict=False)
        assert all(box.call(step) == after for step, after in pairs if isinstance(step, Call))
        assert box.state() == task.meta["state"]


def test_words() -> None:
    assert a_noun("album") == "an album" and a_noun("user") == "a user"
    assert a_noun("directions") == "directions"
    assert plural_of("entry") == "entries" and plural_of("box") == "boxes"
    assert expanded("Play {song}[ by {artist}][ in {room}].") == [
        "Play {song}.",
        "Play {song} by {artist}.",
        "Play {song} in {room}.",
        "Play {song} by {artist} in {room}.",
    ]
