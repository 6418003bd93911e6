"""Backend plain: transformers and PEFT alone."""

from pathlib import Path
from typing import Any, Literal

from umi_lite.recipe.schema import Recipe
from umi_lite.train import adapter
from umi_lite.train.activated import OwnTurns
from umi_lite.train.attention import check_config, register
from umi_lite.train.contexts import Contexts, ContextStore
from umi_lite.train.device import Setting
from umi_lite.train.distributed import device_map, is_sharded
from umi_lite.train.loading import check_whole, loading
from umi_lite.train.targets import targets_of
from umi_lite.train.under import freeze, merge


class Plain:
    """In full precision or NF4. The base is loaded once for all jobs, and its adapter stays."""

    packs = True

    def __init__(self, recipe: Recipe, model: str, setting: Setting):
        self.setting = setting
        self._recipe = recipe
        self._name = model
        self._model: Any = None
        self._tokenizer: Any = None
        self._under: Path | None = None

    def open(self, start: Path | None, seed: int, under: Path | None = None) -> tuple[Any, Any]:
        """See Backend. Where what is under the adapter changes, the base is loaded again."""
        if under != self._under:
            self._model, self._under = None, under
        if self._model is None:
            self._model, self._tokenizer = self._adapted(under)
        adapter.begin(self._model, start, seed)
        self._model.train()
        return self._model, self._tokenizer

    def close(self, model: Any) -> None:
        """See Backend. FSDP's shards cannot be joined again: the next job reloads the base."""
        if is_sharded():
            self._model = None
            return
        adapter.release(model)
        if self._recipe.gradient_checkpointing:
            model.disable_input_require_grads()  # each trainer adds its own hook

    def own_turns(self, contexts: Contexts, store: ContextStore) -> OwnTurns:
        """See Backend."""
        return OwnTurns(contexts, store)

    def _adapted(self, under: Path | None) -> tuple[Any, Any]:
        """Load the base; in full precision `under` is merged, else it stays an adapter."""
        base, tokenizer = self._load()
        exact = self.setting.precision == "fp32" and self._recipe.quantization == "none"
        if under and exact:
            merge(base, under)
        model = _adapted(base, self._recipe, under)
        if under and not exact:
            freeze(model, under)
        return model, tokenizer

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

        dtype = self.setting.dtype
        options: dict[str, Any] = {"dtype": dtype, "attn_implementation": register()}
        if self._recipe.quantization == "4bit":
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=dtype,
                # FSDP flattens a layer's weights, which must have one type for it.
                bnb_4bit_quant_storage=dtype if is_sharded() else None,
            )
        if self.setting.device == "cuda":
            options["device_map"] = device_map()
        with loading("weights", self._name):
            made: Any = AutoModelForCausalLM.from_pretrained(
                self._name, output_loading_info=True, **options
            )
            model, found = made
            tokenizer = AutoTokenizer.from_pretrained(self._name)
        check_config(model.config, self._name)
        check_whole(self._name, found["missing_keys"])
        model.config.use_cache = False
        _keep_trainable(model)
        return model, tokenizer


def settings(recipe: Recipe) -> dict[str, Any]:
    """Return SFTConfig's arguments for this backend alone.

    TRL lets gradients into the frozen embeddings where checkpointing is on; norms and embeddings
    keep the base's precision.
    """
    kwargs: dict[Literal["use_reentrant"], bool] = {"use_reentrant": False}
    return {"gradient_checkpointing_kwargs": kwargs if recipe.gradient_checkpointing else None}


def _adapted(base: Any, recipe: Recipe, under: Path | None) -> Any:
    from peft import LoraConfig, get_peft_model

    lora, adapted = recipe.lora, targets_of(recipe, base, under)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=adapted.modules,
        layers_to_transform=adapted.layers,
        task_type="CAUSAL_LM",
    )
    if recipe.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return get_peft_model(base, config)


def _keep_trainable(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on a CPU.

    With AVX512-BF16 it (0.50, Linear4bit.forward) does so at the first evaluation, and training
    would continue through the packed ones.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
