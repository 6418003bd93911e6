"""Backend unsloth: its FastLanguageModel. The only file that knows Unsloth.

It patches transformers when it is imported, and must be imported first: `umi_lite.train.child`
runs it in a separate process.
"""

import importlib
import os
from pathlib import Path
from typing import Any

from umi_lite.recipe.schema import Recipe
from umi_lite.train import adapter
from umi_lite.train.cached_turns import CachedTurns, put_under, take_turns
from umi_lite.train.contexts import Contexts, ContextStore
from umi_lite.train.device import Setting
from umi_lite.train.loading import loading
from umi_lite.train.targets import targets_of


class Unsloth:
    """In 16 or 32 bit or NF4. The base is loaded once for all jobs, and its adapter stays."""

    packs = False

    def __init__(self, recipe: Recipe, model: str, setting: Setting):
        self.setting = setting
        self._recipe = recipe
        self._name = model
        self._model: Any = None
        self._tokenizer: Any = None
        self._under: Path | None = None

    def open(self, start: Path | None, seed: int, under: Path | None = None) -> tuple[Any, Any]:
        """See Backend."""
        from unsloth import FastLanguageModel

        # Untyped: some of it is added when Unsloth is imported.
        fast: Any = FastLanguageModel
        checkpointing = "unsloth" if self._recipe.gradient_checkpointing else False
        if self._recipe.of_own_turns() != self._recipe and bool(under) != bool(self._under):
            self._model, self._under = None, None  # the other stage's adapter has other layers
        if self._model is None:
            self._model, self._tokenizer = self._load(fast, checkpointing, under)
            take_turns(self._model)
        if under != self._under:
            put_under(self._model, under)
            self._under = under
        adapter.begin(self._model, start, seed)
        fast.for_training(self._model, use_gradient_checkpointing=checkpointing)
        return self._model, self._tokenizer

    def close(self, model: Any) -> None:
        """See Backend."""
        adapter.release(model)

    def own_turns(self, contexts: Contexts, store: ContextStore) -> CachedTurns:
        """See Backend."""
        return CachedTurns(contexts, store, self.setting)

    def _load(self, fast: Any, checkpointing: str | bool, under: Path | None) -> tuple[Any, Any]:
        recipe = self._recipe
        four_bit = recipe.quantization == "4bit"
        with loading("weights", self._name):
            base, tokenizer = fast.from_pretrained(
                model_name=self._name,
                max_seq_length=recipe.max_length,
                dtype=self.setting.dtype,
                load_in_4bit=four_bit,
                load_in_16bit=not four_bit,
                use_gradient_checkpointing=checkpointing,
            )
        cap_scores(base)
        lora, adapted = recipe.lora, targets_of(recipe, base, under)
        model = fast.get_peft_model(
            base,
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=adapted.modules,
            layers_to_transform=adapted.layers,
            use_gradient_checkpointing=checkpointing,
            random_state=recipe.seed,
        )
        return model, tokenizer


def cap_scores(model: Any) -> None:
    """Give a model with capped attention scores (Gemma 2) an attention that caps them.

    torch's own (sdpa), which Unsloth chooses without flash attention, leaves the cap out.
    """
    config = model.config.get_text_config()
    if getattr(config, "attn_logit_softcapping", None) and config._attn_implementation == "sdpa":
        model.set_attn_implementation("eager")


def prepare() -> None:
    """Import Unsloth, before anything that it patches."""
    os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
    importlib.import_module("unsloth")
