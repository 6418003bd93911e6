"""A finished run becomes a bundle that runs; a run that cannot be deployed is refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from umi_lite.agent.bounds import Bounds
from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.export import export_run
from umi_lite.bundle.verify import check_changes
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import view_messages
from umi_lite.protocol.trajectory import VIEWS, Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.weights.base_record import record_of


def test_the_bundle_of_a_run(bundle, run_dir):
    spec = load_bundle(run_dir / "bundle").spec
    assert spec == bundle.spec
    assert set(spec.views) == set(VIEWS)
    assert spec.base.file == "SmolLM2-135M-Instruct.Q4_1.Q8_0.gguf"
    assert spec.hf_id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (spec.style, spec.tools, spec.versions["torch"]) == ("chat", "toolworld", "2.13.0")
    assert Recipe.model_validate(spec.recipe).name == "small"
    assert "llama-cpp-python" in spec.versions
    # Nothing but the run and its bundle: no scratch folder is left.
    assert sorted(os.listdir(run_dir)) == [
        "bounds.json", "bundle", "caller", "global", "planner", "recipe.yaml", "summarizer",
        "versions.json",
    ]  # fmt: skip


def test_the_bounds_of_a_bundle_hold_what_was_trained(bundle):
    bounds = load_bundle(bundle.path).spec.bounds
    assert bounds == Bounds(max_thought_chars=1531, max_answer_tokens=400)


def test_no_path_of_this_machine_is_in_it(bundle, run_dir):
    for path in [*bundle.adapters.values(), bundle.path / "bundle.json"]:
        assert str(run_dir.parent).encode() not in path.read_bytes()


def test_every_adapter_changes_logits_and_each_otherwise(bundle):
    changes = check_changes(bundle.base, bundle.adapters)
    assert set(changes) == set(VIEWS) and min(changes.values()) > 0.01
    with bundle.engine(n_ctx=256) as engine:
        ids = engine.language("planner").encode("The capital of France is", special=False)
        said = {view: engine.generate(Request(view, ids, max_tokens=8)).text for view in VIEWS}
    assert len(set(said.values())) > 1


def test_opening_it_imports_no_torch(bundle):
    code = (
        "import sys; from umi_lite.bundle.bundle import load_bundle; load_bundle(sys.argv[1]); "
        "print([m for m in ('torch', 'transformers', 'peft', 'gguf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, bundle.path], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def refused(run: Path, **more) -> str:
    with pytest.raises(UserError) as err:
        export_run(run, **more)
    assert "\n" not in str(err.value)
    return str(err.value)


@pytest.fixture
def own_run(tmp_path, run_dir, cache, monkeypatch) -> Path:
    """The run without its bundle, to be damaged."""
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    skip = shutil.ignore_patterns("bundle")
    return Path(shutil.copytree(run_dir, tmp_path / "run", ignore=skip, copy_function=os.link))


def test_no_run(tmp_path):
    assert "no recipe.yaml" in refused(tmp_path)


def test_bounds_that_are_none(own_run):
    (own_run / "bounds.json").unlink()
    (own_run / "bounds.json").write_text('{"max_thought_chars": "long"}')
    assert "bounds.json: max_thought_chars: " in refused(own_run)


def test_an_unfinished_run(own_run):
    shutil.rmtree(own_run / "caller" / "adapter")
    assert "job caller has no adapter" in refused(own_run)


def rewrite(run: Path, **base: str) -> None:
    data = [{"source": "toolworld", "n": 10}]
    (run / "recipe.yaml").unlink()
    recipe = Recipe.model_validate({"name": "small", "data": data, "base": base})
    (run / "recipe.yaml").write_text(recipe.to_yaml())


OTHER = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def test_a_base_with_another_template(own_run, base_hf, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    folder = shutil.copytree(base_hf, cache / base_hf.name, copy_function=os.link)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "chat_template.jinja").write_text(OTHER)
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    assert "another chat template" in refused(own_run)
    assert not (own_run / "bundle").exists()


def test_a_recipes_own_template_goes_with_the_bundle(own_run, tmp_path):
    template = tmp_path / "other.jinja"
    template.write_text(OTHER)
    rewrite(own_run, template=str(template))
    bundle = export_run(own_run)
    template.unlink()
    with bundle.engine(n_ctx=256, merge_into=tmp_path / "merged") as engine:
        words = engine.language("planner")
        assert words is engine.language("caller")
        pieces = words.template.pieces(
            view_messages(Trajectory(id="t", source="t", instruction="Hi"), "planner")
        )
    assert "".join(piece.text for piece in pieces).endswith("[user] Hi<|im_end|>[assistant] ")


def test_a_model_without_a_base_gguf(own_run, base_gguf):
    rewrite(own_run, model="nobody/has-this")
    assert "names no base.gguf" in refused(own_run)
    config = own_run / "global" / "adapter" / "adapter_config.json"
    told = json.loads(config.read_text()) | {"base_model_name_or_path": "/gone"}
    config.unlink()
    config.write_text(json.dumps(told))
    assert "nobody/has-this is not on this machine" in refused(own_run, base=base_gguf)


def test_export_as_q8_and_run_without_rearranged_weights(run_dir, cache, tmp_path):
    """What a processor with AMX does: weights stay as the file has them, in every process."""
    bundle = tmp_path / "bundle"
    environment = os.environ | {"UMI_REPACK": "0", "UMI_LITE_CACHE": str(cache)}
    umi = Path(sys.executable).parent / "umi"
    for arguments in (
        ["export", run_dir, "--out", bundle, "--quantize", "Q8_0"],
        ["run", "What is 12 * 34?", "-b", bundle, "--n-ctx", "1024", "--weights", "adapters"],
    ):
        done = subprocess.run(
            [umi, *map(str, arguments)], env=environment, capture_output=True, text=True
        )
        assert done.returncode in (0, 1), done.stderr
    assert "stop: " in done.stdout
    assert [path for path in (cache / "proofs").iterdir() if " False [8]" in path.read_text()]


def test_a_base_that_was_not_trained_on(own_run, base_hf, base_gguf, tmp_path):
    record = record_of(base_hf)
    assert record is not None
    path = own_run / "base.json"
    path.write_text(record.model_dump_json())
    notes: list[str] = []
    export_run(own_run, note=notes.append)
    assert notes == []
    down = tuple(tuple(-x for x in row) for row in record.kept[0].down)
    other = record.kept[0].model_copy(update={"down": down})
    path.write_text(record.model_copy(update={"kept": (other,)}).model_dump_json())
    assert f"base {base_gguf} is not the model that this run was trained on" in refused(own_run)


def test_a_run_without_a_record_of_its_base_is_exported_with_a_note(own_run):
    notes: list[str] = []
    export_run(own_run, note=notes.append)
    assert len(notes) == 1 and "has no base.json" in notes[0]


def rewritten(base_hf: Path, cache: Path, **changes: str) -> Path:
    """The base's folder in a cache of its own, with words of its tokenizer.json replaced."""
    folder = shutil.copytree(base_hf, cache / base_hf.name, copy_function=os.link)
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    vocab = told["model"]["vocab"]
    for one, other in changes.items():
        vocab[one], vocab[other] = vocab[other], vocab[one]
    path.unlink()
    path.write_text(json.dumps(told), encoding="utf-8")
    return folder


def test_a_base_with_another_vocabulary(own_run, base_hf, tmp_path, monkeypatch):
    """Of the same size and template: no shape differs, only what a token means."""
    rewritten(base_hf, tmp_path / "cache", Plan="Step")
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    message = refused(own_run)
    assert "another vocabulary than the run was trained with" in message
    assert "Plan 3 of 12" in message
    assert not (own_run / "bundle").exists()


def test_a_base_that_ends_turns_with_another_token(own_run, base_hf, tmp_path, monkeypatch):
    folder = rewritten(base_hf, tmp_path / "cache")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        path = folder / name
        text = path.read_text(encoding="utf-8").replace("<|im_end|>", "<|other|>")
        path.unlink()
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    template = tmp_path / "both.jinja"
    template.write_text(OTHER.replace("<|im_end|>", "<|other|><|im_end|>"))
    rewrite(own_run, template=str(template))
    assert "ends a turn with '<|im_end|>', the run was trained with '<|other|>'" in refused(own_run)


def test_texts_that_the_base_reads_otherwise_are_named(own_run, base_hf, tmp_path, monkeypatch):
    folder = rewritten(base_hf, tmp_path / "cache")
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    names = [token for token in told["added_tokens"] if token["content"] == "<file_sep>"]
    assert len(names) == 1 and names[0]["special"]
    names[0]["special"] = False
    path.unlink()
    path.write_text(json.dumps(told), encoding="utf-8")
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    notes: list[str] = []
    export_run(own_run, note=notes.append)
    lines = [note for note in notes if "tested texts" in note]
    assert len(lines) == 1
    assert "reads 1 of the tested texts as other tokens" in lines[0]
    assert "training did: '<file_sep>'; the roles" in lines[0]
