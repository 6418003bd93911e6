"""The peak memory of a job, part by part, computed from the base's sizes and the job's batches.

Parts are what is alive at the same time at the worst moment of a step. On a CPU that is the begin
of the backward pass with all that was there before it, since freed memory stays resident. On a
GPU it is the loss, or a layer's backward pass, whichever takes more: one is over when the other
begins, and torch's allocator hands the memory on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.shape import Shape
from umi_lite.train.dataset import Ready, rows_of
from umi_lite.train.device import Setting
from umi_lite.train.samples import Pack

GIB = 1 << 30
_FP32 = 4
# Python with torch, transformers, TRL and PEFT imported and a job's rows made: resident bytes of
# a process before it opens a model (measured with torch 2.13 on Linux; benchmarks/README.md).
_IMPORTS = 610 << 20
# What Unsloth's import adds to it (measured: 516 and 525 MiB without and with it).
_UNSLOTH_IMPORT = 10 << 20
# A CUDA context with the kernels of torch, cuBLAS, bitsandbytes and Triton (measured: 0.75 GiB
# plain, 0.82 with Unsloth on an H100 with CUDA 13; benchmarks/gpu). Smaller cards take less.
CUDA_CONTEXT = 768 << 20
# PyTorch's caching allocator holds blocks whose rest is too small for what comes (measured there:
# 3% with Unsloth, which lets segments grow, 17% plain).
_CUDA_HOLES = 0.08
# NF4: half a byte a weight, a byte of absmax for 64, whose own scale is 4 bytes for 256 of them
# (QLoRA, arXiv 2305.14314, section 3, double quantisation).
_NF4 = 0.5 + 1 / 64 + _FP32 / (64 * 256)
# What Unsloth's fused loss should find on a card for a piece of the logits (estimated).
_LEAST_PIECE = 512 << 20
# 8-bit moments: a byte each and 4 bytes of scale for 256 (bitsandbytes' block-wise optimizers).
_MOMENTS = {"adamw": 2.0 * _FP32, "adamw_8bit": 2 * (1 + _FP32 / 256)}


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once.

    Attributes:
        tokens: in all, padding included.
        logits: positions whose logits are computed.
        seen: keys that the continuations of a pack attend to, those of the prefix counted for
            each; 0 without continuations.
        masked: (token, key) pairs of their masks.
    """

    tokens: int
    logits: int
    seen: int = 0
    masked: int = 0


@dataclass(frozen=True)
class Estimate:
    """Bytes by part; `total` is the peak."""

    parts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())

    @property
    def tensors(self) -> int:
        """What `torch.cuda.max_memory_allocated` counts: neither context nor allocator."""
        return self.total - self.parts["runtime"] - self.parts["allocator"]

    def __str__(self) -> str:
        largest = sorted(self.parts.items(), key=lambda part: -part[1])
        told = ", ".join(f"{name} {size / GIB:.2f}" for name, size in largest if size >= 5 << 20)
        return f"{self.total / GIB:.2f} GiB ({told})"


def micro_batches(ready: Ready, recipe: Recipe, setting: Setting) -> list[MicroBatch]:
    """All that a job puts through the model, in order.

    Packs go one by one, with logits at their targets alone (`collate.pack_inputs`); rows
    `recipe.micro_batch` at once, and Unsloth pads them and computes all their logits.
    """
    items = ready.items
    shared = setting.backend == "plain" and recipe.packing != "none"
    size = 1 if shared else recipe.micro_batch
    groups = [items[i : i + size] for i in range(0, len(items), size)]
    if setting.backend == "unsloth":
        widths = [(len(group), max(len(item.ids) for item in group)) for group in groups]
        return [MicroBatch(count * width, count * width) for count, width in widths]
    return [_packed(group) for group in groups]


def _packed(items: Sequence[object]) -> MicroBatch:
    """Packs one after another in one sequence; each continuation has its own mask."""
    packs = [item for item in items if isinstance(item, Pack)]
    seen = masked = 0
    for pack in packs:
        if len(pack.lengths) > 1:
            seen += sum(pack.prefix + length for length in pack.lengths)
            masked += sum(length * (pack.prefix + length) for length in pack.lengths)
    tokens, logits = sum(len(p.ids) for p in packs), sum(p.trained for p in packs)
    return MicroBatch(tokens, logits, seen, masked)


def longest_row(ready: Sequence[Ready]) -> int:
    """Tokens of the longest row of all the jobs."""
    return max(len(row.ids) for r in ready for item in r.items for row in rows_of(item))


def peak(shape: Shape, recipe: Recipe, setting: Setting, ready: Sequence[Ready]) -> Estimate:
    """The largest estimate of all the jobs' micro-batches: jobs run one after another."""
    batches = {batch for r in ready for batch in micro_batches(r, recipe, setting)}
    made = (estimate(shape, recipe, setting, batch) for batch in batches)
    return max(made, key=lambda one: one.total)


def estimate(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> Estimate:
    """Peak bytes of a micro-batch's training step: resident memory on a CPU, the card's on a GPU.

    Raises:
        UserError: the recipe adapts modules that no estimate knows.
    """
    trained = shape.trainable(recipe.lora)
    parts = {
        "runtime": _runtime(setting),
        **_base(shape, recipe, setting),
        "adapter": trained * _FP32,
        "gradients": trained * _FP32,
        "optimizer": round(trained * _moments(recipe, setting)),
    }
    moving = _moving(shape, recipe, setting, batch)
    return Estimate(parts | moving | _holes(shape, recipe, setting, batch, sum(moving.values())))


def _runtime(setting: Setting) -> int:
    """The libraries: RAM on a CPU, the context on a GPU (whose code is in RAM)."""
    if setting.device == "cuda":
        return CUDA_CONTEXT
    return _IMPORTS + (_UNSLOTH_IMPORT if setting.backend == "unsloth" else 0)


def _moving(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> dict[str, int]:
    """What comes and goes in a step: kept activations, the loss, a layer's backward pass."""
    loss = {"logits": _logits(shape, setting, batch)}
    layer = {"working set": _working(shape, setting, batch)}
    if recipe.gradient_checkpointing:
        layer["a layer again"] = _layer(shape, recipe, setting, batch)
    if recipe.quantization == "4bit":
        # The module at hand, unpacked for its product; on a CPU packed blocks are, too.
        widest = max(inputs * outputs for inputs, outputs in shape.modules.values())
        layer["4-bit unpacking"] = widest * setting.width
    kept = {"activations": _activations(shape, recipe, setting, batch)}
    if setting.device == "cpu":
        return kept | loss | layer
    return kept | max(loss, layer, key=lambda moment: sum(moment.values()))


def _base(shape: Shape, recipe: Recipe, setting: Setting) -> dict[str, int]:
    """The frozen weights. In 4 bits only the linear modules of the layers are packed.

    Where a card is just large enough, Unsloth keeps in RAM an embedding that is not the head too
    (`offload_embedding="auto"`; where nothing needs the room it stays). On a CPU the file's pages
    count, too: safetensors maps the file, the embedding goes on pointing into it, and so all
    pages that were read stay resident.
    """
    offloaded = setting.offloads and not shape.tied
    in_ram = shape.vocab * shape.hidden * setting.width if offloaded else 0
    if recipe.quantization != "4bit":
        return {"base weights": shape.parameters * setting.width - in_ram}
    linear = round(shape.linear * _NF4)
    if setting.device == "cpu":
        return {"base weights": linear, "the base's mapped file": shape.parameters * _FP32}
    return {"base weights": linear + shape.other * setting.width - in_ram}


def _moments(recipe: Recipe, setting: Setting) -> float:
    """Bytes of AdamW's two moments a parameter."""
    if recipe.optimizer == "auto":
        return _MOMENTS["adamw_8bit" if setting.device == "cuda" else "adamw"]
    return _MOMENTS[recipe.optimizer]


def _activations(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> int:
    """What autograd keeps of the forward pass until the backward pass comes to it.

    Layers below the first adapter keep nothing. With gradient checkpointing a layer keeps its
    input alone (Chen et al., arXiv 1604.06174), all layers do, and one is computed again.
    Unsloth moves these inputs to RAM.
    """
    if not recipe.gradient_checkpointing:
        return shape.adapted_layers(recipe.lora) * _layer(shape, recipe, setting, batch)
    kept = 1 if setting.offloads else shape.layers
    return kept * batch.tokens * shape.hidden * setting.width


def _layer(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> int:
    """What one layer keeps for its backward pass, counted from what its operations save.

    In elements a token: both norms their input; attention its queries, keys, values and output;
    the gated MLP the gate, its SiLU and the other half; a linear module with an adapter its
    input, shared by q, k, v and by gate and up, and the r outputs of A. In half precision a norm
    computes in fp32, and each adapter casts its input to its own fp32 and back (PEFT), so that
    no two share it. For a pack the keys and values of the prefix are copied for each
    continuation, and its mask becomes numbers.
    """
    targets, width = shape.targets(recipe.lora), setting.width
    at_norms = 2 * shape.hidden
    attention = 2 * shape.queries + 2 * shape.keys
    mlp = 3 * shape.intermediate
    groups = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
    inputs = 0
    for group in groups:
        adapted = [shape.modules[name][0] for name in group if name in targets]
        inputs += sum(adapted) if width < _FP32 else max(adapted, default=0)
    token = at_norms + attention + mlp + inputs + recipe.lora.r * len(targets)
    extra = 2 * at_norms * _FP32 if width < _FP32 and setting.backend == "plain" else 0
    copies = 2 * shape.keys * batch.seen * width + batch.masked * width
    return batch.tokens * (token * width + extra) + copies


def _working(shape: Shape, setting: Setting, batch: MicroBatch) -> int:
    """What a layer's backward pass holds at once besides: the gradients at the MLP's four inner
    results and at the residual stream.
    """
    return batch.tokens * (4 * shape.intermediate + 2 * shape.hidden) * setting.width


def _logits(shape: Shape, setting: Setting, batch: MicroBatch) -> int:
    """Of the trained positions: fp32, made into their own gradient in place; half precision keeps
    the model's own beside them. Unsloth computes those of whole rows in pieces, at 16 bytes a
    logit: of 4 GB at most in RAM, on a card of half of what is free, and so of what must be.
    """
    if setting.backend == "unsloth":
        piece = _LEAST_PIECE if setting.device == "cuda" else 4 * GIB
        return min(batch.logits * shape.vocab * 16, piece)
    own = 0 if setting.precision == "fp32" else 2 * setting.width
    return batch.logits * shape.vocab * (_FP32 + own)


def _holes(
    shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch, moving: int
) -> dict[str, int]:
    """Memory that the allocator holds and nobody uses.

    glibc gives a freed, aligned block of less than 32 MB to no other tensor of its size (`malloc`
    asks for more than the size and cuts off what is not aligned), so that what each layer's
    forward pass lets go stays: of gate and up an adapter's result and its scaled copy, the MLP's
    product where no adapter keeps it, and four of the residual stream's width (the free bytes of
    `mallinfo2`, layer by layer, are as many). Later steps find it. Layers that keep nothing for
    a backward pass leave no holes: what they free lies together.
    """
    if setting.device == "cuda":
        return {"allocator": round(_CUDA_HOLES * moving)}
    targets = shape.targets(recipe.lora)
    wide = 2 * sum(name in targets for name in ("gate_proj", "up_proj"))
    wide += "down_proj" not in targets
    freed = wide * shape.intermediate + 4 * shape.hidden
    layers = shape.layers if recipe.gradient_checkpointing else shape.adapted_layers(recipe.lora)
    return {"allocator": layers * batch.tokens * freed * setting.width}
