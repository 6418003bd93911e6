"""The other ways to run a role say what this engine says: only then may they be timed."""

from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.episode import one_desk
from benchmarks.levers import ForcesNothing, ForgetsTurns
from benchmarks.rivals import Llamas, grammars, server
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import Plan

ROLES = ("planner", "caller", "summarizer")


@pytest.fixture(scope="module")
def task():
    (made,) = one_desk(1)
    return made.with_step(Plan(thought="use a tool.", next="caller"))


def request(engine: Engine, task) -> Request:
    words = engine.language("caller")
    ids = Transcript("caller", words.template, words).advance(task)
    return Request("caller", tuple(ids), grammar=call_grammar(task.tools), max_tokens=9)


def test_one_desk_has_one_tool_set() -> None:
    tasks = one_desk(5)
    assert len(tasks) == 5 and not any(task.steps for task in tasks)
    assert len({tuple(tool.name for tool in task.tools) for task in tasks}) == 1


def test_a_llama_says_the_same(engine, base_gguf, task) -> None:
    asked = request(engine, task)
    ours = engine.generate(asked)
    with closing(Llamas(engine, grammars(task.tools), {"caller": base_gguf})) as rival:
        theirs = rival.generate(asked)
        again = rival.generate(asked)
    # GBNF forces no tokens, so an untrained model cuts the same words otherwise.
    assert len(theirs.text) > 10 and ours.text.startswith(theirs.text)
    assert theirs.evaluated == theirs.prompt_tokens
    assert again.text == theirs.text and again.evaluated == 1


def test_without_a_saving_the_same_is_said(engine, base_gguf, task) -> None:
    asked = request(engine, task)
    ours = engine.generate(asked)
    assert ours.forced
    with ForcesNothing(base_gguf, {"caller": None}, n_ctx=1024) as slow:
        said = slow.generate(asked)
        assert (said.text, said.forced) == (ours.text, 0)
    with ForgetsTurns(base_gguf, {"caller": None}, n_ctx=1024) as slow:
        assert [slow.generate(asked).evaluated for _ in range(2)] == [len(asked.ids)] * 2


def test_a_server_that_is_not_there_is_told(engine, task, tmp_path) -> None:
    opened = server(
        tmp_path / "no", engine, {}, dict.fromkeys(ROLES, Path()), tmp_path / "log", "off"
    )
    with pytest.raises(UserError, match=r"llama_server\.sh builds one"), opened:
        pass
