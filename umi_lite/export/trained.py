"""What a run was trained on: the base as a Hugging Face folder, and how it reads text."""

import json
from contextlib import closing
from pathlib import Path

from umi_lite.base import cache_folder, embedded_gguf, hf_folder, local_folder
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.template import Message, Part
from umi_lite.recipe import Recipe
from umi_lite.recipe_names import template_text
from umi_lite.runtime.gguf import read_header
from umi_lite.runtime.llama import Model
from umi_lite.runtime.words import Words
from umi_lite.train.tokenizer import Language, load_language

# Architectures whose window llama.cpp reads and does not use (its src/models/phi3.cpp).
_WINDOW_IGNORED = ("phi3",)
# Ordinary texts, in the shapes in which pre-tokenizers differ: another reading is another model.
_TEXTS = (
    "Plan 3 of 12: call it, don't guess.\nNext: caller",
    'find_2 {"from": "2024-07-26", "n": -1.5e3, "tags": ["a b", "\\n"]}',
    "  two  spaces\n\n\n\tand a tab\r\n",
    "def f(x):\n    return x ** 2  # ok\n",
)
# llama.cpp's pre-tokenizers do not know every script (gpt-oss: Devanagari).
_SCRIPTS = (
    "Größe, naïve, 12,5 € – « ça va »", "Привет, мир", "Αθήνα", "東京で3回", "한국어", "مرحبا",
    "שלום", "हिन्दी", "ภาษาไทย", "🚀👩\u200d👧",
)  # fmt: skip


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


def check_reading(recipe: Recipe, folder: Path, base_gguf: Path) -> list[str]:
    """Check that the base GGUF words and reads a conversation as training did.

    Else the roles would read prompts that they never saw, without any error. A recipe's own
    template goes with the bundle.

    Returns:
        Texts that the GGUF reads otherwise: of other scripts than Latin, and look-alikes of special
        tokens (`<|fim_prefix|>` in a user's text).

    Raises:
        UserError: chat template, end of turn or vocabulary differ, or the GGUF has no template.
    """
    if not isinstance(read_header(base_gguf, "base").get("tokenizer.chat_template"), str):
        raise UserError(f"base {base_gguf} has no chat template: take one of an instruct model")
    own = template_text(recipe.base.template) if recipe.base.template else None
    trained = load_language(folder, template=own)
    with closing(Model.vocabulary(base_gguf)) as model:
        deployed = Words(model, own)
        for text in _TEXTS:
            _compare(text, trained, deployed, base_gguf)
        return [
            text
            for text in (*_SCRIPTS, *trained.tokenizer.added())
            if trained.tokenizer.encode(text, special=False) != model.encode(text, special=False)
        ]


def _compare(text: str, trained: Language, deployed: Words, base_gguf: Path) -> None:
    messages = [
        Message("system", (Part(text, False),)),
        Message("user", (Part(text, False),)),
        Message("assistant", (Part(text, True),)),
        Message("user", (Part(text, False),)),
    ]
    pieces, others = (side.template.pieces(messages) for side in (trained, deployed))
    if "".join(piece.text for piece in pieces) != "".join(piece.text for piece in others):
        raise UserError(
            f"base {base_gguf} has another chat template than the run was trained with: take "
            "the GGUF of the same model, or train with base.template, which the bundle carries"
        )
    ends = trained.template.end_of_turn, deployed.template.end_of_turn
    if ends[0] != ends[1]:
        raise UserError(
            f"base {base_gguf} ends a turn with {ends[1]!r}, the run was trained with {ends[0]!r}: "
            "take the GGUF of the same model"
        )
    for piece in pieces:
        ids = trained.tokenizer.encode(piece.text, special=piece.special)
        if ids != deployed.encode(piece.text, special=piece.special):
            raise UserError(
                f"base {base_gguf} has another vocabulary than the run was trained with (it reads "
                f"{piece.text!r} as other tokens): take the GGUF of the same model"
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
