"""Real vocabularies, read by training and by llama.cpp after its own conversion."""

from contextlib import closing

import pytest
from odd_texts import odd_texts
from studies import study
from vocabularies import VOCABULARIES, make_model

from umi_lite.bundle.export import check_reading
from umi_lite.engine.llama import Model
from umi_lite.protocol.jinja import BadTemplate
from umi_lite.recipe.schema import Recipe
from umi_lite.train.inputs import base_language
from umi_lite.train.tokenizer import load_language
from umi_lite.weights.hf_to_gguf import convert

ENDS = {
    "qwen3": "<|im_end|>",
    "llama3.1": "<|eot_id|>",
    "gemma2": "<end_of_turn>",
    "gemma3": "<end_of_turn>",
    "mistral": "</s>",
}


@study
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ENDS)
def test_a_real_vocabulary_is_read_alike(name, tmp_path):
    folder = make_model(name, tmp_path / "tiny")
    path = tmp_path / "vocab.gguf"
    arguments = [str(folder), "--vocab-only", "--outfile", str(path)]
    convert("convert_hf_to_gguf.py", [(name, arguments)])
    base = {"model": str(folder), "template": VOCABULARIES[name].template}
    data = [{"source": "toolworld"}]
    recipe = Recipe.model_validate({"name": "real", "base": base, "data": data})
    if name == "qwen3":
        with pytest.raises(BadTemplate, match="not append-only"):
            load_language(folder)
    language = base_language(recipe, str(folder))
    assert language.template.end_of_turn == ENDS[name]
    odd = check_reading(recipe, folder, path)
    assert [text for text in odd if "▁" not in text] == []
    encode, lost = language.tokenizer.encode, 0
    with closing(Model.vocabulary(path)) as model:
        for text in odd_texts(20_000):
            ids = encode(text, special=False)
            if language.tokenizer.decode(ids) == text:
                assert ids == model.encode(text, special=False), text
            else:
                assert "▁" in text
                lost += 1
    assert (lost > 0) == VOCABULARIES[name].pieces
