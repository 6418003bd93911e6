"""PEFT LoRA adapters to GGUF LoRA files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from umi_lite.export.converter import convert
from umi_lite.export.staging import link_or_copy, scratch_folder
from umi_lite.protocol.errors import UserError

Name = TypeVar("Name")
OutType = Literal["f32", "f16", "bf16", "q8_0"]
# What the converter leaves out without a word: the GGUF would be another adapter.
_UNSUPPORTED = ("use_dora", "use_rslora", "alpha_pattern", "modules_to_save", "lora_bias")


def convert_loras(
    adapters: Mapping[Name, Path], base_hf_dir: Path, out_dir: Path, outtype: OutType = "f16"
) -> dict[Name, Path]:
    """Convert adapters of one base to `out_dir/<name>.gguf`, all of them or none.

    Args:
        adapters: PEFT folders (`adapter_config.json`, `adapter_model.safetensors`) by name.
        base_hf_dir: HF folder of the base; only its `config.json` is read.
        outtype: of the LoRA weights. 4.9M parameters are 9.8 MB as f16.

    Raises:
        UserError: a folder is no adapter, uses what a GGUF LoRA cannot say, or the converter
            refused it (its last words are in the message).
    """
    architecture = _base_config(base_hf_dir)
    configs = {name: read_adapter_config(folder) for name, folder in adapters.items()}
    with scratch_folder(out_dir) as work:
        base = (work / ".base").resolve()
        base.mkdir()
        (base / "config.json").write_text(json.dumps(architecture), encoding="utf-8")
        jobs = []
        for name, folder in adapters.items():
            source = _without_paths(folder, configs[name], work / f"{name}")
            options = ["--base", str(base), "--outtype", outtype]
            jobs.append(
                (f"adapter {folder}", [*options, "--outfile", f"{source}.gguf", str(source)])
            )
        convert("convert_lora_to_gguf.py", jobs)
        out_dir.mkdir(exist_ok=True)
        for name in adapters:
            (work / f"{name}.gguf").replace(out_dir / f"{name}.gguf")
    return {name: out_dir / f"{name}.gguf" for name in adapters}


def _base_config(folder: Path) -> dict[str, Any]:
    """The base's configuration, unquantised: the converter does not take bitsandbytes' one."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise UserError(f"base {folder} is no Hugging Face folder: {path.name}: {err}") from None
    return {key: value for key, value in config.items() if key != "quantization_config"}


def _without_paths(folder: Path, config: dict[str, Any], target: Path) -> Path:
    """The adapter without its model card and base: the converter would write paths of this
    machine into the GGUF.
    """
    target.mkdir()
    told = {key: value for key, value in config.items() if key != "base_model_name_or_path"}
    (target / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    for weights in folder.glob("adapter_model.*"):
        link_or_copy(weights, target / weights.name)
    return target.resolve()


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """A PEFT adapter's configuration.

    Raises:
        UserError: there is no adapter, or it uses what a GGUF LoRA cannot say.
    """
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is no adapter: it has no adapter_config.json") from None
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read: {err}") from None
    if not any((folder / f"adapter_model.{kind}").is_file() for kind in ("safetensors", "bin")):
        raise UserError(f"{folder} is no whole adapter: it has no adapter_model.safetensors")
    if config.get("peft_type") != "LORA":
        raise UserError(
            f"{folder} is a {config.get('peft_type')} adapter; only LORA can be exported"
        )
    used = [key for key in _UNSUPPORTED if config.get(key)]
    if config.get("bias", "none") != "none":
        used.append("bias")
    if used:
        raise UserError(f"{folder} was trained with {', '.join(used)}: a GGUF LoRA cannot say that")
    return config
