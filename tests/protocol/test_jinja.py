"""Chat templates render as transformers renders them, on a fixed date; an error is one line."""

import pytest
from bytetokens import CHATML, END

from umi_lite.protocol.jinja import TODAY, BadTemplate, Jinja
from umi_lite.protocol.template import ChatTemplate

MESSAGES = (
    {"role": "system", "content": "Be <brief>."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ho"},
)


def render(source: str) -> str:
    return Jinja(source, {"bos_token": "<s>", "eos_token": "</s>"}).render(MESSAGES, prompt=True)


@pytest.mark.parametrize(
    "source",
    [
        # As TRL's training templates have them, with and without whitespace control.
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}|\n"
        "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
        "{% for m in messages %}\n  {%- generation %}\n  {{- m.content }} \n"
        "  {%- endgeneration %}\n{% endfor %}.",
        "{% set a = 1 %}{% generation %}{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}",
        "{{ strftime_now('%d %b %Y') }}",
        "{% if strftime_now is defined %}{{ strftime_now('%Y-%m-%d') }}{% endif %}",
        "{{ messages | tojson }}{{ messages[0] | tojson(indent=2) }}",
        "{{ tools is none }}{{ tools is defined }}{{ documents is none }}{{ xml is defined }}",
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}"
        "{% break %}{% endfor %}{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}",
    ],
)
def test_it_writes_what_transformers_writes(source, monkeypatch):
    chat = pytest.importorskip("transformers.utils.chat_template_utils")

    class Clock:
        @staticmethod
        def now():
            return TODAY

    monkeypatch.setattr(chat, "datetime", Clock)
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    [theirs], _ = chat.render_jinja_template(
        [list(MESSAGES)], chat_template=source, add_generation_prompt=True, **tokens
    )
    assert render(source) == theirs


def test_today_is_the_date_that_llama_3_prints_by_default():
    """So its prompts are the same whether a template asks for the clock or not."""
    assert render("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ raise_exception('no\n  system role') }}", "refused the conversation: no system role"),
        ("a\nb{{ messages[9].role.x }}", "failed in line 2: .* has no element 9"),
        ("\n\n{{ nothing.x }}", "failed in line 3: 'nothing' is undefined"),
        ("{{ messages[0].content + 1 }}", "failed in line 1: TypeError: can only concatenate"),
        ("{% set x = messages | length %}\n{{ 1 // (x - 3) }}", "failed in line 2: ZeroDivision"),
        ("{{ messages.__class__.__mro__ }}", "failed in line 1: .* unsafe"),
        ("{{ messages.append(1) }}", "failed in line 1: "),
        ("{{ range(10 ** 9) }}", "failed in line 1: OverflowError"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "failed in line 1: RecursionError"),
        ("x\n{% for m in messages %}", "not valid jinja: line 2: Unexpected end of template"),
        ("{% generation %}x", "not valid jinja: line 1: "),
        ("\n{% unknown %}", "not valid jinja: line 2: Encountered unknown tag"),
        ("{{ x | nothing }}", "not valid jinja: line 1: No filter named 'nothing'"),
    ],
)
def test_an_error_in_a_template_is_one_line(source, message):
    with pytest.raises(BadTemplate, match=message) as caught:
        render(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("['content'] +", "['content'] + message['content'] +", "prints messages twice"),
        ("'<|im_end|>'", "'<|im_end|>' + messages[0]['content']", "prints messages twice"),
        ("in messages", "in [messages[1], messages[0]] + messages[2:]", "in another order"),
        (
            "message['content']",
            "(message['content'] | selectattr('text') | join)",
            "drops a system message",
        ),
        ("in messages", "in messages[1:]", "drops a system message that is a text"),
    ],
)
def test_a_template_that_does_not_print_each_message_once_is_refused(old, new, message):
    assert old in CHATML
    with pytest.raises(BadTemplate, match=message):
        ChatTemplate(CHATML.replace(old, new), ends=[END])


def test_the_first_end_that_the_template_prints_ends_a_turn():
    ends = ["<|endoftext|>", "<|im_end|>", "<|im", "</s>"]
    assert ChatTemplate(CHATML, ends=ends).end_of_turn == "<|im_end|>"
    both = CHATML.replace("'<|im_end|>'", "'</s><|im_end|>'")
    assert ChatTemplate(both, ends=ends).end_of_turn == "</s>"
    with pytest.raises(BadTemplate, match=r"does not end a turn with '<\|x\|>' or '<eos>'"):
        ChatTemplate(CHATML, ends=["<|x|>", "", "<eos>"])
