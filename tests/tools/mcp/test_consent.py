"""Which calls need the user's word, and how it is asked for on a terminal."""

import io
import sys

import pytest

from umi_lite.tools.mcp.consent import Consent, Question, terminal
from umi_lite.tools.tools import ToolError

types = pytest.importorskip("mcp_types", reason="the MCP SDK is not installed: pip install mcp")
READS = types.ToolAnnotations(read_only_hint=True)
ERASES = types.ToolAnnotations(destructive_hint=True)
ADDS = types.ToolAnnotations(destructive_hint=False)
BOTH = types.ToolAnnotations(read_only_hint=True, destructive_hint=True)


def asked(consent: Consent, hints: object) -> bool:
    """True if the user would be asked."""
    try:
        consent.check("s", "t", {}, hints)
    except ToolError:
        return True
    return False


def test_who_is_asked() -> None:
    kinds = (None, READS, ADDS, ERASES, BOTH)
    assert [asked(Consent(), kind) for kind in kinds] == [False, False, False, True, False]
    every = Consent(every=True)
    assert [asked(every, kind) for kind in kinds] == [True, False, True, True, False]
    assert not asked(Consent(every=True, allowed=frozenset({"t"})), ERASES)


def test_the_answer_counts() -> None:
    questions: list[Question] = []

    def no(question: Question) -> bool:
        questions.append(question)
        return False

    with pytest.raises(ToolError, match="t was not called: the user did not allow it"):
        Consent(confirm=no).check("s", "t", {"x": "\x1b[2J\n" + "y" * 999}, ERASES)
    assert questions[0].line().startswith(r't {"x": "\u001b[2J\nyyy')
    assert questions[0].line().endswith("(server s: is marked destructive by its server)")
    assert len(questions[0].line()) < 400
    Consent(confirm=lambda _: True).check("s", "t", {}, ERASES)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("y\nno\n", [True, False]),
        ("a\n", [True, True]),
        ("\nYES\n", [False, True]),
        ("", [False] * 2),
    ],
)
def test_a_terminal_asks_and_no_line_is_no(
    monkeypatch: pytest.MonkeyPatch, typed: str, answers: list[bool]
) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", shown)
    confirm = terminal()
    assert confirm is not None
    question = Question("s", "erase", {"all": True}, "is marked destructive by its server")
    assert [confirm(question) for _ in answers] == answers
    # `always` is for this server's tool alone.
    assert not confirm(Question("other", "erase", {}, "is marked destructive by its server"))
    assert 'erase {"all": true} (server s: is marked destructive' in shown.getvalue()


def test_without_a_terminal_there_is_nothing_to_ask_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert terminal() is None
