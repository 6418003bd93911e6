"""The baselines generate what this engine generates: only then can their times be compared."""

from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ablations import ForcesNothing, ForgetsTurns
from benchmarks.baselines import Llamas, grammars, server
from benchmarks.episode import one_toolset
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import Plan

ROLES = ("planner", "caller", "summarizer")


@pytest.fixture(scope="module")
def task():
    (made,) = one_toolset(1)
    return made.with_step(Plan(thought="use a tool.", next="caller"))


def request(engine: Engine, task) -> Request:
    words = engine.language("caller")
    ids = Transcript("caller", words.template, words).advance(task)
    return Request("caller", tuple(ids), grammar=call_grammar(task.tools), max_tokens=9)


def test_all_tasks_of_one_toolset_share_it() -> None:
    tasks = one_toolset(5)
    assert len(tasks) == 5 and not any(task.steps for task in tasks)
    assert len({tuple(tool.name for tool in task.tools) for task in tasks}) == 1


def test_a_llama_generates_the_same(engine, base_gguf, task) -> None:
    asked = request(engine, task)
    expected = engine.generate(asked)
    with closing(Llamas(engine, grammars(task.tools), {"caller": base_gguf})) as baseline:
        made = baseline.generate(asked)
        again = baseline.generate(asked)
    # GBNF forces no tokens, so an untrained model splits the same text into other tokens.
    assert len(made.text) > 10 and expected.text.startswith(made.text)
    assert made.evaluated == made.prompt_tokens
    assert again.text == made.text and again.evaluated == 1


def test_an_ablation_generates_the_same(engine, base_gguf, task) -> None:
    asked = request(engine, task)
    expected = engine.generate(asked)
    assert expected.forced
    with ForcesNothing(base_gguf, {"caller": None}, n_ctx=1024) as slow:
        said = slow.generate(asked)
        assert (said.text, said.forced) == (expected.text, 0)
    with ForgetsTurns(base_gguf, {"caller": None}, n_ctx=1024) as slow:
        assert [slow.generate(asked).evaluated for _ in range(2)] == [len(asked.ids)] * 2


def test_a_missing_server_is_an_error_with_the_fix(engine, task, tmp_path) -> None:
    opened = server(
        tmp_path / "no", engine, {}, dict.fromkeys(ROLES, Path()), tmp_path / "log", "off"
    )
    with pytest.raises(UserError, match=r"llama_server\.sh builds one"), opened:
        pass
