"""The command as a whole: help, version, shell completion."""

import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from umi_lite import __version__
from umi_lite.cli.app import app
from umi_lite.cli.examples import EXAMPLES

UMI = str(Path(sys.executable).parent / "umi")


def test_help_is_quick_enough_to_be_used() -> None:
    """Not a timing: nothing heavy may be imported for it."""
    code = "import sys; from umi_lite.cli import app; print({'pydantic', 'rich'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_each_command_has_a_help_that_fits_its_line() -> None:
    for group in ((), ("eval",), ("data",), ("recipes",), ("sandbox",), ("trace",)):
        shown = CliRunner().invoke(app, [*group, "--help"], terminal_width=80).output
        assert "..." not in shown.partition("Commands:")[2], shown


def test_the_version_is_a_table_of_tested_and_installed(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {"torch": "2.0+cpu"}.get(name, "0.19.0"))
    rows = [line.split() for line in CliRunner().invoke(app, ["--version"]).output.splitlines()]
    assert rows[0] == ["umi_lite", __version__, "tested", "installed"]
    assert ["gguf", "0.19.0", "0.19.0"] in rows
    (torch,) = [row for row in rows if row[0] == "torch"]
    assert torch[2:] == ["2.0+cpu", "(other)"]
    assert [row[0] for row in rows[1:8]] == [
        *("python", "llama-cpp-python", "torch", "transformers", "trl", "peft", "unsloth")
    ]


def test_of_what_is_not_installed_the_version_names_the_main_packages(monkeypatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    rows = [line.split() for line in CliRunner().invoke(app, ["--version"]).output.splitlines()]
    assert len(rows) == 8 and all(row[2] == "-" for row in rows[2:])


def test_each_help_ends_with_an_example_that_parses() -> None:
    tree = typer.main.get_command(app)
    paths = [()]
    for name, command in tree.commands.items():  # type: ignore[attr-defined]
        paths += [(name,), *((name, one) for one in getattr(command, "commands", ()))]
    assert {" ".join(path) for path in paths} == set(EXAMPLES)
    for path in paths:
        shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=80).output
        last = shown.rstrip().rpartition("\n\n")[2]
        assert " ".join(last.split()) == f"Example: {EXAMPLES[' '.join(path)]}", shown
        program, *arguments = shlex.split(EXAMPLES[" ".join(path)])
        assert program == "umi" and arguments[: len(path)] == [*path]
        command = tree
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context("umi", arguments)  # raises where an option is wrong


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "umi tr", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "umi tr"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "umi tr", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_the_shell_completes_commands(shell: str, words: dict[str, str]) -> None:
    asked = words | {"_UMI_COMPLETE": f"complete_{shell}"}
    done = subprocess.run([UMI], env=os.environ | asked, capture_output=True, text=True)
    assert not done.stderr
    assert {"train", "trace"} <= set(re.findall(r"\w+", done.stdout)), done.stdout
    assert "serve" not in done.stdout.split()


def test_the_script_that_completion_needs_is_printed() -> None:
    asked = {"_UMI_COMPLETE": "source_bash"}
    done = subprocess.run([UMI], env=os.environ | asked, capture_output=True, text=True)
    assert "complete -o default -F _umi_completion umi" in done.stdout
