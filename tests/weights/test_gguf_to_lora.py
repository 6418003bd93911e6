"""An adapter that went to GGUF and back is the same adapter."""

import pytest
from peft_adapters import write_peft
from safetensors.numpy import load_file

from umi_lite.errors import UserError
from umi_lite.weights.gguf_to_lora import lora_folder
from umi_lite.weights.hf_to_gguf import convert_loras


def test_there_and_back_is_equal_bit_for_bit(tmp_path, base_hf):
    from peft import PeftConfig

    first = write_peft(tmp_path / "first", base_hf, 7)
    gguf = convert_loras({"first": first}, base_hf, tmp_path / "gguf", outtype="f32")["first"]
    lora_folder(gguf, base_hf, tmp_path / "back")
    before, after = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("first", "back")
    )
    assert before.keys() == after.keys()
    assert all((before[key] == after[key]).all() for key in before)
    one, other = (PeftConfig.from_pretrained(str(tmp_path / name)) for name in ("first", "back"))
    assert (one.r, one.lora_alpha, one.target_modules) == (
        other.r,
        other.lora_alpha,
        other.target_modules,
    )


def test_a_base_is_no_adapter(tmp_path, base_gguf, base_hf):
    with pytest.raises(UserError, match="is not a LoRA adapter"):
        lora_folder(base_gguf, base_hf, tmp_path / "out")
    assert not (tmp_path / "out").exists()
