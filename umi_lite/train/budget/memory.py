"""The peak memory of a job, part by part, computed from the base's sizes and the job's batches.

The parts are alive at the same time, at the worst moment of a step. On a CPU that is the begin of
the backward pass with everything before it, since freed memory stays resident. On a GPU it is the
loss or a layer's backward pass, whichever takes more: one has ended when the other begins, and
torch's allocator reuses the memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from umi_lite.recipe.schema import Recipe
from umi_lite.train.budget.shape import Shape
from umi_lite.train.dataset import Ready, rows_of
from umi_lite.train.device import Setting
from umi_lite.train.packs import Pack

GIB = 1 << 30
_FP32 = 4
# Resident bytes of a process before it opens a model: Python with torch, transformers, TRL and PEFT
# imported and a job's rows made (measured with torch 2.13 on Linux; benchmarks/README.md).
_IMPORTS = 610 << 20
# What Unsloth's import adds to it (measured: 516 and 525 MiB without and with it).
_UNSLOTH_IMPORT = 10 << 20
# A CUDA context with the kernels of torch, cuBLAS, bitsandbytes and Triton (measured: 0.75 GiB
# plain, 0.82 with Unsloth on an H100 with CUDA 13; benchmarks/gpu). Smaller cards take less.
CUDA_CONTEXT = 768 << 20
# PyTorch's caching allocator holds blocks too small for later requests (measured there:
# 3% with Unsloth, which lets segments grow, 17% plain).
_CUDA_HOLES = 0.08
# NF4: half a byte a weight, a byte of absmax for 64, whose own scale is 4 bytes for 256 of them
# (QLoRA, arXiv 2305.14314, section 3, double quantisation).
_NF4 = 0.5 + 1 / 64 + _FP32 / (64 * 256)
# Free memory of a GPU that Unsloth's fused loss needs for a chunk of the logits (estimated).
_LEAST_CHUNK = 512 << 20
# 8-bit moments: a byte each and 4 bytes of scale for 256 (bitsandbytes' block-wise optimizers).
_MOMENTS = {"adamw": 2.0 * _FP32, "adamw_8bit": 2 * (1 + _FP32 / 256)}


@dataclass(frozen=True)
class MicroBatch:
    """One micro-batch, in numbers.

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
        """Return what `torch.cuda.max_memory_allocated` counts: neither context nor allocator."""
        return self.total - self.parts["runtime"] - self.parts["allocator"]

    def __str__(self) -> str:
        largest = sorted(self.parts.items(), key=lambda part: -part[1])
        parts = ", ".join(f"{name} {size / GIB:.2f}" for name, size in largest if size >= 5 << 20)
        return f"{self.total / GIB:.2f} GiB ({parts})"


def micro_batches(ready: Ready, recipe: Recipe, setting: Setting) -> list[MicroBatch]:
    """Return all of a job's micro-batches, in order.

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
    """Return the numbers of packs in one sequence; each continuation has its own mask."""
    packs = [item for item in items if isinstance(item, Pack)]
    seen = masked = 0
    for pack in packs:
        if len(pack.lengths) > 1:
            seen += sum(pack.prefix + length for length in pack.lengths)
            masked += sum(length * (pack.prefix + length) for length in pack.lengths)
    tokens, logits = sum(len(p.ids) for p in packs), sum(p.trained for p in packs)
    return MicroBatch(tokens, logits, seen, masked)


def longest_row(ready: Sequence[Ready]) -> int:
    """Return the tokens of the longest row of all jobs."""
    return max(len(row.ids) for r in ready for item in r.items for row in rows_of(item))


def passing(shape: Shape, recipe: Recipe, setting: Setting, tokens: int) -> int:
    """Return the bytes of a forward pass without gradients: one layer's at a time."""
    batch = MicroBatch(tokens, 0)
    return _layer(shape, recipe, setting, batch) + _working(shape, setting, batch)


def estimate(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> Estimate:
    """Return the peak bytes of a micro-batch's training step, of RAM on a CPU or of the GPU.

    Raises:
        UserError: the recipe adapts modules that cannot be estimated.
    """
    trained = shape.trainable(recipe.lora)
    parts = {
        "runtime": _runtime(setting),
        **_base(shape, recipe, setting),
        "adapter": trained * _FP32,
        "gradients": trained * _FP32,
        "optimizer": round(trained * _MOMENTS[setting.optimizer]),
    }
    moving = _moving(shape, recipe, setting, batch)
    return Estimate(parts | moving | _holes(shape, recipe, setting, batch, sum(moving.values())))


def _runtime(setting: Setting) -> int:
    """Return the bytes of the libraries on a CPU, of the CUDA context on a GPU."""
    if setting.device == "cuda":
        return CUDA_CONTEXT
    return _IMPORTS + (_UNSLOTH_IMPORT if setting.backend == "unsloth" else 0)


def _moving(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> dict[str, int]:
    """Return what is freed again in a step: activations, the loss, a layer's backward pass."""
    loss = {"logits": _logits(shape, setting, batch)}
    layer = {"working set": _working(shape, setting, batch)}
    if recipe.gradient_checkpointing:
        layer["a layer again"] = _layer(shape, recipe, setting, batch)
    if recipe.quantization == "4bit":
        # The current module, unpacked for its product; on a CPU packed blocks are, too.
        widest = max(inputs * outputs for inputs, outputs in shape.modules.values())
        layer["4-bit unpacking"] = widest * setting.width
    kept = {"activations": _activations(shape, recipe, setting, batch)}
    if setting.device == "cpu":
        return kept | loss | layer
    return kept | max(loss, layer, key=lambda moment: sum(moment.values()))


def _base(shape: Shape, recipe: Recipe, setting: Setting) -> dict[str, int]:
    """Return the bytes of the frozen weights. In 4 bits only the layers' linear modules are packed.

    On a GPU that is just large enough, Unsloth keeps an embedding that is not also the head in RAM
    (`offload_embedding="auto"`; it stays on the GPU if there is room). On a CPU the file's pages
    count as well: safetensors maps the file, the embedding keeps pointing into it, and so all
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


def _activations(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> int:
    """Return the bytes that autograd keeps of the forward pass for the backward pass.

    Layers below the first adapter keep nothing. With gradient checkpointing every layer
    keeps only its input (Chen et al., arXiv 1604.06174), and one is computed again.
    Unsloth moves these inputs to RAM.
    """
    if not recipe.gradient_checkpointing:
        return shape.adapted_layers(recipe.lora) * _layer(shape, recipe, setting, batch)
    kept = 1 if setting.offloads else shape.layers
    return kept * batch.tokens * shape.hidden * setting.width


def _layer(shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch) -> int:
    """Return the bytes that one layer keeps for its backward pass, by what its operations save.

    In elements per token: both norms save their input; attention its queries, keys, values and
    output; the gated MLP the gate, its SiLU and the other half; a linear module with an adapter
    its input, shared by q, k, v and by gate and up, and the r outputs of A. In half precision a
    norm computes in fp32, and each adapter casts its input to fp32 and back (PEFT), so that no two
    share it. For a pack the keys and values of the prefix are copied for each continuation, and
    its mask is expanded to numbers.
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
    """Return the bytes of gradients in a layer's backward pass: at the MLP's four inner results and
    at the residual stream.
    """
    return batch.tokens * (4 * shape.intermediate + 2 * shape.hidden) * setting.width


def _logits(shape: Shape, setting: Setting, batch: MicroBatch) -> int:
    """Return the bytes of the trained positions' logits.

    They are fp32 and become their own gradient in place; half precision keeps the model's own
    logits, too. Unsloth computes those of whole rows in chunks, at 16 bytes per logit: at most
    4 GiB in RAM, half of the free memory on a GPU, so the least that must be free counts there.
    """
    if setting.backend == "unsloth":
        chunk = _LEAST_CHUNK if setting.device == "cuda" else 4 * GIB
        return min(batch.logits * shape.vocab * 16, chunk)
    own = 0 if setting.precision == "fp32" else 2 * setting.width
    return batch.logits * shape.vocab * (_FP32 + own)


def _holes(
    shape: Shape, recipe: Recipe, setting: Setting, batch: MicroBatch, moving: int
) -> dict[str, int]:
    """Return the bytes that the allocator holds unused.

    glibc gives a freed, aligned block of less than 32 MB to no other tensor of its size (`malloc`
    asks for more than the size and cuts off what is not aligned), so that what each layer's
    forward pass frees stays resident: an adapter's result and its scaled copy of gate and up, the
    MLP's product if no adapter keeps it, and four tensors of the residual stream's width (the free
    bytes of `mallinfo2`, layer by layer, are the same). Later steps reuse it. Layers that keep
    nothing for a backward pass leave no holes: what they free is contiguous.
    """
    if setting.device == "cuda":
        return {"allocator": round(_CUDA_HOLES * moving)}
    targets = shape.targets(recipe.lora)
    wide = 2 * sum(name in targets for name in ("gate_proj", "up_proj"))
    wide += "down_proj" not in targets
    freed = wide * shape.intermediate + 4 * shape.hidden
    layers = shape.layers if recipe.gradient_checkpointing else shape.adapted_layers(recipe.lora)
    return {"allocator": layers * batch.tokens * freed * setting.width}
