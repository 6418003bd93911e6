"""System messages read once: found again by a later engine, never by a foreign one."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_engine import TOOLS, ask, task

from umi_lite.agent.agent import Agent
from umi_lite.agent.episode import Bounds
from umi_lite.engine.engine import Engine
from umi_lite.engine.prefix_cache import Prefixes
from umi_lite.engine.request import Generation, Request
from umi_lite.errors import Note
from umi_lite.protocol.grammar import plan_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import Tool

VIEWS = ("planner", "caller", "summarizer")


def opened(base: Path, folder: Path, identity: str = "a", **options) -> Engine:
    prefixes = {view: Prefixes(folder, f"{identity} {view}") for view in VIEWS}
    return Engine(base, dict.fromkeys(VIEWS), n_ctx=768, prefixes=prefixes, **options)


def request(engine: Engine, instruction: str = "What is the weather in Oslo?") -> Request:
    words = engine.language("planner")
    transcript = Transcript("planner", words.template, words)
    transcript.advance(task(instruction))
    asked = ask(engine, trajectory=task(instruction), grammar=plan_grammar(40), max_tokens=16)
    return replace(asked, shared=transcript.shared)


def generated(base: Path, folder: Path, identity: str = "a") -> tuple[Generation, int]:
    with opened(base, folder, identity) as engine:
        asked = request(engine)
        return engine.generate(asked), asked.shared


@pytest.fixture(scope="module")
def folder(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One planner's prefix, saved."""
    made = tmp_path_factory.mktemp("prefixes")
    generated(base_gguf, made)
    return made


@pytest.fixture(scope="module")
def fresh(base_gguf: Path) -> Generation:
    with Engine(base_gguf, {"planner": None}, n_ctx=768) as engine:
        return engine.generate(request(engine))


def test_a_later_engine_reads_no_tool_docs(base_gguf, folder, fresh) -> None:
    assert len(list(folder.iterdir())) == 1
    said, shared = generated(base_gguf, folder)
    assert said.reused == shared > 50
    assert said.evaluated == said.prompt_tokens - shared
    assert said.text == fresh.text and fresh.reused == 0


def test_saving_changes_nothing_said(base_gguf, fresh, tmp_path) -> None:
    said, _ = generated(base_gguf, tmp_path)
    assert said.text == fresh.text and said.evaluated == said.prompt_tokens


def test_anothers_prefix_is_not_loaded(base_gguf, folder, tmp_path) -> None:
    (whole,) = folder.iterdir()
    shutil.copy(whole, tmp_path)
    said, _ = generated(base_gguf, tmp_path, identity="b")
    assert said.reused == 0


@pytest.mark.parametrize("damage", ["flipped", "cut", "foreign"])
def test_a_damaged_file_is_dropped_and_made_again(base_gguf, folder, fresh, tmp_path, damage):
    (whole,) = folder.iterdir()
    data = bytearray(whole.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    path = tmp_path / whole.name
    path.write_bytes(
        {"flipped": bytes(data), "cut": bytes(data[:-999]), "foreign": b"not a state"}[damage]
    )
    said, _ = generated(base_gguf, tmp_path)
    assert said.reused == 0 and said.text == fresh.text
    assert path.stat().st_size == whole.stat().st_size
    again, shared = generated(base_gguf, tmp_path)
    assert again.reused == shared


def test_a_whole_episode_in_a_new_engine_reads_no_system_message(base_gguf, tmp_path) -> None:
    bounds = Bounds(max_calls=1, max_thought_chars=40, max_call_tokens=60, max_answer_tokens=8)
    first: list[dict[str, int]] = []
    for instruction in ("Weather in Rome?", "Note that it rains in Bergen."):
        with opened(base_gguf, tmp_path) as engine:
            trace = Agent(engine, TOOLS, bounds).run(instruction)
            shared = {}
            for view in VIEWS:
                words = engine.language(view)
                transcript = Transcript(view, words.template, words)
                transcript.advance(task(instruction))
                shared[view] = transcript.shared
        first.append({})
        for turn in reversed(trace.turns):
            if turn.view != "tool":
                first[-1][turn.view] = turn.reused
    assert set(first[0].values()) == {0}
    assert first[1] == {view: shared[view] for view in first[1]}


def test_the_least_recently_used_goes_first(base_gguf, folder, tmp_path) -> None:
    (whole,) = folder.iterdir()
    size = whole.stat().st_size
    with Engine(base_gguf, {"planner": None}, n_ctx=256) as engine:
        ids = engine.language("planner").encode("some words to remember", special=False)
        engine.generate(Request("planner", ids, max_tokens=1))
        context = engine._scheduler("planner")._context
        store = Prefixes(tmp_path, "x", max_bytes=3 * size)
        for age, name in enumerate(("oldest", "old", "new")):
            (tmp_path / f"{name}.state").write_bytes(bytes(size))
            os.utime(tmp_path / f"{name}.state", (age, age))
        context.cut(0, len(ids))
        store.save(context, 0, ids)
    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {"old", "new", store.path(ids).stem}


def test_a_folder_that_cannot_be_written_is_a_warning(base_gguf, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.warns(Note, match=r"prefix cache .* is not written: (Not a directory|File exists)"):
        said, _ = generated(base_gguf, blocked)
    assert said.text


def test_a_folder_that_cannot_be_looked_into_is_a_warning(
    base_gguf, folder, fresh, monkeypatch
) -> None:
    """As root no folder refuses: what the kernel says to others is said here."""

    def guarded(usual):
        def call(self: Path, *given: object, **more: object) -> object:
            if self.is_relative_to(folder):
                raise PermissionError(13, "Permission denied", str(self))
            return usual(self, *given, **more)

        return call

    for name in ("exists", "read_bytes", "mkdir", "unlink"):
        monkeypatch.setattr(Path, name, guarded(getattr(Path, name)))
    with pytest.warns(Note, match=r"prefix cache .* is not written: Permission denied"):
        said, _ = generated(base_gguf, folder)
    assert said.text == fresh.text


def test_copies_and_loaded_prefixes_do_not_mix(base_gguf, tmp_path) -> None:
    """One request's docs are copied from a slot, the next one's come from the disk: llama.cpp
    makes its copies with the next evaluation, when what was loaded before would be lost."""
    stamp = Tool(name="stamp", description="Stamp " + "a letter " * 30)
    desks = (TOOLS.specs, (stamp,))
    questions = [(text, tools) for text in ("What can you do?", "Name a tool.") for tools in desks]

    def asked(engine: Engine) -> list[Request]:
        made: list[Request] = []
        for text, tools in questions:
            trajectory = task(text, tools)
            words = engine.language("planner")
            transcript = Transcript("planner", words.template, words)
            transcript.advance(trajectory)
            one = ask(engine, trajectory=trajectory, max_tokens=20, episode=(text, len(tools)))
            made.append(replace(one, shared=transcript.shared))
        return made

    def answers(engine: Engine) -> dict[object, Generation]:
        done: dict[object, Generation] = {}
        for request in asked(engine):
            engine.submit(request)
        while len(done) < len(questions):
            done.update({request.episode: said for request, said in engine.step()})
        return done

    with Engine(base_gguf, {"planner": None}, n_ctx=768) as engine:
        alone: dict[object, str] = {}
        for request in asked(engine):
            alone[request.episode] = engine.generate(request).text
            engine.release(request.episode)
    for start in ("nothing on disk", "both on disk"):
        with opened(base_gguf, tmp_path, slots=5) as engine:
            said = answers(engine)
        assert {key: one.text for key, one in said.items()} == alone, start
