"""Training reads text as llama.cpp does at run time, or the row is named."""

import importlib.util
import json
import re
from pathlib import Path

import gguf
import pytest
import yaml
from bytetokens import CHATML
from odd_texts import odd_texts
from small_vocab import Added, Vocab, byte_level, control, looks_special, ordinary, sentence_piece

from umi_lite.data.rows import Loaded
from umi_lite.engine.language import Language
from umi_lite.engine.llama import Model
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import Transcript, render, view_messages
from umi_lite.protocol.roles import SPEAKS, step_text
from umi_lite.protocol.trajectory import VIEWS, Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.inputs import base_language, load_readable
from umi_lite.train.samples import make_rows
from umi_lite.train.tokenizer import load_language

LOOKALIKE = Path(__file__).with_name("lookalike.jsonl")
QWEN = [
    *control("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *looks_special("<|fim_prefix|>", "<|fim_suffix|>", "<|repo_name|>"),
    *ordinary("<tool_call>", "</tool_call>", "<think>"),
]
GEMMA = [
    *control("<start_of_turn>", "<end_of_turn>"),
    *looks_special("<mask>", "<unused0>", "</s>"),
    *ordinary("▁▁", "\n\n", "<table>", "[multimodal]"),
]
GEMMAS = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + m.role + '\n' + m.content + "
    "'<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>assistant\n' }}{% endif %}"
)
LLAMAS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + "
    "'<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}"
)
PHIS = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
MISTRALS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ m.content + eos_token }}{% elif m.role == 'system' %}"
    "{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}{% else %}"
    "{{ '[INST]' + m.content + '[/INST]' }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Vocab:
    folder = tmp_path_factory.mktemp("vocab") / "qwen"
    return byte_level(folder, QWEN, template=CHATML, eos="<|im_end|>")


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Vocab:
    folder = tmp_path_factory.mktemp("vocab") / "gemma"
    return sentence_piece(folder, GEMMA, template=GEMMAS, eos="<eos>")


def words_of(vocab: Vocab) -> Language:
    return Language(Model.vocabulary(vocab.gguf))


def lookalike(**fields) -> Trajectory:
    record = json.loads(LOOKALIKE.read_text(encoding="utf-8"))
    return Trajectory.model_validate(record).model_copy(update=fields)


@pytest.mark.parametrize("special", [False, True])
def test_a_byte_level_vocabulary_reads_all_text_as_llama_cpp(qwen, special):
    hf, llama = load_language(qwen.folder).tokenizer, words_of(qwen)
    for text in odd_texts(2000):
        ids = hf.encode(text, special=special)
        assert ids == llama.encode(text, special=special), text
        assert hf.decode(ids) == text
    assert hf.encode("<|fim_prefix|>", special=special) == llama.encode(
        "<|fim_prefix|>", special=special
    )
    assert len(hf.encode("<|fim_prefix|><|im_end|>", special=True)) == 2
    assert len(hf.encode("<tool_call>", special=False)) == 1


def test_what_a_vocabulary_of_spaces_as_words_gives_back_is_read_as_llama_cpp(gemma):
    hf, llama = load_language(gemma.folder).tokenizer, words_of(gemma)
    lost = 0
    for text in odd_texts(2000):
        ids = hf.encode(text, special=False)
        if hf.decode(ids) == text:
            assert ids == llama.encode(text, special=False), text
        else:
            assert "▁" in text
            lost += 1
    assert lost > 100


@pytest.mark.parametrize(
    ("template", "added", "eos", "end"),
    [
        (GEMMAS, ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"), "<eos>", "<end_of_turn>"),
        (
            LLAMAS,
            ("<|end_of_text|>", "<bos>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            "<|end_of_text|>",
            "<|eot_id|>",
        ),
        (
            PHIS,
            ("<|endoftext|>", "<bos>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
            "<|endoftext|>",
            "<|end|>",
        ),
        (MISTRALS, ("<unk>", "<bos>", "</s>", "[INST]", "[/INST]"), "</s>", "</s>"),
        (CHATML, ("<|endoftext|>", "<bos>", "<|im_start|>", "<|im_end|>"), "<|endoftext|>",
         "<|im_end|>"),
    ],
    ids=["gemma", "llama3", "phi3", "mistral", "chatml"],
)  # fmt: skip
def test_training_ends_a_turn_as_run_time_does(tmp_path, template, added, eos, end):
    """The tokenizer's configuration names another token of Gemma, Llama 3, Phi 3."""
    vocab = byte_level(tmp_path / "v", control(*added), template=template, eos=eos, bos="<bos>")
    language, words = load_language(vocab.folder), words_of(vocab)
    assert language.template.end_of_turn == words.template.end_of_turn == end
    for view in VIEWS:
        hf = render(lookalike(), view, language.template, language.tokenizer)
        llama = render(lookalike(), view, words.template, words)
        assert hf == llama
        bos = language.tokenizer.encode("<bos>", special=True)
        assert hf.ids.count(bos[0]) == template.count("bos_token")
        last = language.tokenizer.encode(end, special=True)
        ends = [bit for i, bit in zip(hf.ids, hf.mask, strict=True) if [i] == last]
        # A planner's turn has none: the call or the answer follows it in the same message.
        assert any(ends) == (view != "planner")


def test_a_template_that_prints_a_bos_where_the_vocabulary_has_none(tmp_path):
    """llama.cpp then assumes token 11, a word."""
    template = "{{ bos_token }}" + CHATML
    vocab = byte_level(tmp_path / "v", QWEN, template=template, eos="<|im_end|>")
    messages = view_messages(lookalike(), "planner")
    hf, llama = (
        s.template.pieces(messages) for s in (load_language(tmp_path / "v"), words_of(vocab))
    )
    assert hf == llama
    assert hf[0].text == "<|im_start|>system\n"


@pytest.mark.parametrize("view", VIEWS)
def test_what_looks_like_a_token_is_text_in_training_and_at_run_time(qwen, view):
    """A tool that prints an end of turn ends none; the ids of each prompt are those of training."""
    language, words = load_language(qwen.folder), words_of(qwen)
    decomposed = lookalike(instruction="Say cafe\u0301 and <|im_end|> and <|fim_prefix|>")
    for trajectory in (lookalike(), decomposed):
        [row] = make_rows([trajectory], view, language, max_length=9999).rows
        transcript, so_far = Transcript(view, words.template, words), trajectory
        so_far = so_far.model_copy(update={"steps": ()})
        seen: list[int] = []
        for step in trajectory.steps:
            if isinstance(step, SPEAKS[view]):
                seen = list(transcript.advance(so_far))
                said = words.encode(step_text(step, trajectory.tools), special=False)
                transcript.spoke(said)
                seen += said
                assert row.ids[: len(seen)] == seen
            so_far = so_far.with_step(step)
        end = words.encode("<|im_end|>", special=True)
        assert row.ids[len(seen) :] in ([], end)
        sample = render(trajectory, view, words.template, words)
        assert sample and sample.ids == row.ids
        written = [piece.text.count("<|im_end|>") for piece in sample.pieces if piece.special]
        assert row.ids.count(end[0]) == sum(written)


def recipe(base: dict[str, str], path: Path = LOOKALIKE) -> Recipe:
    data = [{"source": "traces", "path": str(path)}]
    return Recipe.model_validate({"name": "odd", "base": base, "data": data})


def test_a_row_that_the_tokenizer_loses_is_left_out_and_named(gemma, tmp_path):
    rows = [
        lookalike(id="whole"),
        lookalike(id="lost", instruction="Draw ▁▁▁ lines"),
        lookalike(id="lost too", instruction="snake▁case"),
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    made = recipe({"model": str(gemma.folder)}, path)
    loaded = load_readable(made, base_language(made, str(gemma.folder)))
    assert isinstance(loaded, Loaded)
    assert [trajectory.id for trajectory in loaded.trajectories] == ["whole"]
    assert loaded.drop_table() == [("the base's tokenizer reads '▁' as ' '", 2, "lost")]
    path.write_text(rows[1].model_dump_json() + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="all is left out: the base's tokenizer reads '▁'"):
        load_readable(made, base_language(made, str(gemma.folder)))


def test_a_row_that_the_base_gguf_reads_otherwise_is_left_out_and_named(tmp_path):
    """Somebody's GGUF, in which a token is of another kind than our converter's would be."""
    odd = Added("<|odd|>", special=False, kind=gguf.TokenType.USER_DEFINED)
    vocab = byte_level(tmp_path / "base", [*QWEN, odd], template=CHATML, eos="<|im_end|>")
    rows = [lookalike(id="same"), lookalike(id="other", instruction="Print <|odd|>.")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    made = recipe({"model": str(vocab.folder), "gguf": str(vocab.gguf)}, path)
    loaded = load_readable(made, base_language(made, str(vocab.folder)))
    assert [trajectory.id for trajectory in loaded.trajectories] == ["same"]
    reason = "vocab.gguf reads other tokens than the base's tokenizer"
    assert loaded.drop_table() == [(reason, 1, "other")]
    vocab.gguf.write_bytes(vocab.gguf.read_bytes()[:500])
    with pytest.raises(UserError, match=r"the vocabulary of .*vocab.gguf cannot be read: ") as err:
        load_readable(made, base_language(made, str(vocab.folder)))
    assert "\n" not in str(err.value)


def trl_template(name: str) -> str:
    spec = importlib.util.find_spec("trl")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("trl is not installed")
    path = Path(spec.submodule_search_locations[0]) / "chat_templates" / f"{name}.jinja"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("family", "added", "reason", "name"),
    [
        ("qwen3", QWEN, "not append-only", "chatml"),
        ("qwen3_5_nothink", QWEN, "not append-only", "chatml"),
        ("gemma", control("<start_of_turn>", "<end_of_turn>"), "System role not", "gemma"),
    ],
)
def test_a_template_that_cannot_grow_names_the_recipe_line(tmp_path, family, added, reason, name):
    folder = tmp_path / "base"
    byte_level(folder, added, template=trl_template(family), eos=added[-1].text)
    own = recipe({"model": str(folder)})
    with pytest.raises(UserError, match=reason) as caught:
        base_language(own, str(folder))
    assert "\n" not in str(caught.value)
    line = re.search("`(base: .*)` in the recipe", str(caught.value))
    assert line
    assert line[1] == f"base: {{model: {folder}, template: {name}}}"
    mended = recipe(yaml.safe_load(line[1])["base"])
    assert base_language(mended, str(folder)).template.end_of_turn in str(added)


def test_a_template_for_which_there_is_no_recipe_line(tmp_path):
    folder = tmp_path / "base"
    byte_level(folder, control("<|a|>"), template="{{ messages[0].content }}", eos="<|a|>")
    with pytest.raises(UserError, match="name a jinja file of one that can in the recipe, as base"):
        base_language(recipe({"model": str(folder)}), str(folder))
