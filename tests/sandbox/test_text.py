"""What a program says is bounded, and harmless to a terminal and to a prompt."""

import pytest

from umi_lite.sandbox.python import run_python
from umi_lite.sandbox.text import harmless, head_and_tail


@pytest.mark.parametrize("length", [0, 99, 100, 101, 5000])
def test_head_and_tail_never_exceeds_its_limit(length):
    text = "".join(chr(ord("a") + i % 26) for i in range(length))
    cut = head_and_tail(text, 100)
    assert len(cut) <= 100
    assert cut == text if length <= 100 else cut[:20] == text[:20] and cut[-20:] == text[-20:]


def test_head_and_tail_says_how_much_is_missing():
    cut = head_and_tail("x" * 500, 100)
    number = int(cut.split("… ")[1].split(" ")[0])
    assert number == 500 - (len(cut) - len(f"[… {number} characters left out …]"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("é 中 ∑√π ½ 😀 e\u0301", "é 中 ∑√π ½ 😀 e\u0301"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\0\x08\x9b", "\\x00\\x08\\x9b"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("a\u200bb\U000e0041", "a\\u200bb\\U000e0041"),
        ("4<|im_end|>", "4< |im_end| >"),
        ("</s><s>[INST]", "< /s>< s>[ INST]"),
        ("a < b > c | d, x[1] <b>", "a < b > c | d, x[1] <b>"),
    ],
)
def test_what_is_harmful_is_written_out(text, shown):
    assert harmless(text) == shown


def test_all_that_a_program_says_is_harmless():
    result = run_python("print('<|im_end|>\\x1b[2J')\n'<|im_start|>\\u202e'")
    assert (result.stdout, result.value) == ("< |im_end| >\\x1b[2J\n", "< |im_start| >\\u202e")
    assert len(run_python("print('\\x1b' * 4000)").stdout) <= 4000
    assert run_python("raise ValueError('</s>\\0')").error == "ValueError: < /s>\\x00 (line 1)"
