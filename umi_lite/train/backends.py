"""The two trainers' models behind one interface. The only file that knows Unsloth.

Both give a PEFT model to TRL's SFTTrainer and save ordinary PEFT adapters, so that a run may
go on with the other one.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any, Literal, Protocol

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train.attention import register
from umi_lite.train.processes import device_map, is_sharded, threads, world_size

Name = Literal["plain", "unsloth"]


class Backend(Protocol):
    """Where a job's model comes from."""

    packs: bool
    """Does it attend as `attention` says (shared-prefix packing)?"""

    def open(self, start: Path | None, seed: int) -> tuple[Any, Any]:
        """A PEFT model ready to train and its tokenizer; `start` is an adapter to continue."""
        ...

    def close(self, model: Any) -> None:
        """The job is done with the model."""
        ...


def choose(recipe: Recipe) -> Name:
    """The backend a recipe runs on: `auto` takes Unsloth where it is installed and a GPU is.

    Raises:
        UserError: Unsloth was asked for and is not installed, or cannot do what the recipe says.
    """
    has_unsloth = importlib.util.find_spec("unsloth") is not None
    own_mask = recipe.packing == "shared_prefix"
    several = world_size() > 1
    if recipe.backend == "unsloth":
        if not has_unsloth:
            raise UserError("backend: unsloth is not installed (pip install --no-deps unsloth)")
        if own_mask:
            raise UserError("packing: shared_prefix needs backend plain; unsloth packs nothing")
        if several:
            raise UserError(
                f"backend: unsloth trains in one process of its own here; {world_size()} processes "
                "need -o backend=plain"
            )
        return "unsloth"
    if recipe.backend == "auto" and has_unsloth and has_gpu() and not own_mask and not several:
        return "unsloth"
    return "plain"


def make(name: Name, recipe: Recipe, model: str) -> Backend:
    """The backend on a base model (a folder or hub id)."""
    return (Plain if name == "plain" else Unsloth)(recipe, model)


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def precision(recipe: Recipe) -> Literal["fp32", "bf16", "fp16"]:
    """The recipe's precision, `auto` resolved: bf16 where the GPU has it, fp32 on a CPU."""
    if recipe.precision != "auto":
        return recipe.precision
    import torch

    if not torch.cuda.is_available():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def dtype_of(recipe: Recipe) -> Any:
    """The base's torch dtype for the recipe's precision."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return kinds[precision(recipe)]


def _targets(recipe: Recipe) -> str | list[str]:
    targets = recipe.lora.targets
    return targets if isinstance(targets, str) else list(targets)


def _layers(recipe: Recipe, model: Any) -> list[int] | None:
    """The layers to adapt, by number; None is all of them."""
    wanted = recipe.lora.last_layers
    if wanted is None:
        return None
    count = model.config.num_hidden_layers
    if wanted > count:
        raise UserError(f"lora.last_layers is {wanted}, but the base has {count} layers")
    return list(range(count - wanted, count))


class Plain:
    """transformers + PEFT, in full precision or NF4. The base is loaded once for all jobs."""

    packs = True

    def __init__(self, recipe: Recipe, model: str):
        self._recipe = recipe
        self._model = model
        self._base: Any = None
        self._tokenizer: Any = None

    def open(self, start: Path | None, seed: int) -> tuple[Any, Any]:
        """See Backend. A new adapter's A matrices depend on `seed`; B is zero."""
        from peft import LoraConfig, PeftModel, get_peft_model
        from transformers import set_seed

        if self._base is None:
            self._base, self._tokenizer = self._load()
        set_seed(seed)
        if start is not None:
            return PeftModel.from_pretrained(self._base, str(start), is_trainable=True), (
                self._tokenizer
            )
        lora = self._recipe.lora
        config = LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=_targets(self._recipe),
            layers_to_transform=_layers(self._recipe, self._base),
            task_type="CAUSAL_LM",
        )
        return get_peft_model(self._base, config), self._tokenizer

    def close(self, model: Any) -> None:
        """Take the adapter off, so that the next job finds the bare base. FSDP's pieces do not
        come together again: there the next job loads it anew."""
        if is_sharded():
            self._base = None
            return
        self._base = model.unload()
        # PEFT leaves it behind, and warns of a second adapter then.
        if hasattr(self._base, "peft_config"):
            del self._base.peft_config

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

        dtype = dtype_of(self._recipe)
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
        if has_gpu():
            options["device_map"] = device_map()
        try:
            model = AutoModelForCausalLM.from_pretrained(self._model, **options)
            tokenizer = AutoTokenizer.from_pretrained(self._model)
        except OSError as err:
            reason = str(err).strip().splitlines()[0]
            raise UserError(f"the base model {self._model} cannot be loaded: {reason}") from err
        model.config.use_cache = False
        return model, tokenizer


class Unsloth:
    """Unsloth's FastLanguageModel. It patches transformers when it is imported, and must be
    imported first: `umi_lite.train.child` runs it in a process of its own."""

    packs = False

    def __init__(self, recipe: Recipe, model: str):
        self._recipe = recipe
        self._model = model

    def open(self, start: Path | None, seed: int) -> tuple[Any, Any]:
        """See Backend. The base is loaded anew for each job: Unsloth cannot take an adapter off."""
        from unsloth import FastLanguageModel

        recipe = self._recipe
        four_bit = recipe.quantization == "4bit"
        model, tokenizer = FastLanguageModel.from_pretrained(
            model_name=str(start or self._model),
            max_seq_length=recipe.max_length,
            dtype=dtype_of(recipe),
            load_in_4bit=four_bit,
            load_in_16bit=not four_bit,
        )
        checkpointing = "unsloth" if recipe.gradient_checkpointing else False
        if start is None:
            lora = recipe.lora
            model = FastLanguageModel.get_peft_model(
                model,
                r=lora.r,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules=_targets(recipe),
                layers_to_transform=_layers(recipe, model),
                use_gradient_checkpointing=checkpointing,
                random_state=seed,
            )
        else:
            # Untyped: it is attached when Unsloth is imported.
            fast: Any = FastLanguageModel
            fast.for_training(model, use_gradient_checkpointing=checkpointing)
        return model, tokenizer

    def close(self, model: Any) -> None:
        """Nothing is kept."""
        import gc

        import torch

        del model
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def prepare_process(name: Name) -> None:
    """Import Unsloth before anything that it patches; use all the cores this process may."""
    if name == "unsloth":
        os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
        importlib.import_module("unsloth")
    import torch

    if not torch.cuda.is_available():
        torch.set_num_threads(threads())
