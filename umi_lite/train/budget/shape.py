"""A base model's sizes, from its config.json or its GGUF's header: no weights, no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.engine.gguf import read_gguf
from umi_lite.errors import UserError
from umi_lite.hub import check_model
from umi_lite.recipe.schema import Lora, Recipe, base_gguf
from umi_lite.train.loading import loading

_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Shape:
    """A decoder of Llama's kind: attention and a gated MLP in each layer. Widths in elements.

    `head` is one head's width; `tied`: lm_head is the embedding.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head: int
    vocab: int
    tied: bool

    @property
    def queries(self) -> int:
        return self.heads * self.head

    @property
    def keys(self) -> int:
        """Return the width of a token's keys, which its values have too."""
        return self.kv_heads * self.head

    @property
    def modules(self) -> dict[str, tuple[int, int]]:
        """Return (inputs, outputs) of a layer's linear modules."""
        wide, narrow, middle = self.queries, self.keys, self.intermediate
        ends = [(self.hidden, wide), (self.hidden, narrow), (self.hidden, narrow)]
        ends += [(wide, self.hidden), (self.hidden, middle), (self.hidden, middle)]
        return dict(zip(_LINEAR, [*ends, (middle, self.hidden)], strict=True))

    @property
    def linear(self) -> int:
        """Return the parameters of all linear modules, which 4-bit quantisation packs."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.modules.values())

    @property
    def other(self) -> int:
        """Return the parameters of embedding, head and norms, which stay in full precision."""
        tables = self.vocab * self.hidden * (1 if self.tied else 2)
        return tables + (2 * self.layers + 1) * self.hidden

    @property
    def parameters(self) -> int:
        return self.linear + self.other

    def adapted_layers(self, lora: Lora) -> int:
        return min(self.layers, lora.last_layers or self.layers)

    def targets(self, lora: Lora) -> tuple[str, ...]:
        """Return the linear modules with an adapter.

        Raises:
            UserError: a module that a decoder of Llama's kind does not have.
        """
        named = _LINEAR if isinstance(lora.targets, str) else lora.targets
        unknown = [name for name in named if name not in _LINEAR]
        if unknown:
            raise UserError(
                f"lora.targets: cannot estimate the memory of {unknown[0]!r}; known are "
                f"{', '.join(_LINEAR)}"
            )
        return named

    def trainable(self, lora: Lora) -> int:
        """Return the parameters of the adapter: r times a module's inputs plus outputs."""
        ends = sum(sum(self.modules[name]) for name in self.targets(lora))
        return self.adapted_layers(lora) * lora.r * ends


def shape_of(recipe: Recipe) -> Shape:
    """Return the sizes of the recipe's base.

    Only config.json of a hub model is fetched, or taken from the hub's cache.

    Raises:
        UserError: no such folder or file, the hub cannot be reached, or another kind of model.
    """
    name = recipe.base.model
    if name is None:
        path = base_gguf(recipe)
        assert path is not None  # Base fills it in where model is None
        return from_gguf(path)
    check_model(name)
    path = Path(name) / "config.json"
    if not path.is_file():
        path = _from_hub(name)
    with loading("config.json", name):
        tree = json.loads(path.read_text(encoding="utf-8"))
    return from_config(tree, name)


def from_config(tree: Mapping[str, Any], name: str) -> Shape:
    """Return the sizes in a transformers config.json.

    Raises:
        UserError: it lacks one of them, or has experts.
    """
    config = {**tree, **tree.get("text_config", {})}
    experts = [key for key in ("num_experts", "num_local_experts") if config.get(key)]
    if experts:
        raise UserError(
            f"base {name} is a mixture of experts ({experts[0]}): its memory cannot be estimated"
        )
    try:
        hidden, heads = config["hidden_size"], config["num_attention_heads"]
        return Shape(
            layers=config["num_hidden_layers"],
            hidden=hidden,
            intermediate=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head=config.get("head_dim") or hidden // heads,
            vocab=config["vocab_size"],
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except KeyError as err:
        raise UserError(
            f"base {name}: its config.json has no {err}, so memory cannot be estimated"
        ) from None


def from_gguf(path: Path) -> Shape:
    """Return the sizes in a GGUF's header.

    Raises:
        UserError: it is missing, damaged, or lacks one of them.
    """
    meta, tensors = read_gguf(path, "base")
    arch = meta.get("general.architecture", "?")
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    try:
        hidden = meta[f"{arch}.embedding_length"]
        heads = meta[f"{arch}.attention.head_count"]
        return Shape(
            layers=meta[f"{arch}.block_count"],
            hidden=hidden,
            intermediate=meta[f"{arch}.feed_forward_length"],
            heads=heads,
            kv_heads=meta.get(f"{arch}.attention.head_count_kv", heads),
            head=meta.get(f"{arch}.attention.key_length", hidden // heads),
            vocab=shapes["token_embd.weight"][0],
            tied="output.weight" not in shapes,
        )
    except KeyError as err:
        raise UserError(
            f"{path.name}: its header has no {err}, so memory cannot be estimated"
        ) from None


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, "config.json"))
    except (OSError, ValueError) as err:
        reason = str(err).strip().splitlines()[0]
        raise UserError(
            f"base.model {name} is not a folder here, and the hub says: {reason}; name a local "
            "folder (-o base.model=PATH)"
        ) from err
