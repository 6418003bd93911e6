"""Every script in examples/ runs, on the real engine with untrained adapters and short turns."""

import csv
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))


def main_of(name: str) -> Callable[..., Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


@pytest.mark.parametrize("name", ["own_tools", "maths", "stream"])
def test_a_script_prints_an_answer_or_why_there_is_none(
    name: str, short_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_of(name)("What is 2 + 2?", str(short_bundle))
    assert capsys.readouterr().out.strip()


def test_a_chat_of_two_turns(short_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main_of("chat")("What is 2 + 2?", "And 3 + 3?", bundle=str(short_bundle))
    assert capsys.readouterr().out.count(" → ") == 2


def test_a_server_of_ones_own_is_plugged_in(
    short_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
    main_of("mcp_tools")("How many days are in May 2026?", str(short_bundle))
    assert capsys.readouterr().out.startswith("tools: days_between, delete_all_dates\n")


def test_rows_of_a_csv_file_are_answered_in_their_order(short_bundle: Path, tmp_path: Path) -> None:
    questions, answers = tmp_path / "q.csv", tmp_path / "a.csv"
    asked = ["How large is 2 m by 3 m?", 'And "4" m, by 5 m?', "A line.\nAnother?"]
    with questions.open("w", newline="") as file:
        csv.writer(file).writerows([text, "more"] for text in asked)
    main_of("batch_csv")(str(questions), str(answers), str(short_bundle))
    with answers.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["question", "answer", "stop", "tokens"]
    assert [row[0] for row in rows] == asked and all(int(row[3]) > 0 for row in rows)


def test_tasks_for_own_functions_become_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training itself is what tests/reproduce/test_adapt.py is about."""
    recipe = runpy.run_path(str(EXAMPLES / "adapt.py"))["recipe"](tmp_path, 40, 10)
    assert "in_stock" in capsys.readouterr().out
    assert recipe.data[0].source == "synth" and Path(recipe.data[0].path).is_file()


def test_every_script_is_here() -> None:
    here = {"own_tools", "maths", "stream", "mcp_tools", "batch_csv", "adapt", "chat"}
    # tests/agent/test_hello_agent.py, tests/engine and tests/serve have the others.
    others = {"hello_agent", "role_from_endpoint", "openai_client"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == here | others
