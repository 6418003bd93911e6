"""Adapters are converted all or none, and what a GGUF LoRA cannot say is refused."""

import json
from pathlib import Path

import pytest
from peft_adapters import write_peft

from umi_lite.bundle.verify import check_changes
from umi_lite.errors import UserError
from umi_lite.weights.hf_to_gguf import convert_loras


def refused(adapters: dict[str, Path], base: Path, out: Path) -> str:
    with pytest.raises(UserError) as err:
        convert_loras(adapters, base, out)
    assert "\n" not in str(err.value)
    assert not out.exists() and not list(out.parent.glob(".*"))
    return str(err.value)


def changed(folder: Path, **keys) -> Path:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return folder


def test_one_that_learned_nothing_is_refused_and_one_that_learned_little_is_not(
    tmp_path, base_hf, base_gguf
):
    # 1e-4 in every B is one optimizer step of Adam at a learning rate of 1e-4.
    adapters = {
        "little": write_peft(tmp_path / "little", base_hf, 1, scale=1e-4),
        "nothing": write_peft(tmp_path / "nothing", base_hf, 2, scale=0),
    }
    files = convert_loras(adapters, base_hf, tmp_path / "out", outtype="f32")
    assert sorted(tmp_path.joinpath("out").iterdir()) == sorted(files.values())
    assert check_changes(base_gguf, {"little": files["little"]})["little"] > 1e-3
    with pytest.raises(UserError, match=r"adapter nothing \(nothing.gguf\) changes no logit"):
        check_changes(base_gguf, files)


def test_the_one_that_fails_is_named_and_none_is_left(tmp_path, base_hf):
    bad = write_peft(tmp_path / "bad", base_hf, 2)
    weights = bad / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    adapters = {"good": write_peft(tmp_path / "good", base_hf, 1), "bad": bad}
    message = refused(adapters, base_hf, tmp_path / "out" / "loras")
    assert message.startswith(f"adapter {bad} could not be converted: ")
    assert "SafetensorError" in message


def test_what_is_no_whole_adapter(tmp_path, base_hf):
    out = tmp_path / "out"
    assert "it has no adapter_config.json" in refused({"a": tmp_path / "none"}, base_hf, out)
    half = write_peft(tmp_path / "half", base_hf, 1)
    (half / "adapter_model.safetensors").unlink()
    assert "it has no adapter_model.safetensors" in refused({"a": half}, base_hf, out)
    (half / "adapter_config.json").write_text("{")
    assert "cannot be read" in refused({"a": half}, base_hf, out)


def test_a_base_that_is_none(tmp_path, base_hf):
    adapter = write_peft(tmp_path / "a", base_hf, 1)
    message = refused({"a": adapter}, tmp_path, tmp_path / "out")
    assert "not a Hugging Face folder" in message


@pytest.mark.parametrize(
    "keys",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"alpha_pattern": {"q_proj": 4}},
        {"bias": "all"},
        {"peft_type": "IA3"},
    ],
)
def test_what_the_converter_would_leave_out(tmp_path, base_hf, keys):
    adapter = changed(write_peft(tmp_path / "a", base_hf, 1), **keys)
    message = refused({"a": adapter}, base_hf, tmp_path / "out")
    assert next(iter(keys)) in message or "IA3" in message
