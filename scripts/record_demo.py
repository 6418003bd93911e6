"""Record `umi run` in a pseudo-terminal as an animated SVG: the picture of README.md.

    python -m scripts.record_demo --bundle runs/quickstart/bundle --out docs/run.svg

The commands really run; what they print appears at the pace at which it was printed. The picture
is one file without script, font or address, and without motion where the reader wants none.
"""

import argparse
import os
import pty
import re
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

COMMANDS = (
    'umi run "What is 12 * 34?"',
    'umi run "First get the value of 71 + 81, then find 95 times 53."',
)
COLUMNS = 92
_TYPING, _BEFORE, _REST, _END = 0.04, 0.4, 1.2, 4.0  # seconds
_FONT, _WIDE, _HIGH, _EDGE, _BAR = 14, 8.4, 20, 16, 32  # pixels
_COLOURS = ("#6e7681", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#e6edf3")
_PLAIN = _COLOURS[7]
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


@dataclass(frozen=True)
class Shown:
    """A character on the screen: since when, where, and how it is drawn."""

    second: float
    row: int
    column: int
    text: str
    style: str


def run(command: Sequence[str], folder: Path) -> Iterator[tuple[float, str]]:
    """Run a command in a pseudo-terminal; yield what it prints, with the seconds since its start.

    Raises:
        ValueError: it failed.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, os.environ | {"COLUMNS": str(COLUMNS), "TERM": "xterm"})
    start, left = time.monotonic(), b""
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # Linux: the terminal's other side is closed
            break
        if not read:
            break
        # A character of several bytes may be split between two reads.
        text = (left + read).decode(errors="ignore")
        left = (left + read)[len(text.encode()) :]
        yield time.monotonic() - start, text
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise ValueError(f"{shlex.join(command)}: exit status {status}")


def record(commands: Sequence[str], folder: Path, programs: Path) -> list[tuple[float, str]]:
    """Return (second, text) of a session: each command typed at a prompt, then its output.

    Args:
        programs: folder that the program of each command is in.
    """
    now, events = 0.0, []
    for command in commands:
        events.append((now, "\x1b[32m$\x1b[0m "))
        for letter in command:
            now += _TYPING
            events.append((now, letter))
        now += _BEFORE
        events.append((now, "\r\n"))
        program, *arguments = shlex.split(command)
        begin = now
        for second, text in run([str(programs / program), *arguments], folder):
            now = begin + second
            events.append((now, text))
        now += _REST
    return events


def screen(events: Sequence[tuple[float, str]]) -> list[Shown]:
    """Return the characters that a session leaves on the screen, in the order of printing.

    Raises:
        ValueError: a control sequence that is not drawn here.
    """
    row = column = 0
    style, shown = "", {}
    for second, text in events:
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                if found[2] != "m":
                    raise ValueError(f"the control sequence {found[0]!r} is not drawn")
                style, at = _style(style, found[1]), found.end()
                continue
            letter, at = text[at], at + 1
            if letter == "\r":
                column = 0
            elif letter == "\n":
                row += 1
            elif letter.isprintable():
                if column == COLUMNS:
                    row, column = row + 1, 0
                if letter != " ":
                    shown[row, column] = Shown(second, row, column, letter, style)
                column += 1
            else:
                raise ValueError(f"the control character {letter!r} is not drawn")
    return list(shown.values())


def _style(now: str, numbers: str) -> str:
    """Return the style after an SGR sequence: words of CSS."""
    for number in (int(each or 0) for each in numbers.split(";")):
        if number == 0:
            now = ""
        elif number == 1:
            now += "font-weight:bold;"
        elif number == 2:
            now += "opacity:.65;"
        elif number == 3:
            now += "font-style:italic;"
        elif 30 <= number <= 37 or 90 <= number <= 97:
            now += f"fill:{_COLOURS[number % 10]};"
    return now


def picture(shown: Sequence[Shown]) -> str:
    """Return the animated SVG of a session; it begins again after a rest."""
    total = max(one.second for one in shown) + _END
    rows = max(one.row for one in shown) + 1
    width, height = round(COLUMNS * _WIDE + 2 * _EDGE), rows * _HIGH + _BAR + _EDGE
    rules, groups = [], []
    # Steps of a twentieth of a second: more are not seen.
    for number, (tick, letters) in enumerate(groupby(shown, lambda one: round(one.second * 20))):
        share = 100 * tick / 20 / total
        rules.append(f"@keyframes k{number}{{0%{{opacity:0}}{share:.3f}%{{opacity:1}}}}")
        rules.append(f".k{number}{{animation:k{number} {total:.2f}s step-end infinite}}")
        groups.append(f'<g class="k{number}">{"".join(map(_text, _joined(letters)))}</g>')
    dots = "".join(
        f'<circle cx="{_EDGE + 4 + 18 * at}" cy="16" r="5" fill="{colour}"/>'
        for at, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="umi run in a terminal">\n'
        "<style>\n"
        f"text{{font:{_FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
        f"fill:{_PLAIN};white-space:pre}}\n" + "\n".join(rules) + "\n"
        "@media (prefers-reduced-motion:reduce){g{animation:none!important}}\n</style>\n"
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" '
        f'fill="#0d1117" stroke="#6e7681"/>{dots}\n' + "\n".join(groups) + "\n</svg>\n"
    )


def _joined(letters: Iterator[Shown]) -> Iterator[Shown]:
    """Join neighbours of one style, with the single blanks between them."""
    last: Shown | None = None
    for one in letters:
        if last is not None:
            gap = one.column - last.column - len(last.text)
            if one.row == last.row and one.style == last.style and gap in (0, 1):
                text = last.text + " " * gap + one.text
                last = Shown(last.second, last.row, last.column, text, last.style)
                continue
            yield last
        last = one
    if last is not None:
        yield last


def _text(one: Shown) -> str:
    x, y = _EDGE + one.column * _WIDE, _BAR + one.row * _HIGH + _FONT
    long = len(one.text) * _WIDE
    style = f' style="{one.style}"' if one.style else ""
    return f'<text x="{x:.1f}" y="{y}" textLength="{long:.1f}"{style}>{escape(one.text)}</text>'


def check(text: str, folder: Path) -> None:
    """Raise ValueError if a recording has the name of a person, of a machine or of a folder."""
    for name in (socket.gethostname(), str(Path.home()), str(folder), os.environ.get("USER", "")):
        if len(name) > 1 and name != "root" and name in text:
            raise ValueError(f"the recording has {name!r} in it")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=Path("runs/quickstart/bundle"))
    parser.add_argument("--out", type=Path, default=Path("docs/run.svg"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "runs" / "quickstart").mkdir(parents=True)
        (folder / "runs" / "quickstart" / "bundle").symlink_to(given.bundle.resolve())
        os.environ["UMI_LITE_DATA"] = str(folder / "data")
        events = record(COMMANDS, folder, Path(sys.executable).parent)
        check("".join(text for _, text in events), folder)
    given.out.write_text(picture(screen(events)), encoding="utf-8")


if __name__ == "__main__":
    main()
