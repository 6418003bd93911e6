"""The command as a whole: help, version, shell completion."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from typer.testing import CliRunner

from umi_lite import __version__
from umi_lite.cli.app import app

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


def test_the_version_names_what_it_was_tested_with(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {"torch": "2.0+cpu"}.get(name, "0.19.0"))
    lines = CliRunner().invoke(app, ["--version"]).output.splitlines()
    assert lines[0] == f"umi_lite {__version__}"
    assert "gguf 0.19.0" in lines
    assert any(line.startswith("torch 2.0+cpu (tested with 2.") for line in lines)


def test_the_version_leaves_out_what_is_not_installed(monkeypatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert CliRunner().invoke(app, ["--version"]).output == f"umi_lite {__version__}\n"


def test_the_shell_completes_commands() -> None:
    words = {"_UMI_COMPLETE": "complete_bash", "COMP_WORDS": "umi tr", "COMP_CWORD": "1"}
    done = subprocess.run([UMI], env=os.environ | words, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["train", "trace"], "")
