"""An adapter merged into its Hugging Face base: one GGUF for programs without adapters."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from umi_lite.errors import UserError
from umi_lite.files import read_json, scratch, writing
from umi_lite.weights.gguf_to_hf import GgufType
from umi_lite.weights.hf_to_gguf import convert, read_adapter_config, write_card
from umi_lite.weights.quantize import requantize

# Written by training's base folder and read by llama.cpp's converter.
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)


def merge_adapter(
    base_hf_dir: Path,
    adapter: Path,
    target: Path,
    *,
    quantization: Literal["none", "4bit"] = "none",
    type: GgufType = "F16",
    card: Mapping[str, Any] | None = None,
    template: str | None = None,
    temperature: float | None = None,
) -> None:
    """Write base and adapter as one GGUF model.

    Takes about 20 s for 135M; needs memory for the base in its dtype, and twice that on disk.

    Args:
        base_hf_dir: HF folder of the base, weights included.
        adapter: PEFT folder.
        quantization: of the base in training. `4bit` is quantised and dequantised before
            merging, because the adapter was trained on a base with these errors (KL from the
            trained model ~0, against 0.69 for the unquantised base).
        type: of the file.
        card: what its `general.*` metadata say (see `write_card`).
        template: the chat template of the file, if it is not the base's own.
        temperature: that the file recommends, in place of all the sampling that the base
            recommends; None keeps that.

    Raises:
        UserError: no weights, no adapter or one of another base, what the converter refused,
            or a full disk. `target` is then unchanged.
    """
    read_adapter_config(adapter)
    with writing(target), scratch(target) as work:
        folder = work / target.stem
        folder.mkdir()
        merged = _merged(base_hf_dir, adapter, quantization)
        merged.save_pretrained(folder)
        del merged
        for name in _TOKENIZER:
            if (base_hf_dir / name).is_file():
                shutil.copyfile(base_hf_dir / name, folder / name)
        named = {} if card is None else dict(card)
        # The converter takes this one field from another file.
        by = {"general.quantized_by": named.pop("quantized_by", None)}
        if card is not None:
            write_card(folder, named)
        (work / "more.json").write_text(json.dumps(by), encoding="utf-8")
        if template is not None:
            _set_template(folder, template)
        if temperature is not None:
            _set_sampling(folder / "generation_config.json", temperature)
        file = work / "F16.gguf"
        arguments = ["--outtype", "f16", "--outfile", str(file.resolve())]
        arguments += ["--metadata", str((work / "more.json").resolve()), str(folder.resolve())]
        convert("convert_hf_to_gguf.py", [(f"adapter {adapter}, merged,", arguments)])
        if type != "F16":
            requantize(file, work / f"{type}.gguf", type)
        (work / f"{type}.gguf").replace(target)


def _set_template(folder: Path, template: str) -> None:
    """Let the folder have this chat template and no other."""
    path = folder / "tokenizer_config.json"
    config = {key: value for key, value in read_json(path).items() if key != "chat_template"}
    path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


# Of generation_config.json: what llama.cpp's converter writes as `general.sampling.*`.
_SAMPLING = ("sequence", "top_k", "top_p", "min_p", "xtc_probability", "xtc_threshold")
_SAMPLING += ("temperature", "penalty_last_n", "penalty_repeat")
_SAMPLING += ("mirostat", "mirostat_tau", "mirostat_eta")


def _set_sampling(path: Path, temperature: float) -> None:
    kept = {key: value for key, value in read_json(path).items() if key not in _SAMPLING}
    path.write_text(json.dumps(kept | {"temperature": temperature}), encoding="utf-8")


def _merged(base: Path, adapter: Path, quantization: Literal["none", "4bit"]) -> Any:
    """Return the merged transformers model, on the CPU, in the base's own dtype."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {"dtype": "auto"}
    if quantization == "4bit":
        # As training loads it; the compute dtype does not change the weights.
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, **options)
        if quantization == "4bit":
            model = model.dequantize()
            model.hf_quantizer = None
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
    except (OSError, ValueError) as err:
        raise UserError(f"base {base} cannot be loaded: {_first_line(err)}") from err
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as err:
        raise UserError(f"adapter {adapter} does not fit {base}: {_first_line(err)}") from err


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0]
