"""The generated world: deterministic, split cleanly, and true to its own tools."""

from collections import Counter
from functools import cache

import pytest
from goldturns import check_turns

from umi_lite.data.toolworld import GIVE_UP, environment, load, wording
from umi_lite.data.toolworld.families import PER_100, schedule
from umi_lite.data.toolworld.goals import goals_of
from umi_lite.data.toolworld.template_values import CLOSED
from umi_lite.data.toolworld.toolbox import TOOLSETS, UNSEEN_TOOLSETS, WorldToolbox
from umi_lite.data.toolworld.wording import INTENTS
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory

N = 300


@cache
def episodes(split: str) -> list[Trajectory]:
    return load(split, N, seed=5).trajectories


@pytest.fixture(params=["train", "test", "ood"])
def split(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_same_seed_gives_the_same_tasks(split: str) -> None:
    assert load(split, 60, seed=5).trajectories == load(split, 60, seed=5).trajectories
    other = {t.instruction for t in load(split, 60, seed=6).trajectories}
    assert len(other & {t.instruction for t in load(split, 60, seed=5).trajectories}) < 15


def test_instructions_and_ids_are_distinct(split: str) -> None:
    made = episodes(split)
    assert len(made) == N
    assert len({t.instruction for t in made}) == len({t.id for t in made}) == N


def test_gold_calls_give_the_same_observations_and_state_on_fresh_tools(split: str) -> None:
    for made in episodes(split):
        box = environment(made)
        assert box.specs == made.tools
        calls = [step for step in made.steps if isinstance(step, Call)]
        seen = [step for step in made.steps if isinstance(step, Observation)]
        assert [box.call(call) for call in calls] == seen, made.id
        assert box.state() == made.meta["state"], made.id
        assert made.meta["calls"] == len(calls)
        # An agent's bounds take a repeated call for being stuck.
        assert all(call not in calls[:at] for at, call in enumerate(calls))


def test_environments_do_not_share_state() -> None:
    made = next(t for t in episodes("train") if t.meta["family"] == "todo_add")
    first, second = environment(made), environment(made)
    before = second.state()
    first.call(next(step for step in made.steps if isinstance(step, Call)))
    assert first.state() != before == second.state()


def test_every_step_is_what_the_schema_and_the_grammars_allow(split: str) -> None:
    check_turns(episodes(split)[:120], 200)


def test_episodes_are_well_formed(split: str) -> None:
    for made in episodes(split):
        *middle, last = made.steps
        assert not any(isinstance(step, Answer) for step in middle)
        if made.gold == GIVE_UP:
            assert isinstance(last, Plan) and last.next == "give_up"
        else:
            assert isinstance(last, Answer)
        plans = [step for step in made.steps if isinstance(step, Plan)]
        for plan in plans:
            head = plan.thought.split()[0]
            assert (head == "Done.") == (plan.next == "summarizer"), plan
            assert (head == "No") == (plan.next == "give_up"), plan
            assert len(plan.thought) <= 120


def test_thoughts_carry_the_arguments_of_their_call(split: str) -> None:
    for made in episodes(split):
        for plan, call in zip(made.steps, made.steps[1:], strict=False):
            if isinstance(plan, Plan) and isinstance(call, Call):
                assert call.tool in INTENTS
                assert all(str(value) in plan.thought for value in call.arguments.values())


def test_a_thought_says_who_comes_after_its_call(split: str) -> None:
    for made in episodes(split):
        plans = [step for step in made.steps if isinstance(step, Plan)]
        tools = [step.tool for step in made.steps if isinstance(step, Call)]
        for at in range(len(tools)):
            # A retry was not foreseen.
            ahead = range(at + 1, len(tools))
            planned = (tools[i] for i in ahead if not plans[i].thought.startswith("Retry"))
            told = plans[at].thought.rpartition(", then ")[2]
            assert told == next(planned, "answer") + ".", made.steps


def test_recovery_really_errs_and_then_succeeds(split: str) -> None:
    found = [t for t in episodes(split) if t.meta["kind"] == "recovery"]
    assert found
    for made in found:
        seen = [step for step in made.steps if isinstance(step, Observation)]
        assert seen[0].error and not seen[-1].error
        assert any(isinstance(s, Plan) and s.thought.startswith("Retry") for s in made.steps)
        calls = [step for step in made.steps if isinstance(step, Call)]
        assert calls[0] != calls[1]


def test_a_dead_end_errs_and_a_missing_tool_is_not_in_the_toolset(split: str) -> None:
    for made in episodes(split):
        if made.meta["kind"] == "dead_end":
            assert [s.error for s in made.steps if isinstance(s, Observation)] == [True]
        if made.meta["kind"] in ("missing", "wish"):
            assert made.gold == GIVE_UP and made.meta["calls"] == 0


def test_the_proportions_are_kept_and_every_family_appears() -> None:
    kinds = Counter(schedule("train", 200, seed=1))
    assert kinds == {kind: 2 * weight for kind, weight in PER_100.items()}
    assert sum(Counter(schedule("ood", 37, seed=1)).values()) == 37
    wanted = {goal.name for goals in goals_of("train").by_kind.values() for goal in goals}
    families = {t.meta["family"] for t in episodes("train")}
    assert wanted <= families


def test_train_and_test_share_toolsets_and_the_unseen_tools_stay_unseen() -> None:
    offered = {tuple(tool.name for tool in t.tools) for t in episodes("train") + episodes("test")}
    assert offered == set(TOOLSETS)
    assert {tuple(tool.name for tool in t.tools) for t in episodes("ood")} == set(UNSEEN_TOOLSETS)
    seen = {name for toolset in TOOLSETS for name in toolset}
    unseen = {name for toolset in UNSEEN_TOOLSETS for name in toolset} - seen
    assert len(seen) >= 14 and len(unseen) >= 5
    assert all(set(toolset) - seen for toolset in UNSEEN_TOOLSETS)


def test_families_and_give_ups_of_the_unseen_split_are_its_own() -> None:
    def names(split: str) -> set[str]:
        return {t.meta["family"] for t in episodes(split)}

    kinds = {"parts_2", "parts_3", "parts_4", "give_up_wish", "give_up_missing"}
    assert names("train") & names("ood") <= kinds
    assert names("test") <= names("train")
    requests = [{r.text for r in goals_of(s).unsupported} for s in ("train", "ood")]
    assert not requests[0] & requests[1]


def test_unseen_wordings_frame_nothing_in_training() -> None:
    for frames in (
        wording._NOUN,
        wording._IMPERATIVE,
        wording._NOUNS,
        wording._IMPERATIVES,
        wording._FIND,
    ):
        assert not set(frames[False]) & set(frames[True])
    assert len(wording._NOUN[False]) >= 6 and len(wording._IMPERATIVE[False]) >= 6


def test_a_family_can_be_asked_in_six_ways_or_more() -> None:
    for goals in goals_of("train").by_kind.values():
        for goal in goals:
            frames = wording._NOUN[False] if goal.nouns else wording._IMPERATIVE[False]
            phrases = goal.nouns or goal.imperatives
            assert len(goal.asks) + len(frames) * len(phrases) >= 6, goal.name


def test_values_of_one_split_are_in_no_other() -> None:
    values: dict[str, dict[str, set[str]]] = {}
    for name in ("train", "test", "ood"):
        for made in episodes(name):
            for drawn in made.meta["slots"]:
                for slot, value in drawn.items():
                    values.setdefault(slot, {}).setdefault(name, set()).add(value)
    # Parts of a split pair, fixed sets, and what follows from another slot.
    shared = CLOSED | {"a", "b", "time", "time2", "abroad", "source", "town", "town2"}
    shared |= {"weight", "height", "typo", "person_typo", "task_typo", "book_typo"}
    checked = set(values) - shared
    assert {"product", "person", "expression", "date", "phrase", "item", "order"} <= checked
    for slot in checked:
        train, test, ood = (values[slot].get(name, set()) for name in ("train", "test", "ood"))
        assert not train & test and not train & ood and not test & ood, slot


@pytest.mark.parametrize(("split", "n"), [("dev", 5), ("train", 0)])
def test_a_wrong_request_is_a_user_error(split: str, n: int) -> None:
    with pytest.raises(UserError, match="toolworld"):
        load(split, n)  # pyright: ignore[reportArgumentType]


def test_a_gold_call_that_fails_ends_generation_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: WorldToolbox, call: Call) -> Observation:
        return Observation(content=f"internal error in {call.tool}", error=True)

    monkeypatch.setattr(WorldToolbox, "call", broken)
    with pytest.raises(RuntimeError, match="no task of kind") as caught:
        load(split="test", n=60, seed=987)
    assert "internal error in" in str(caught.value.__cause__)
