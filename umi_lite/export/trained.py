"""What a run was trained on: the base as a Hugging Face folder, and its chat template."""

import json
from pathlib import Path
from typing import Any

from umi_lite.base import cache_folder, embedded_gguf, hf_folder, local_folder
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.template import ChatTemplate, Message, Part
from umi_lite.recipe import Recipe
from umi_lite.runtime.gguf import read_header

# Architectures whose window llama.cpp reads and does not use (its src/models/phi3.cpp).
_WINDOW_IGNORED = ("phi3",)
_CONVERSATION = [
    Message("system", (Part("S", False),)),
    Message("user", (Part("U", False),)),
    Message("assistant", (Part("A", True),)),
    Message("user", (Part("V", False),)),
]


def base_folder(recipe: Recipe, adapter: Path) -> Path:
    """The weights that the run was trained on, as a local folder; nothing is downloaded.

    Raises:
        UserError: they are not on this machine.
    """
    if recipe.base.model is None:
        gguf = recipe.base.gguf or "embedded"
        path = embedded_gguf() if gguf == "embedded" else Path(gguf).expanduser()
        return hf_folder(path, cache_folder())
    config = adapter / "adapter_config.json"
    told = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    # Unsloth may have trained on a quantised copy under another id: the config is the same.
    for name in (recipe.base.model, told.get("base_model_name_or_path")):
        folder = local_folder(name) if name else None
        if folder:
            return folder
    raise UserError(
        f"base.model {recipe.base.model} is not on this machine: export where it was trained, "
        f"or download it first (hf download {recipe.base.model})"
    )


def check_template(recipe: Recipe, folder: Path, base_gguf: Path) -> None:
    """Does the base GGUF word a conversation as training did? Else the roles would read
    prompts that they never saw, without any error. A recipe's own template goes with the bundle.

    Raises:
        UserError: the chat templates differ in what they write, or the GGUF has none.
    """
    deployed = read_header(base_gguf, "base").get("tokenizer.chat_template")
    if not isinstance(deployed, str):
        raise UserError(f"base {base_gguf} has no chat template: take one of an instruct model")
    config = _tokenizer_config(folder)
    trained = _trained_template(folder, config)
    if recipe.base.template or trained is None or trained == deployed:
        return
    tokens = {name: _text(config.get(f"{name}_token")) for name in ("bos", "eos")}
    wordings = [
        ChatTemplate(source, end_of_turn=tokens["eos"], **tokens).pieces(_CONVERSATION)
        for source in (trained, deployed)
    ]
    if wordings[0] != wordings[1]:
        raise UserError(
            f"base {base_gguf} has another chat template than the run was trained with: take "
            "the GGUF of the same model, or train with base.template, which the bundle carries"
        )


def window_note(folder: Path, base_gguf: Path) -> str | None:
    """What differs where llama.cpp runs a model without the sliding window that it has.

    Args:
        folder: the HF folder of what was trained on.

    Returns:
        One line, or None where there is no window or llama.cpp has it too.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config") or config
    window = config.get("sliding_window")
    kinds = config.get("layer_types")
    slides = "sliding_attention" in kinds if kinds else config.get("use_sliding_window", True)
    if not window or not slides:
        return None
    header = read_header(base_gguf, "base")
    arch = header.get("general.architecture")
    if header.get(f"{arch}.attention.sliding_window") and arch not in _WINDOW_IGNORED:
        return None
    return (
        f"llama.cpp runs {base_gguf.name} ({arch}) without the sliding window of {window} tokens "
        f"that it was trained with: keep n_ctx at {window} or below"
    )


def _trained_template(folder: Path, config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    source = config.get("chat_template")
    if isinstance(source, list):  # several named ones; `default` is for chat
        source = next((each["template"] for each in source if each["name"] == "default"), None)
    return source


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _text(token: Any) -> str:
    return token["content"] if isinstance(token, dict) else token or ""
