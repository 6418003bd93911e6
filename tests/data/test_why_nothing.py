"""A source that gives no trajectory says why, and which source would."""

import json

import pytest
from datafiles import data_file

from umi_lite.errors import UserError
from umi_lite.evals.measure import load_tasks
from umi_lite.recipe.schema import Data, Recipe
from umi_lite.train.inputs import load_data
from umi_lite.train.preview import rendered

CHAT = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
EPISODE = {
    "id": "a",
    "source": "mine",
    "instruction": "Grüße?",
    "steps": [{"kind": "plan", "thought": "Easy.", "next": "summarizer"}],
}


def refusal(source: str, path) -> str:
    recipe = Recipe(name="mine", data=(Data(source=source, path=str(path)),))
    with pytest.raises(UserError) as caught:
        load_data(recipe)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "data", "told"),
    [
        (
            "traces",
            (json.dumps(EPISODE, ensure_ascii=False) + "\n").encode("latin-1") * 3,
            "3 rows left out: not UTF-8 text (3, first {path}:1); save the file as UTF-8 "
            "(iconv -f latin1 -t utf-8 OLD > NEW)",
        ),
        (
            "traces",
            (json.dumps(CHAT) + "\n").encode() * 3,
            "3 rows left out: no trajectory: id: missing (3, first {path}:1); "
            "source openai reads such rows",
        ),
        (
            "openai",
            b'{"data": [], "version": 1}',
            "(1, first {path}:1); the first row has the fields data, version",
        ),
        ("traces", b"", "the file is empty"),
        ("openai", b"\n \n", "it has no rows"),
        (
            "gsm8k",
            json.dumps([EPISODE]).encode(),
            "1 row left out: no field 'question' (1, first {path}:1); "
            "source traces reads such rows",
        ),
        (
            "openai",
            b'{\n"messages":\n[]}',
            "; none of the first 20 lines is a JSON object, one whole object a line",
        ),
        (
            "openai",
            b'{"a": 1}\n3\nnull\n[]\n"x"\n',
            "nor 'query' and 'answers') (1, first {path}:1); "
            "a JSON object is expected, not int (1, first {path}:2); ",
        ),
    ],
)  # fmt: skip
def test_reasons_and_counts_on_one_line(tmp_path, source: str, data: bytes, told: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(data)
    said = refusal(source, path)
    begin = f"recipe mine: its data holds no trajectory: source {source}, {path}: "
    assert said.startswith(begin)
    assert told.format(path=path) in said


def test_commands_that_show_or_run_say_it_too(tmp_path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(CHAT))
    with pytest.raises(UserError, match="source openai reads such rows"):
        rendered("traces", {"path": path}, "planner", "paper")
    with pytest.raises(UserError, match="no tasks found: source gsm8k"):
        load_tasks("gsm8k", path=path)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("gsm8k/train.jsonl", "gsm8k"),
        ("math/dev.jsonl", "math"),
        ("math/tora_examples.jsonl", "tora"),
        ("toolbench/static_dev.json", "toolbench"),
        ("toolbench/split_example/raw_data/raw_data_stage_1.json", "toolbench"),
        ("toolbench/split_example/train_caller.json", "toolbench_samples"),
        ("toolbench/raw_answers", "toolbench_raw"),
        ("toolalpaca/eval_simulated.json", "toolalpaca"),
    ],
)
def test_real_files_are_known_by_their_rows(name: str, source: str) -> None:
    other = "openai" if source in ("toolbench", "traces") else "traces"
    assert f"; source {source} reads such rows" in refusal(other, data_file(name))
