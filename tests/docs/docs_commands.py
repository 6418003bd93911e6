"""The commands and Python blocks of README.md and docs/*.md, and a parse of each."""

import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from typer._click.exceptions import BadOptionUsage, MissingParameter, NoArgsIsHelpError

from umi_lite.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "umi_lite/recipes/README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md")),
)
PROGRAMS = ("umi", "python", "pip", "make", "accelerate", "vllm", "source", "eval")
_FENCE = re.compile(r"```(\w*)")
_COMMENT = re.compile(r"\s+#\s.*$")
_STARTS = re.compile(rf"(?:{'|'.join(PROGRAMS)}) \S")


@dataclass(frozen=True)
class Found:
    """A command, a mention of one, or a block of Python.

    Attributes:
        where: page and line, as `docs/serve.md:7`.
    """

    text: str
    where: str


def blocks(page: str) -> Iterator[tuple[str, Found]]:
    """Yield (language, block) of a page's fenced blocks; the language may be empty."""
    language, lines, first = None, [], 0
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if language is None and fence:
            language, lines, first = fence[1], [], number + 1
        elif fence:
            yield language or "", Found("\n".join(lines), f"{page}:{first}")
            language = None
        elif language is not None:
            lines.append(line)


def commands() -> Iterator[Found]:
    """Yield the commands of all pages' code blocks, without their comments."""
    for page in PAGES:
        for language, block in blocks(page):
            if language not in ("", "bash", "sh", "console"):
                continue
            first, whole = int(block.where.rpartition(":")[2]), ""
            for number, line in enumerate(block.text.splitlines(), first):
                whole += _COMMENT.sub("", line)
                if whole.endswith("\\"):
                    whole = f"{whole[:-1].rstrip()} "
                    continue
                text, whole = re.sub(r"  +", " ", whole.strip()), ""
                if _STARTS.match(text):
                    yield Found(text, f"{page}:{number}")


def mentions() -> Iterator[Found]:
    """Yield the commands that are named in text and tables, each once per page."""
    for page in PAGES:
        seen, fenced = set(), False
        for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
            fenced ^= bool(_FENCE.match(line))
            for text in () if fenced else re.findall(r"`([^`]+)`", line):
                if _STARTS.match(text) and text not in seen:
                    seen.add(text)
                    yield Found(text, f"{page}:{number}")


def blocks_of(language: str) -> Iterator[Found]:
    """Yield all pages' blocks of a language."""
    for page in PAGES:
        yield from (block for named, block in blocks(page) if named == language)


@cache
def _tree() -> Any:
    return typer.main.get_command(app)


def parse_umi(arguments: list[str], whole: bool) -> None:
    """Parse the arguments of `umi`: its commands, their options, and the options' values.

    Args:
        whole: False for a mention, which may leave required arguments out.

    Raises:
        typer._click.exceptions.UsageError: a command, an option or a value does not exist.
    """
    command, rest = _tree(), list(arguments)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        found = command.commands.get(rest[0])
        assert found is not None, f"there is no command {rest[0]!r}: {sorted(command.commands)}"
        command, rest = found, rest[1:]
    # These act while they are parsed: the second one writes into the user's shell.
    acting = {"--version", "--install-completion", "--show-completion"} & {*rest}
    assert acting <= {name for each in command.params for name in each.opts}
    if not acting:
        _parse_by(command, rest, whole)


def _parse_by(command: Any, arguments: list[str], whole: bool) -> None:
    try:
        command.make_context(command.name, arguments)
    except BadOptionUsage as err:  # the option exists, its value is left out
        if whole or "requires an argument" not in err.message:
            raise
    except (MissingParameter, NoArgsIsHelpError):
        if whole:
            raise


def parse_python(arguments: list[str], whole: bool) -> None:
    """Check that a module or a script exists, and the options of one of `benchmarks`."""
    if arguments[:1] == ["-m"]:
        module, rest = arguments[1], arguments[2:]
        assert importlib.util.find_spec(module), f"there is no module {module}"
        if module == "umi_lite":
            parse_umi(rest, whole)
        elif module == "benchmarks":
            commands = typer.main.get_command(importlib.import_module("benchmarks.__main__").app)
            _parse_by(commands.commands[rest[0]], rest[1:], whole)  # type: ignore[attr-defined]
        else:
            _options_exist(importlib.import_module(module), rest)
    elif not arguments[0].startswith("-"):
        assert [*ROOT.glob(arguments[0])], f"there is no script {arguments[0]}"


def _options_exist(module: ModuleType, arguments: list[str]) -> None:
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    for one in arguments:
        assert not one.startswith("-") or f'"{one}"' in text, f"{module.__name__} has no {one}"


def parse_pip(arguments: list[str]) -> None:
    """Check extras of umi-lite, and that another package's version is the tested one."""
    assert arguments[0] == "install", arguments
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for one in arguments[1:]:
        own = re.fullmatch(r"(?:umi-lite|\.)(?:\[([\w,]+)\])?", one)
        if own:
            extras = set((own[1] or "").split(",")) - {""}
            unknown = extras - set(project["optional-dependencies"])
            assert not unknown, f"pyproject.toml has no extra {unknown}"
        elif "==" in one:
            assert one in pins, f"{one} is not the version of constraints.txt"


def parse_accelerate(arguments: list[str]) -> None:
    """Parse by accelerate's own parser, then `umi train …` by umi's."""
    from accelerate.commands.launch import launch_command_parser

    assert arguments[0] == "launch", arguments
    named = "umi_lite" in arguments
    script = [] if named else ["script.py"]
    parsed = launch_command_parser().parse_args([*arguments[1:], *script])
    if named:
        assert (parsed.module, parsed.training_script) == (True, "umi_lite")
        parse_umi(parsed.training_script_args, whole=True)


def parse(text: str, whole: bool) -> None:
    """Parse a command without running it."""
    program, *arguments = shlex.split(re.sub(r"\[(?=-|[A-Z])([^]]*)\]", r"\1", text))
    if program == "umi":
        parse_umi(arguments, whole)
    elif program.startswith("python"):
        parse_python(arguments, whole)
    elif program == "pip":
        parse_pip(arguments)
    elif program == "accelerate":
        parse_accelerate(arguments)
    elif program == "make":
        targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        for target in (one for one in arguments if "=" not in one):
            assert target in targets, f"the Makefile has no {target}: {targets}"
