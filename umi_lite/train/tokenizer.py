"""`Language`: a Hugging Face tokenizer that reads as llama.cpp does, and the chat template."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.protocol.template import ChatTemplate
from umi_lite.weights.llama_vocab import as_llama_cpp, ends_of


class HFTokenizer:
    """Encodes a piece of a prompt as llama.cpp does: special tokens parsed or plain text.

    Args:
        json_text: a tokenizer.json.
    """

    def __init__(self, json_text: str):
        from tokenizers import Tokenizer

        # Two of them, because the switch is a property of the tokenizer, not of a call.
        self._special = Tokenizer.from_str(json_text)
        self._plain = Tokenizer.from_str(json_text)
        for tokenizer in (self._special, self._plain):
            as_llama_cpp(tokenizer)
        self._plain.encode_special_tokens = True

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return token ids without a BOS. `special`: parse special tokens in `text`."""
        tokenizer = self._special if special else self._plain
        return tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, with special tokens."""
        return self._special.decode(list(ids), skip_special_tokens=False)

    def added(self) -> list[str]:
        """Return the texts of the tokens that are not of the merges: special ones and others."""
        tokens = self._special.get_added_tokens_decoder().values()
        return [str(token.content) for token in tokens]

    def ends(self, eos: str) -> list[str]:
        """Return the texts of the tokens that end generation; `eos` is one of them if it exists."""
        return ends_of(self._special, eos)


@dataclass(frozen=True)
class Language:
    """How a base model reads: its tokenizer and its chat template."""

    tokenizer: HFTokenizer
    template: ChatTemplate


def load_language(model: str | Path, *, template: str | None = None) -> Language:
    """Load tokenizer and chat template of a local HF folder or a hub id.

    A local folder is read without importing transformers (0.3 s against several).

    Args:
        model: folder with tokenizer.json, or a hub id.
        template: jinja text to use instead of the model's own chat template.

    Raises:
        UserError: no fast tokenizer, no chat template, or one that cannot be used.
    """
    folder = Path(model)
    if (folder / "tokenizer.json").is_file():
        json_text, tokens, source = _read_folder(folder)
    else:
        json_text, tokens, source = _read_hub(str(model))
    template = template or source
    if not template:
        raise UserError(f"{model} has no chat template: name an instruct model or base.template")
    tokenizer = HFTokenizer(json_text)
    bos, eos = tokens["bos_token"], tokens["eos_token"]
    ends = tokenizer.ends(eos)
    if not ends:
        raise UserError(f"{model}: its tokenizer has no token that could end a turn")
    return Language(tokenizer, ChatTemplate(template, ends=ends, bos=bos, eos=eos))


def _read_folder(folder: Path) -> tuple[str, dict[str, str], str | None]:
    config: dict[str, Any] = {}
    config_path = folder / "tokenizer_config.json"
    if config_path.is_file():
        config = json.loads(config_path.read_text(encoding="utf-8"))
    source = config.get("chat_template")
    if isinstance(source, list):  # several named templates; "default" is the chat one
        source = next((t["template"] for t in source if t["name"] == "default"), None)
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        source = jinja.read_text(encoding="utf-8")

    def text(name: str) -> str:
        token = config.get(name) or ""
        return token["content"] if isinstance(token, dict) else token

    json_text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return json_text, {name: text(name) for name in ("bos_token", "eos_token")}, source


def _read_hub(model: str) -> tuple[str, dict[str, str], str | None]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as err:
        reason = str(err).strip().splitlines()[0]
        raise UserError(f"base.model {model!r} could not be read: {reason}") from err
    if not tokenizer.is_fast:
        raise UserError(f"{model} has no fast tokenizer (tokenizer.json)")
    tokens = {"bos_token": tokenizer.bos_token or "", "eos_token": tokenizer.eos_token or ""}
    return tokenizer.backend_tokenizer.to_str(), tokens, tokenizer.chat_template
