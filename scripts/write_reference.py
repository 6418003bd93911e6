"""The reference pages of the documentation, from the code: commands, Python API, examples."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstring_parser
import typer

import umi_lite
from umi_lite.cli.app import app
from umi_lite.cli.examples import EXAMPLES

ROOT = Path(__file__).resolve().parent.parent


def cli_page() -> str:
    """Return a page with each command: what it does, an example, arguments and options."""
    tree = typer.main.get_command(app)
    parts = ["# Command line\n\n`umi COMMAND --help` prints the same.\n"]
    for words, command in _commands(tree, ()):
        parts.append(f"\n{'#' * (1 + min(2, len(words)))} umi {' '.join(words)}\n")
        parts.append(f"\n{_markdown(inspect.cleandoc(command.help or ''))}\n")
        parts.append(f"\n```\n{EXAMPLES[' '.join(words)]}\n```\n")
        parts += _parameters(command)
    return "".join(parts)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if words:
        yield words, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _commands(each, (*words, name))


def _parameters(command: Any) -> Iterator[str]:
    rows = []
    context = command.make_context("umi", [], resilient_parsing=True)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            rows.append((record[0], " ".join(record[1].split())))
    if rows:
        yield "\n| option | meaning |\n|---|---|\n"
        yield from (f"| `{_cell(name)}` | {_markdown(_cell(text))} |\n" for name, text in rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _markdown(text: str) -> str:
    """Return a plain text in which Markdown does not read markup: `<`, `*` and `_`."""
    kept = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if at % 2 else re.sub(r"([<*_\[\]{}])", r"\\\1", part) for at, part in enumerate(kept)
    )


def api_page() -> str:
    """Return a page with each public name of umi_lite: its signature and its docstring."""
    parts = ["# Python\n\n`from umi_lite import …`: each name is imported when it is used.\n"]
    for name in umi_lite.__all__:
        one = getattr(umi_lite, name)
        parts.append(f"\n## {name}\n{_described(name, one)}")
        if inspect.isclass(one):
            for method, function in _methods(one):
                parts.append(f"\n### {name}.{method}\n{_described(f'{name}.{method}', function)}")
    return "".join(parts)


def _methods(one: type) -> Iterator[tuple[str, Any]]:
    """Yield the documented public methods that this package defines."""
    for name, value in inspect.getmembers(one):
        here = (getattr(value, "__module__", None) or "").startswith("umi_lite")
        if not name.startswith("_") and here and inspect.isroutine(value) and value.__doc__:
            yield name, value


def _signature(one: Any) -> str:
    """Return the parameters and the result of a callable, a line each where they are long."""
    try:
        read = inspect.signature(one)
    except (TypeError, ValueError):
        return ""
    shown, star = [], False
    for each in read.parameters.values():
        if each.name == "self":
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            shown.append("*")
        star |= each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        shown.append(_short(str(each)))
    result = read.return_annotation
    end = "" if result in (None, read.empty) else f" -> {_short(inspect.formatannotation(result))}"
    line = f"({', '.join(shown)}){end}"
    return line if len(line) < 70 else "(\n    " + ",\n    ".join(shown) + f",\n){end}"


def _short(text: str) -> str:
    """Return an annotation without module names; a made default is `…`."""
    text = re.sub(r"= <factory>", "= …", text)
    text = re.sub(r"<(\w+\.)*(\w+).*?>", r"\2", text)
    return re.sub(r"\b(umi_lite|typing|collections|pathlib|datetime)(\.\w+)*\.(?=\w)", "", text)


def _described(name: str, one: Any) -> str:
    text = _signature(one)
    parsed = docstring_parser.parse(inspect.getdoc(one) or "", docstring_parser.Style.GOOGLE)
    lines = [f"\n```python\n{name}{text}\n```\n"]
    for paragraph in (parsed.short_description, parsed.long_description):
        lines += [f"\n{_code_indented(paragraph)}\n"] if paragraph else []
    if parsed.params or parsed.returns or parsed.raises:
        lines.append("\n")
    for each in parsed.params:
        lines.append(f"- `{each.arg_name}`: {_line(each.description)}\n")
    if parsed.returns:
        lines.append(f"- returns: {_line(parsed.returns.description)}\n")
    lines += [f"- raises `{one.type_name}`: {_line(one.description)}\n" for one in parsed.raises]
    return "".join(lines)


def _code_indented(text: str) -> str:
    """Return a docstring's text; indented blocks stay code, the rest is plain."""
    return "\n\n".join(
        part if part.startswith("    ") else _markdown(part) for part in text.split("\n\n")
    )


def _line(text: str | None) -> str:
    return _markdown(" ".join((text or "").split()))


def examples_page() -> str:
    """Return a page with the scripts of examples/: the first line of each, and its code."""
    parts = ["# Examples\n\nEach script is in `examples/`, and each runs in the tests.\n"]
    for path in sorted(ROOT.glob("examples/*.py")):
        text = path.read_text(encoding="utf-8")
        about = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        parts.append(f"\n## {path.name}\n\n{_markdown(about)}\n\n```python\n{text.strip()}\n```\n")
    return "".join(parts)
