"""Votes on a step: what agrees, who is elected, which calls are made, what the trace keeps."""

import pytest
from scripted import Scripted

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Trajectory
from umi_lite.tools.tools import Toolbox, tool

CALLER, DONE, GIVE_UP = "Look.\nNext: caller", "Done.\nNext: summarizer", "No.\nNext: give_up"


class Counter:
    """Tools that count how often they are called."""

    def __init__(self):
        self.calls: list[tuple[str, int]] = []

    def book(self, n: int) -> str:
        """Book a table."""
        self.calls.append(("book", n))
        return f"booked {n}"

    def double(self, n: int) -> int:
        """Twice the number."""
        self.calls.append(("double", n))
        return 2 * n

    def half(self, n: int) -> int:
        """Half of an even number."""
        self.calls.append(("half", n))
        if n % 2:
            raise ValueError("odd")
        return n // 2

    def toolbox(self) -> Toolbox:
        return Toolbox([self.book, tool(self.double, pure=True), tool(self.half, pure=True)])


def vote(votes, *turns, heard=None, bounds=None, **sampling):
    counter, engine = Counter(), Scripted(*turns)
    drawn = Sampling(votes=votes, **sampling)
    agent = Agent(engine, counter.toolbox(), bounds or Bounds(), sampling=drawn)
    trace = agent.run("Do it.", on_event=heard)
    assert not engine.turns, "turns are left"
    return trace, counter.calls, engine


def calls(*numbers, of="book"):
    """A plan and a call for each number."""
    return [turn for n in numbers for turn in (CALLER, f'{of} {{"n": {n}}}')]


def made(trace: Trace) -> list[Call]:
    return [step for step in trace.trajectory.steps if isinstance(step, Call)]


def test_the_most_frequent_call_is_made_and_no_other():
    trace, done, _ = vote(3, *calls(1, 2, 2), DONE, DONE, "Booked.")
    assert done == [("book", 2)]
    assert trace.trajectory.steps == (
        Plan(thought="Look.", next="caller"),
        Call(tool="book", arguments={"n": 2}),
        Observation(content="booked 2"),
        Plan(thought="Done.", next="summarizer"),
        Answer(text="Booked."),
    )


def test_of_equally_frequent_calls_the_first_is_made():
    _, done, _ = vote(4, *calls(1, 2, 2, 1), GIVE_UP, GIVE_UP, GIVE_UP)
    assert done == [("book", 1)]


def test_no_sample_is_drawn_that_can_change_nothing():
    _, _, engine = vote(5, *calls(1, 1, 1), GIVE_UP, GIVE_UP, GIVE_UP)
    assert len(engine.asked) == 9


def test_giving_up_and_answering_are_choices():
    trace, done, _ = vote(3, GIVE_UP, *calls(1), GIVE_UP)
    assert trace.stop == "give_up" and not done
    trace, _, _ = vote(3, GIVE_UP, DONE, DONE, "So.")
    assert trace.answer == "So."


def test_arguments_agree_in_any_order():
    one, two = 'book {"a": 1, "b": 2}', 'book {"b": 2, "a": 1}'
    trace, _, _ = vote(3, CALLER, 'book {"a": 9}', CALLER, one, CALLER, two, GIVE_UP, GIVE_UP)
    assert made(trace) == [Call(tool="book", arguments={"a": 1, "b": 2})]


def test_calls_that_change_nothing_are_made_once_each_and_agree_by_their_result():
    turns = [*calls(5), *calls(2, of="double"), *calls(2, of="double"), *calls(8, of="half")]
    trace, done, _ = vote(4, *turns, GIVE_UP, GIVE_UP, GIVE_UP)
    assert done == [("double", 2), ("half", 8)]
    assert made(trace) == [Call(tool="double", arguments={"n": 2})]
    assert trace.trajectory.steps[2] == Observation(content="4")


def test_a_failed_call_is_elected_only_if_no_other_is_there():
    _, done, _ = vote(3, *calls(3, 3, 8, of="half"), GIVE_UP, GIVE_UP)
    assert done == [("half", 3), ("half", 8)]
    trace, _, _ = vote(2, *calls(3, 5, of="half"), GIVE_UP, GIVE_UP)
    assert trace.trajectory.steps[1:3] == (
        Call(tool="half", arguments={"n": 3}),
        Observation(content="ValueError: odd", error=True),
    )


def test_the_same_call_later_is_made_again():
    _, done, _ = vote(2, *calls(2, 2, 2, 2, of="double"), bounds=Bounds(max_calls=5))
    assert done == [("double", 2), ("double", 2)]


def test_broken_turns_do_not_vote():
    trace, done, _ = vote(3, "no speaker", CALLER, "book {", *calls(1), GIVE_UP, GIVE_UP)
    assert done == [("book", 1)] and trace.stop == "give_up"
    trace, done, _ = vote(2, CALLER, "book {", "no speaker")
    assert trace.stop == "bad_turn" and "not JSON" in (trace.error or "") and not done
    assert trace.trajectory.steps == (Plan(thought="Look.", next="caller"),)


def test_the_most_calls_hold():
    trace, done, _ = vote(2, *calls(1, 1), CALLER, CALLER, bounds=Bounds(max_calls=1))
    assert (trace.stop, done) == ("max_calls", [("book", 1)])


def test_all_samples_read_the_same_prompt_and_the_next_one_what_was_elected():
    _, _, engine = vote(3, *calls(1), *calls(2, 2), GIVE_UP, GIVE_UP)
    first, second, third = (engine.prompt(number) for number in (0, 2, 4))
    assert first == second == third
    assert engine.prompt(6).startswith(first + CALLER + '\nbook {"n": 2}')
    assert "booked 2" in engine.prompt(6) and '"n": 1' not in engine.prompt(6)


def test_the_trace_counts_every_sample_and_names_the_elected():
    trace, _, engine = vote(3, *calls(1, 2, 2), GIVE_UP, GIVE_UP)
    assert len([turn for turn in trace.turns if turn.view != "tool"]) == len(engine.asked)
    assert [(turn.step, turn.votes) for turn in trace.turns] == [
        *((None, None), (None, None), (0, (2, 3)), (1, (2, 3)), (None, None), (None, None)),
        *((2, None), (3, (2, 2)), (None, None)),
    ]
    for at, turn in enumerate(trace.turns):
        if turn.view == "caller":
            assert "".join(text for text, _ in trace.prompt(at)).endswith(CALLER + "\n")
    assert Trace.model_validate_json(trace.model_dump_json()) == trace


def test_the_first_sample_is_greedy_and_the_others_are_not():
    _, _, engine = vote(3, *calls(1, 2, 2), GIVE_UP, GIVE_UP, seed=3)
    assert [r.temperature for r in engine.asked] == [0, 0, *[0.7] * 4, 0, 0.7]
    assert len({request.seed for request in engine.asked}) == len(engine.asked)
    _, _, engine = vote(2, GIVE_UP, GIVE_UP, temperature=0.3)
    assert [request.temperature for request in engine.asked] == [0.3, 0.3]


def test_what_is_heard_is_the_elected_samples():
    heard = []
    vote(3, *calls(1, 2, 2), DONE, DONE, "So.", heard=lambda *event: heard.append(event))
    assert heard == [
        *(("planner", CALLER), ("caller", 'book {"n": 2}'), ("tool", "booked 2")),
        *(("planner", DONE), ("summarizer", "So.")),
    ]


def test_a_batch_votes_too():
    counter = Counter()
    task = Trajectory(id="t", source="run", tools=counter.toolbox().specs, instruction="Do it.")
    engine = Scripted(*calls(2, 4, of="double"), *calls(8, of="half"), GIVE_UP, GIVE_UP)
    (trace,) = run_many(engine, [Job(task, counter.toolbox())], sampling=Sampling(votes=3))
    assert counter.calls == [("double", 2), ("double", 4), ("half", 8)]
    assert made(trace) == [Call(tool="double", arguments={"n": 2})]


def test_there_is_one_vote_or_more():
    with pytest.raises(UserError, match="votes is 0; it must be 1 or more"):
        Sampling(votes=0)
