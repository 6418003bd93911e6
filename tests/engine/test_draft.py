"""Turns that are guessed ahead are the turns that are not, in fewer evaluations."""

import pytest

from umi_lite.agent.agent import Agent
from umi_lite.agent.episode import Bounds
from umi_lite.data import toolworld
from umi_lite.engine.context import Context
from umi_lite.engine.draft import OCCURRENCES, Draft, Guess, Phrases, learn_phrases
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.evals.live import environment_of
from umi_lite.protocol.grammar import plan_grammar
from umi_lite.protocol.prompts import Transcript

VIEWS = ("planner", "caller", "summarizer")
SHORT = Bounds(max_calls=2, max_thought_chars=120, max_call_tokens=60, max_answer_tokens=40)
NONE = Phrases({})


def sure(tokens, most):
    """Guesses that are taken for likely."""
    return [Guess(token, 0.9) for token in tokens[: max(0, most)]]


def test_a_guess_ends_where_it_is_no_longer_likely():
    phrases = Phrases({(1, 2): (3, 0.9), (2, 3): (4, 0.8), (3, 4): (5, 0.6)})
    assert Draft(phrases, [1, 2]).guess(8) == [(3, 0.9), (4, pytest.approx(0.72))]
    assert Draft(phrases, [1, 2]).guess(1) == [(3, 0.9)]
    assert Draft(phrases, [1, 2]).guess(0) == [] == Draft(phrases, [7]).guess(8)


def test_the_longest_known_stretch_counts_and_the_transcript_where_no_phrase_is_known():
    phrases = Phrases({(1, 2): (3, 1.0), (0, 1, 2): (4, 1.0)})
    assert Draft(phrases, [0, 1, 2]).guess(1) == [(4, 1.0)]
    draft = Draft(NONE, [5, 6, 7, 8, 9])
    draft.extend([5, 6, 7, 8])
    assert [token for token, _ in draft.guess(8)] == [9, 5, 6, 7]  # 0.85 each
    assert Draft(NONE, [5, 6, 7, 8, 5, 6]).guess(1) == [(7, 0.5)]


@pytest.fixture(scope="module")
def tasks():
    return [t.model_copy(update={"steps": ()}) for t in toolworld.load("test", 2, 1).trajectories]


def play(f32_gguf, tasks, phrases, monkeypatch):
    """The traces of some episodes, one after another, and how many evaluations they took."""
    evaluations = []
    decode = Context.decode

    def counted(self, entries):
        evaluations.append(len(entries))
        return decode(self, entries)

    monkeypatch.setattr(Context, "decode", counted)
    with Engine(f32_gguf, dict.fromkeys(VIEWS), n_ctx=1024, phrases=phrases) as engine:
        traces = [Agent(engine, environment_of(task), SHORT).run(task) for task in tasks]
    monkeypatch.setattr(Context, "decode", decode)
    return traces, len(evaluations)


def counted(traces, *names):
    turns = [turn for trace in traces for turn in trace.turns]
    return [[getattr(turn, name) for turn in turns] for name in names]


@pytest.fixture(scope="module")
def undrafted(f32_gguf, tasks):
    with pytest.MonkeyPatch.context() as patch:
        return play(f32_gguf, tasks, None, patch)


def test_drafted_episodes_are_the_same_in_fewer_evaluations(
    f32_gguf, tasks, undrafted, monkeypatch
):
    """The phrases are what these episodes say, so most guesses hold."""
    alone, evaluations = undrafted
    with Engine(f32_gguf, dict.fromkeys(VIEWS), n_ctx=1024) as engine:
        said = {view: [] for view in VIEWS}
        for trace in alone:
            for view in VIEWS:
                words = engine.language(view)
                ids = Transcript(view, words.template, words).advance(trace.trajectory)
                said[view].append(([*ids], [1] * len(ids)))
    phrases = {view: learn_phrases(samples * OCCURRENCES) for view, samples in said.items()}
    drafted, fewer = play(f32_gguf, tasks, phrases, monkeypatch)
    assert [t.trajectory.steps for t in drafted] == [t.trajectory.steps for t in alone]
    same = ("prompt_tokens", "reused", "evaluated", "decoded", "generated", "forced", "stop")
    assert counted(drafted, *same) == counted(alone, *same)
    (guessed, accepted) = map(sum, counted(drafted, "drafted", "accepted"))
    assert 0.4 * guessed < accepted < guessed
    assert fewer < 0.6 * evaluations
    assert counted(alone, "drafted", "accepted") == [[0] * len(counted(alone, "stop")[0])] * 2


def test_wrong_guesses_change_nothing(f32_gguf, tasks, undrafted, monkeypatch):
    """Whatever was said last is guessed to come again: nearly always wrong."""
    alone, _ = undrafted
    monkeypatch.setattr(Draft, "guess", lambda self, most: sure(self._ids[-most:], most))
    drafted, _ = play(f32_gguf, tasks, dict.fromkeys(VIEWS, NONE), monkeypatch)
    assert [t.trajectory.steps for t in drafted] == [t.trajectory.steps for t in alone]
    guessed, accepted = map(sum, counted(drafted, "drafted", "accepted"))
    assert guessed > 100 and accepted < 0.2 * guessed


def test_sampled_turns_keep_their_seeds(f32_gguf):
    """A guess that holds is what would have been sampled, with the same random numbers."""
    made = []
    for phrases in (None, {"planner": NONE}):
        with Engine(f32_gguf, {"planner": None}, n_ctx=1024, phrases=phrases) as engine:
            start = "One, two, three, four.\nNext: caller\nOne, two, three, four, five, six"
            ids = tuple(engine.language("planner").encode(start, special=False))
            more = {"grammar": plan_grammar(80), "max_tokens": 40, "temperature": 0.7}
            requests = [Request(view="planner", ids=ids, seed=seed, **more) for seed in range(4)]
            made.append([engine.generate(request) for request in requests])
    alone, drafted = ([generation.ids for generation in turns] for turns in made)
    assert drafted == alone and len(set(alone)) == 4
    assert sum(generation.accepted for generation in made[1]) > 0


def test_the_cache_holds_what_was_said_and_no_guess(f32_gguf, monkeypatch):
    monkeypatch.setattr(Draft, "guess", lambda self, most: sure([5] * 3, most))
    with Engine(f32_gguf, {"planner": None}, n_ctx=256, phrases={"planner": NONE}) as engine:
        ids = tuple(engine.language("planner").encode("The weather in Paris", special=False))
        said = engine.generate(Request(view="planner", ids=ids, max_tokens=12, episode="e"))
        assert said.drafted > said.accepted and said.decoded == 11
        assert engine.cached("planner", "e") == [*ids, *said.ids[:11]]
        longer = (*ids, *said.ids)
        again = engine.generate(Request(view="planner", ids=longer, max_tokens=5, episode="e"))
        assert (again.reused, again.evaluated) == (len(longer) - 1, 1)


def test_there_is_room_for_every_guess(f32_gguf, monkeypatch):
    monkeypatch.setattr(Draft, "guess", lambda self, most: sure([5] * 99, most))
    with Engine(f32_gguf, {"planner": None}, n_ctx=256, phrases={"planner": NONE}) as engine:
        ids = tuple(engine.language("planner").encode("One, two, three, " * 60, special=False))[
            :250
        ]
        said = engine.generate(Request(view="planner", ids=ids, max_tokens=256 - len(ids)))
        assert len(said.ids) == 6 and said.drafted > 0


PROMPTS = ["The weather in Paris is", "One, two, three,", "The capital of France is"]


def together(f32_gguf, prompts, guesses, monkeypatch):
    """Turns said together: their prompts, what they are, what the cache holds of them then,
    and how many evaluations they took. `guesses` are what each is guessed to say."""
    sizes, decode = [], Context.decode
    asked, said = [], {}

    def counted(self, entries):
        sizes.append(len(entries))
        return decode(self, entries)

    def guess(self, most):
        for ids, words in zip(asked, guesses, strict=True):
            done = len(self._ids) - len(ids)
            if self._ids[: len(ids)] == ids:
                return sure(words[done:], most)
        raise AssertionError("whose turn is this?")

    with monkeypatch.context() as patch:
        patch.setattr(Context, "decode", counted)
        patch.setattr(Draft, "guess", guess)
        with Engine(
            f32_gguf, {"planner": None}, n_ctx=256, slots=4, phrases={"planner": NONE}
        ) as engine:
            asked += [engine.language("planner").encode(text, special=False) for text in prompts]
            for number, ids in enumerate(asked):
                engine.submit(
                    Request(view="planner", ids=tuple(ids), max_tokens=24, episode=number)
                )
            while len(said) < len(prompts):
                said |= {request.episode: made for request, made in engine.step()}
            held = [engine.cached("planner", number) for number in range(len(prompts))]
    return asked, [said[number] for number in range(len(prompts))], held, len(sizes)


def test_turns_in_step_are_drafted(f32_gguf, monkeypatch):
    """The first is guessed right, the second wrong, the third not at all."""
    _, alone, _, _ = together(f32_gguf, PROMPTS, [()] * 3, monkeypatch)
    guesses = (alone[0].ids, (5,) * 24, ())
    asked, drafted, held, _ = together(f32_gguf, PROMPTS, guesses, monkeypatch)
    assert [turn.ids for turn in drafted] == [turn.ids for turn in alone]
    assert [turn.decoded for turn in drafted] == [turn.decoded for turn in alone]
    right, wrong, none = drafted
    assert right.accepted > 10 and right.accepted > 0.8 * right.drafted
    assert wrong.accepted == 0 < wrong.drafted
    assert none.drafted == 0
    for ids, turn, kept in zip(asked, drafted, held, strict=True):
        assert kept == [*ids, *turn.ids[: turn.decoded]]


def test_turns_in_step_take_fewer_evaluations_where_all_guesses_hold(f32_gguf, monkeypatch):
    _, alone, _, evaluations = together(f32_gguf, PROMPTS, [()] * 3, monkeypatch)
    guesses = [turn.ids for turn in alone]
    _, drafted, _, fewer = together(f32_gguf, PROMPTS, guesses, monkeypatch)
    assert [turn.ids for turn in drafted] == [turn.ids for turn in alone]
    assert fewer < 0.5 * evaluations
    assert sum(turn.accepted for turn in drafted) > 0.6 * sum(turn.decoded for turn in alone)
