"""What the official chat templates of the families do here: files of the trl wheel."""

import importlib.util
from pathlib import Path

import pytest

from umi_lite.protocol.jinja import TODAY, BadTemplate
from umi_lite.protocol.template import ChatTemplate, Message, Part
from umi_lite.recipe.library import template_text
from umi_lite.weights.llama_vocab import ENDS

SPEC = importlib.util.find_spec("trl")
FOLDER = Path((SPEC.submodule_search_locations or [""])[0] if SPEC else "") / "chat_templates"
TEMPLATES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.jinja")}
pytestmark = pytest.mark.skipif(not TEMPLATES, reason="trl's chat templates are not installed")

COMMAND_R = "<|END_OF_TURN_TOKEN|>"
# All tokens that llama.cpp ends generation with, and Command R's own eos.
ALL_ENDS = [*ENDS, COMMAND_R]
ACCEPTED = {
    **dict.fromkeys(("cohere", "cohere_training", "cohere2", "cohere2_training"), COMMAND_R),
    **dict.fromkeys(("diffusion_gemma", "diffusion_gemma_training", "gemma4"), "<turn|>"),
    **dict.fromkeys(("gemma3", "gemma3_training"), "<end_of_turn>"),
    **dict.fromkeys(("lfm2", "lfm2_training", "lfm2_2_5", "lfm2_2_5_vl"), "<|im_end|>"),
    **dict.fromkeys(("llama3", "llama3_training", "llama3_1", "llama3_2"), "<|eot_id|>"),
    **dict.fromkeys(("phi3", "phi3_training", "phi3_5", "phi3_5_training"), "<|end|>"),
    **dict.fromkeys(("qwen2_5", "qwen2_5_training", "qwen2_5_vl"), "<|im_end|>"),
    **dict.fromkeys(("qwen2_5_vl_training", "qwen3_vl", "qwen3_vl_training"), "<|im_end|>"),
    **dict.fromkeys(("qwen3_instruct_2507", "qwen3_instruct_2507_training"), "<|im_end|>"),
    "qwen3_5_nothink_training": "<|im_end|>",
}
# They put thinking before the turn, or into the generation prompt.
THINKING = "assistant's turn does not continue its generation prompt"
REFUSED = {
    **dict.fromkeys(("deepseek_r1_distill", "deepseek_r1_distill_training"), THINKING),
    **dict.fromkeys(("deepseekv3", "deepseekv3_training"), THINKING),
    **dict.fromkeys(("glm4moe", "glm4moe_training", "gptoss", "gptoss_training"), THINKING),
    **dict.fromkeys(("muse_glimmer", "muse_glimmer_training"), THINKING),
    **dict.fromkeys(("nemotron_3_5_lightning", "nemotron_3_5_lightning_training"), THINKING),
    **dict.fromkeys(("nemotron_3_nano", "nemotron_3_nano_training"), THINKING),
    **dict.fromkeys(("nemotron_3_super", "nemotron_3_super_training"), THINKING),
    **dict.fromkeys(("nemotron_3_ultra", "nemotron_3_ultra_training"), THINKING),
    **dict.fromkeys(("qwen3", "qwen3_training", "qwen3_5_think"), THINKING),
    **dict.fromkeys(("qwen3_5_think_training", "qwen3_6", "qwen3_6_training"), THINKING),
    **dict.fromkeys(("qwen3_8", "qwen3_8_training"), THINKING),
    "qwen3_5_nothink": "a later message changes an earlier one",
    **dict.fromkeys(("gemma", "gemma_training"), "System role not supported"),
    **dict.fromkeys(("idefics3", "idefics3_training"), "drops a system message that is a text"),
    **dict.fromkeys(("llava_next", "llava_next_training"), "'str object' has no attribute 'text'"),
}
CONVERSATION = [
    ("system", "Use the tools."),
    ("user", "How far is it?"),
    ("assistant", "Ask the map.\nNext: caller"),
    ("user", 'Result: {"km": 3}'),
]


def made(name: str) -> ChatTemplate:
    return ChatTemplate(TEMPLATES[name], ends=ALL_ENDS, bos="<bos>", eos="<eos>")


def text(template: ChatTemplate, turns=CONVERSATION) -> str:
    pieces = template.pieces([Message(role, (Part(said, False),)) for role, said in turns])
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_familys_template_is_accepted_or_refused_with_one_line(name):
    try:
        end = made(name).end_of_turn
    except BadTemplate as err:
        assert "\n" not in str(err)
        # A file of a later trl that this table does not know may be either.
        assert REFUSED.get(name, "the chat template") in str(err)
        assert name not in ACCEPTED
    else:
        assert ACCEPTED.get(name, end) == end
        assert name not in REFUSED


@pytest.mark.parametrize("name", sorted(set(ACCEPTED) & set(TEMPLATES)))
def test_an_accepted_one_writes_what_transformers_writes(name, monkeypatch):
    chat = pytest.importorskip("transformers.utils.chat_template_utils")

    class Clock:
        @staticmethod
        def now():
            return TODAY

    monkeypatch.setattr(chat, "datetime", Clock)
    messages = [{"role": role, "content": said} for role, said in CONVERSATION]
    [theirs], _ = chat.render_jinja_template(
        [messages],
        chat_template=TEMPLATES[name],
        add_generation_prompt=True,
        bos_token="<bos>",
        eos_token="<eos>",
    )
    assert text(made(name)) == theirs


def test_our_gemma_is_gemma_3_in_words_and_serves_gemma_2():
    ours = ChatTemplate(template_text("gemma"), ends=ALL_ENDS, bos="<bos>", eos="<eos>")
    assert ours.end_of_turn == "<end_of_turn>"
    assert text(ours) == text(made("gemma3"))
    assert text(ours, CONVERSATION[:3]) == text(made("gemma3"), CONVERSATION[:3])


def test_our_chatml_is_qwen_3_in_words_without_its_thinking():
    ours = ChatTemplate(template_text("chatml"), ends=ALL_ENDS)
    assert text(ours) == text(made("qwen3_instruct_2507"))
