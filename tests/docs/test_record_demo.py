"""The recorded terminal: what is printed is drawn, and the picture of the README is harmless."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from docs_commands import ROOT, parse

from scripts.record_demo import COMMANDS, check, picture, record, run, screen

SVG = "{http://www.w3.org/2000/svg}"


def _texts(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_session_is_drawn_with_its_colours_and_its_pace(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "say").write_text(
        "#!/bin/sh\nprintf '\\033[36mplanner\\033[0m <a> & '\nsleep 0.3\necho \"$1\"\n"
    )
    (programs / "say").chmod(0o755)
    events = record(['say "grün …"'], tmp_path, programs)
    assert [second for second, _ in events] == sorted(second for second, _ in events)
    shown = screen(events)
    rows = {row: "" for row in {one.row for one in shown}}
    for one in sorted(shown, key=lambda one: one.column):
        rows[one.row] = rows[one.row].ljust(one.column) + one.text
    assert rows == {0: '$ say "grün …"', 1: "planner <a> & grün …"}
    late = next(one for one in shown if one.row == 1 and one.text == "g")
    assert late.second - next(one for one in shown if one.row == 1).second > 0.2
    svg = picture(shown)
    assert {"planner", "<a> &", "grün …"} <= {*_texts(svg)}
    assert "fill:#39c5cf;" in svg and "<script" not in svg


def test_what_is_not_drawn_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\[2J"):
        screen([(0.0, "\x1b[2J")])
    with pytest.raises(ValueError, match="control character"):
        screen([(0.0, "\x07")])


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exit status 3"):
        list(run(["sh", "-c", "exit 3"], tmp_path))


def test_names_of_persons_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in it"):
        check(f"written to {tmp_path}/x", tmp_path)


def test_the_picture_of_the_readme_is_small_and_needs_nothing() -> None:
    text = (ROOT / "docs" / "run.svg").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    tags = {one.tag.removeprefix(SVG) for one in ElementTree.fromstring(text).iter()}
    assert tags == {"svg", "style", "rect", "circle", "g", "text"}
    assert not re.search(r"url\(|@import|href|https?://", text.replace(SVG[1:-1], ""))
    assert "prefers-reduced-motion" in text and "/home/" not in text and "/root" not in text
    typed = "".join(_texts(text)).replace(" ", "")
    for command in COMMANDS:
        assert command.replace(" ", "") in typed
        parse(command, whole=True)
