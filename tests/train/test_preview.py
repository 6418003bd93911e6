"""What is shown of training data is text: nothing in it acts on the terminal."""

import io
import json

from bytetokens import ByteTokenizer
from rich.console import Console
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.data.leaks import Leak
from umi_lite.errors import UserError
from umi_lite.protocol.template import Rendered
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.preview import coloured, leak_table, show, show_tasks

HOSTILE = ":smile: [red]x[/red] \x1b[2J \x9b2J \u202eback"
SHOWN = r":smile: [red]x[/red] \x1b[2J \x9b2J \u202eback"


def shown(what) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    return console.file.getvalue()


def test_a_samples_text_and_a_leaks():
    tokens = ByteTokenizer()
    ids = tokens.encode(HOSTILE, special=False)
    sample = Rendered(ids, [1] * len(ids), 0, [])
    assert SHOWN in shown(coloured(sample, tokens, len(ids)))
    task = Trajectory(id="[bold]1", source="run", instruction=HOSTILE)
    leak = shown(leak_table([Leak(0, task, task, 1.0)]))
    assert SHOWN in leak and "[bold]1" in leak


def test_a_rendered_sample(tmp_path):
    task = {"id": "a", "source": "run", "tools": [], "instruction": HOSTILE}
    steps = [{"kind": "answer", "text": HOSTILE}]
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(task | {"steps": steps}) + "\n")
    command = ["data", "render", "traces", "--path", str(path), "--role", "summarizer"]
    command += ["--style", "paper"]
    ended = CliRunner().invoke(app, command)
    assert SHOWN in ended.stdout and not {"\x1b", "\x9b", "\u202e"} & set(ended.stdout)
    ended = CliRunner().invoke(app, [*command, "--jsonl"])
    assert not {"\x1b", "\x9b", "\u202e"} & set(ended.stdout)
    assert HOSTILE in json.loads(ended.stdout)["input"]


def test_a_name_is_no_markup(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    task = {"id": "a[/b][red]\x1b[2J", "source": "run", "tools": [], "instruction": "Hello?"}
    path = tmp_path / "t.jsonl"
    plan = {"kind": "plan", "thought": "Say it.", "next": "summarizer"}
    steps = [plan, {"kind": "answer", "text": "Yes."}]
    path.write_text(json.dumps(task | {"steps": steps}) + "\n")
    data = [{"source": "traces", "path": str(path)}]
    recipe = Recipe.model_validate({"name": "mine", "base": {"gguf": "embedded"}, "data": data})
    console = Console(file=io.StringIO(), width=200)
    show_tasks("traces", {"path": str(path)}, console)
    show(recipe, "summarizer", 1, console)
    said = console.file.getvalue()
    assert r"task 1, a[/b][red]\x1b[2J " in said and r"sample 1, a[/b][red]\x1b[2J: " in said


def test_what_a_program_in_the_sandbox_prints(tmp_path):
    program = tmp_path / "p.py"
    program.write_text(f"print({HOSTILE!r})")
    ended = CliRunner().invoke(app, ["sandbox", "run", str(program)])
    assert SHOWN in ended.stdout and not {"\x1b", "\x9b", "\u202e"} & set(ended.stdout)


def test_tasks_of_a_source_with_their_tools():
    done = CliRunner().invoke(
        app, ["data", "preview", "wild", "-n", "2", "--split", "dev", "--seed", "3"]
    )
    assert done.exit_code == 0, done.output
    assert done.output.count("task ") == 2 and "wild-dev-3-" in done.output
    lines = done.output.splitlines()
    assert any(line.startswith("      user ") for line in lines)
    assert any(line.startswith("   planner ") for line in lines)
    assert any("(" in line and ") - " in line for line in lines), "no tool's documentation"


def test_a_recipes_data_is_changed_by_o_alone():
    done = CliRunner().invoke(app, ["data", "preview", "toolworld/smollm2-135m", "--split", "test"])
    assert isinstance(done.exception, UserError)
    assert "--split, --path and --seed are for a source" in str(done.exception)
