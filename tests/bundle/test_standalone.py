"""`--merge` writes models that other programs run: metadata, template and Modelfile."""

import shutil
from contextlib import closing
from pathlib import Path

import gguf
import pytest

from umi_lite.bundle.export import export_run
from umi_lite.engine.llama import Model
from umi_lite.recipe.schema import Recipe

OTHER = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


@pytest.fixture(scope="module")
def merged(run_dir, cache, tmp_path_factory) -> Path:
    """The models of a run of one adapter, of a template of its own, quantised."""
    run = tmp_path_factory.mktemp("merged") / "run"
    shutil.copytree(run_dir / "global", run / "global")
    template = run / "own.jinja"
    template.write_text(OTHER)
    recipe = Recipe.model_validate({
        "name": "small",
        "base": {"template": str(template)},
        "data": [{"source": "gsm8k", "hub": "openai/gsm8k"}],
        "stages": {"local": "none"},
        "export": {"quantize": "Q8_0"},
    })  # fmt: skip
    (run / "recipe.yaml").write_text(recipe.to_yaml())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        export_run(run, merge=True)
    return run / "bundle-merged"


def test_a_model_says_what_it_is(merged):
    fields = gguf.GGUFReader(merged / "backbone.gguf").fields
    said = {key: fields[key].contents() for key in fields if not key.startswith("tokenizer.ggml")}
    expected = {
        "general.type": "model",
        "general.name": "small backbone",
        "general.license": "apache-2.0",
        "general.quantized_by": "umi_lite",
        "general.basename": "SmolLM2-135M-Instruct",
        "general.size_label": "135M",
        "general.base_model.0.name": "SmolLM2-135M-Instruct",
        "general.dataset.0.name": "gsm8k",
        "general.dataset.0.repo_url": "https://huggingface.co/datasets/openai/gsm8k",
        "general.sampling.temp": 0.0,
        "tokenizer.chat_template": OTHER,
    }
    assert {key: said.get(key) for key in expected} == expected
    assert {"general.author", "general.sampling.top_p", "general.sampling.top_k"}.isdisjoint(said)
    assert "lora" not in said["general.tags"] and "backbone" in said["general.tags"]
    texts = [text for text in said.values() if isinstance(text, str)]
    assert not [text for text in texts if str(merged.parent) in text or "/tmp" in text]


def test_llama_cpp_loads_it_with_this_template(merged):
    with closing(Model(merged / "backbone.gguf")) as model:
        assert model.chat_template == OTHER


def test_its_modelfile_is_next_to_it(merged):
    assert sorted(path.name for path in merged.iterdir()) == [
        "backbone.Modelfile", "backbone.gguf",
    ]  # fmt: skip
    text = (merged / "backbone.Modelfile").read_text()
    assert "FROM ./backbone.gguf\n" in text and 'PARAMETER stop "<|im_end|>"\n' in text
    assert '"system" }}[system] {{ $m.Content }}<|im_end|>[user] {{ else' in text
