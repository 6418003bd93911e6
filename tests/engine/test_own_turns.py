"""Roles that share one transcript, each with an adapter that is active in its own turns only."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from test_engine import SHORT, TOOLS, ask, task
from tiny_lora import write_adapter

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.trace import Trace
from umi_lite.engine.context import Context
from umi_lite.engine.draft import Phrases
from umi_lite.engine.engine import Engine
from umi_lite.engine.llama import Model
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request
from umi_lite.engine.turn import Turn
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import ROLES, View

Loras = dict[View, Path]
QUESTIONS = ["Weather in Rome?", "Note that it rains in Bergen.", "What time is it?", "Sing."]


class Recorded(Turn):
    """A turn that keeps the logits of every token that it chose."""

    rows: ClassVar[list[np.ndarray]] = []

    def pick(self, logits) -> None:
        self.rows.append(logits.copy())
        super().pick(logits)


class Recording(Engine):
    _turn = Recorded


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> Loras:
    folder = tmp_path_factory.mktemp("loras")
    return {
        view: write_adapter(folder / f"{view}.gguf", seed=seed, scale=0.15)
        for seed, view in enumerate(("backbone", *ROLES))
    }


def opened(gguf: Path, loras: Loras, kind: type[Engine] = Engine, **options) -> Engine:
    roles = {role: loras[role] for role in ROLES if role in loras}
    return kind(gguf, {"backbone": loras["backbone"]}, roles=roles, **{"n_ctx": 1024, **options})


@pytest.fixture(scope="module")
def shared(f32_gguf: Path, loras: Loras) -> Iterator[Engine]:
    """Three roles over the embedded model and a global adapter, two slots, in F32."""
    with opened(f32_gguf, loras, Recording, slots=2, kv="f32") as engine:
        yield engine


def spoken(
    engine: Engine, roles: tuple[View, ...], start: str = "Once upon", **more
) -> list[tuple[Request, Generation]]:
    """Turns of one episode, each after all before it and some words more."""
    words = engine.language("backbone")
    ids = words.encode(start, special=False)
    made: list[tuple[Request, Generation]] = []
    for role in roles:
        options = {"max_tokens": 12, "episode": "one", **more}
        request = Request("backbone", tuple(ids), speaker=role, **options)
        made.append((request, engine.generate(request)))
        ids += [*made[-1][1].ids, *words.encode("\nAnd then", special=False)]
    engine.release("one")
    return made


def literal(gguf: Path, loras: Loras, request: Request, said: Generation) -> np.ndarray:
    """The logits at the role's positions, in a context of its own: context, switch, turn."""
    with closing(Model(gguf)) as model:
        base, own = (model.adapter(loras[view]) for view in ("backbone", request.speaker))
        options = {"n_ctx": 512, "slots": 1, "threads": 1, "n_batch": 512, "kv": "f32"}
        with closing(Context(model, base, **options)) as context:
            ids = [*request.ids, *said.ids[:-1]]
            cue = len(request.ids) - 1
            entries = [(token, i, 0, i >= cue) for i, token in enumerate(ids)]
            context.decode(entries[:cue])
            context.use((base, own))
            context.decode(entries[cue:])
            return np.stack([context.logits(i).copy() for i in range(len(entries) - cue)])


def test_a_role_computes_its_turn_over_the_context_that_the_global_model_read(
    shared, f32_gguf, loras
):
    Recorded.rows.clear()
    turns = spoken(shared, (*ROLES, "planner"))
    rows = np.stack(Recorded.rows)
    assert sum(len(said.ids) for _, said in turns) == len(rows) > 20
    expected = np.concatenate([literal(f32_gguf, loras, *turn) for turn in turns])
    assert np.abs(rows - expected).max() < 1e-3
    # Another role's adapter, or none, would say something else.
    request, said = turns[0]
    other = literal(f32_gguf, loras, replace(request, speaker="caller"), said)
    assert np.abs(other - expected[: len(other)]).max() > 0.1


def test_a_role_whose_adapter_is_zero_speaks_as_the_global_model(f32_gguf, loras, tmp_path):
    zero = {role: write_adapter(tmp_path / f"{role}.gguf", scale=0.0) for role in ROLES}
    with opened(f32_gguf, {**zero, "backbone": loras["backbone"]}, n_ctx=256) as engine:
        assert {engine.speaker_of(role) for role in ROLES} == set(ROLES)
        roles = [said.ids for _, said in spoken(engine, ROLES)]
    with opened(f32_gguf, {"backbone": loras["backbone"]}, n_ctx=256) as engine:
        assert {engine.speaker_of(role) for role in ROLES} == {"backbone"}
        alone = [said.ids for _, said in spoken(engine, ROLES)]
    assert roles == alone


def test_only_a_turns_own_tokens_are_read_twice(shared):
    shared.forget()
    turns = spoken(shared, (*ROLES, *ROLES))
    assert turns[0][1].reused == 0
    for (before, _), (request, said) in pairwise(turns):
        assert said.reused == len(before.ids) - 1
        assert said.evaluated == len(request.ids) - said.reused
        assert said.decoded == len(said.ids) - 1


def test_a_whole_episode_reads_one_transcript(shared, monkeypatch):
    held = []

    def release(episode):
        held.append(shared.cached("backbone", episode))
        return type(shared).release(shared, episode)

    monkeypatch.setattr(shared, "release", release)
    trace = Agent(shared, TOOLS, SHORT).run("Weather in Lima, and then?")
    turns = [turn for turn in trace.turns if turn.view != "tool"]
    assert {turn.view for turn in turns} <= set(ROLES) and len(turns) > 1
    for before, turn in pairwise(turns):
        assert turn.reused == before.prompt_tokens - 1
        assert turn.reused + turn.evaluated == turn.prompt_tokens
    assert len(held[-1]) == turns[-1].prompt_tokens - 1


def texts(traces: list[Trace]) -> list:
    return [trace.trajectory.steps for trace in traces]


@pytest.mark.parametrize("drafted", [False, True])
def test_what_an_episode_says_does_not_depend_on_the_others(f32_gguf, loras, drafted):
    phrases = dict.fromkeys(ROLES, Phrases({})) if drafted else {}
    with opened(f32_gguf, loras, slots=4, phrases=phrases) as engine:
        alone = [Agent(engine, TOOLS, SHORT).run(text) for text in QUESTIONS]
        engine.forget()
        jobs = [Job(task(text), TOOLS) for text in QUESTIONS]
        batch = run_many(engine, jobs, bounds=SHORT)
    assert texts(batch) == texts(alone)
    assert {"caller", "planner"} <= {turn.view for trace in batch for turn in trace.turns}
    for trace in batch:
        turns = [turn for turn in trace.turns if turn.view != "tool"]
        for before, turn in pairwise(turns):
            assert turn.reused == before.prompt_tokens - 1


@pytest.mark.parametrize("how", ["interrupted", "released"])
def test_a_turn_that_does_not_end_leaves_nothing_of_its_own(shared, monkeypatch, how):
    words = shared.language("backbone")
    ids = tuple(words.encode(f"Some text that was {how} and goes on", special=False))
    request = Request("backbone", ids, speaker="caller", max_tokens=30, episode="x")
    if how == "interrupted":
        context = shared._schedulers["backbone"]._context
        decode, evaluations = context.decode, []

        def interrupted(entries):
            decode(entries)
            evaluations.append(len(entries))
            if len(evaluations) == 5:
                raise KeyboardInterrupt

        monkeypatch.setattr(context, "decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shared.generate(request)
        monkeypatch.undo()
        assert evaluations == [len(ids) - 1, 1, 1, 1, 1]
    else:
        shared.submit(request)
        for _ in range(5):
            shared.step()
        assert len(shared.cached("backbone", "x")) == len(ids) + 3
        shared.release("x")
    slots = shared._schedulers["backbone"]._slots
    assert [len(slot.ids) for slot in slots if tuple(slot.ids) == ids[: len(slot.ids)]].count(
        len(ids) - 1
    )
    again = shared.generate(replace(request, speaker="planner", max_tokens=8))
    shared.release("x")
    assert (again.reused, again.evaluated) == (len(ids) - 1, 1)
    shared.forget()
    fresh = shared.generate(replace(request, speaker="planner", max_tokens=8))
    shared.release("x")
    assert again.ids == fresh.ids


def test_a_slot_is_copied_while_its_role_speaks(shared):
    """An episode that begins meanwhile takes the context, nothing of the turn."""
    shared.forget()
    words = shared.language("backbone")
    ids = tuple(words.encode("A long beginning that two episodes share. " * 4, special=False))
    first = Request("backbone", ids, speaker="planner", max_tokens=24, episode="first")
    shared.submit(first)
    for _ in range(6):
        shared.step()
    held = shared.cached("backbone", "first")
    assert len(held) > len(ids)
    # Its text is the first one's own turn, which was computed by the planner.
    second = Request(
        "backbone", (*held, *ids[:4]), speaker="caller", max_tokens=8, episode="second"
    )
    shared.submit(second)
    done: dict = {}
    while len(done) < 2:
        done.update({request.episode: said for request, said in shared.step()})
    shared.release("first")
    shared.release("second")
    assert done["second"].reused == len(ids) - 1
    shared.forget()
    alone = [shared.generate(replace(request, episode=None)) for request in (first, second)]
    assert [done["first"].ids, done["second"].ids] == [said.ids for said in alone]


def test_one_file_holds_the_tool_docs_of_all_roles(f32_gguf, loras, tmp_path):
    def first(role: View) -> Generation:
        with opened(
            f32_gguf, loras, prefixes={"backbone": Prefixes(tmp_path, "a")}, n_ctx=512
        ) as engine:
            words = engine.language("backbone")
            transcript = Transcript("backbone", words.template, words)
            transcript.advance(task())
            asked = ask(engine, "backbone", speaker=role, max_tokens=6)
            return engine.generate(replace(asked, shared=transcript.shared))

    read, loaded = first("caller"), first("planner")
    assert len(list(tmp_path.iterdir())) == 1
    assert read.reused == 0 < 50 < loaded.reused
    again = first("caller")
    assert again.ids == read.ids and again.reused == loaded.reused


def test_a_model_that_cannot_forget_reads_again(f32_gguf, loras):
    with opened(f32_gguf, loras, n_ctx=256) as engine:
        usual = spoken(engine, ROLES)
        context = engine._schedulers["backbone"]._context
        cut = context.cut
        context.forgets = False
        context.cut = lambda sequence, keep: False if keep else cut(sequence, keep)
        engine.forget()
        again = spoken(engine, ROLES)
    assert [said.ids for _, said in again] == [said.ids for _, said in usual]
    assert [said.reused for _, said in again] == [0, 0, 0]


def test_roles_that_share_need_a_backbone(base_gguf, loras):
    with pytest.raises(UserError, match="caller share the view backbone"):
        Engine(base_gguf, {"planner": None}, roles={"caller": loras["caller"]})


def test_a_role_with_a_view_of_its_own_keeps_it(base_gguf, loras):
    own = {"backbone": None, "planner": loras["planner"]}
    with Engine(base_gguf, own, roles={"caller": loras["caller"]}, n_ctx=256) as engine:
        views = {role: (engine.view_of(role), engine.speaker_of(role)) for role in ROLES}
    assert views == {
        "planner": ("planner", "planner"),
        "caller": ("backbone", "caller"),
        "summarizer": ("backbone", "backbone"),
    }
