"""Write models of a public shape with random weights, and rows of a given length.

Memory and time of a step do not depend on the values of the weights. Nothing is downloaded: the
tokenizer is the embedded model's.
"""

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from umi_lite.data.traces import save
from umi_lite.errors import UserError
from umi_lite.files import cache_folder, staged_folder, writing
from umi_lite.protocol.trajectory import (
    ROLES,
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    View,
)
from umi_lite.train.samples import make_rows
from umi_lite.train.tokenizer import Language, load_language
from umi_lite.weights.embedded import embedded_gguf
from umi_lite.weights.gguf_to_hf import hf_folder

_VIEWS: tuple[View, ...] = ("backbone", *ROLES)
_SHARD = 4 << 30
_BLOCK = 1 << 24  # random values that are written repeatedly
_TOKENS = 49152  # of the embedded tokenizer
_WORDS = """
    time year people way day man thing woman life child world school state family student group
    country problem hand part place case week company system program question work government
    number night point home water room mother area money story fact month lot right study book
    eye job word business issue side kind head house service friend father power hour game line
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Shape:
    """The sizes in a model's config.json. `tied`: the embeddings are also the output matrix."""

    kind: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    inner: int
    vocabulary: int
    tied: bool


# Qwen2.5's and Llama-2's own config.json; Llama-2's 32,000 tokens are raised to those of the
# tokenizer that the rows are made with (0.3 GB more than the real model has).
SHAPES = {
    "0.5b": Shape("qwen2", 896, 24, 14, 2, 4864, 151936, tied=True),
    "1.5b": Shape("qwen2", 1536, 28, 12, 2, 8960, 151936, tied=True),
    "3b": Shape("qwen2", 2048, 36, 16, 2, 11008, 151936, tied=True),
    "7b": Shape("qwen2", 3584, 28, 28, 4, 18944, 152064, tied=False),
    "llama2-7b": Shape("llama", 4096, 32, 32, 32, 11008, _TOKENS, tied=False),
    "tiny": Shape("qwen2", 64, 2, 2, 1, 128, _TOKENS + 64, tied=True),
}


def model_folder(shape: Shape, folder: Path, *, disk: float) -> Path:
    """Write an HF folder of the shape: bfloat16 shards of random numbers, config, tokenizer.

    Args:
        folder: used as it is if it exists. Its parent has only such folders.
        disk: GB that all of them may take together; others are removed to stay below it.

    Raises:
        UserError: the shape alone takes more, or the disk has too little space.
    """
    if folder.is_dir():
        return folder
    size = sum(2 * rows * columns for _, rows, columns in tensors(shape))
    if size > disk * 1e9:
        raise UserError(f"the weights are {size / 1e9:.1f} GB, --disk allows {disk:g}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    others = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    taken = {path: sum(f.stat().st_size for f in path.rglob("*")) for path in others}
    while others and sum(taken.values()) + size > disk * 1e9:
        taken.pop(others[0])
        shutil.rmtree(others.pop(0))
    free = shutil.disk_usage(folder.parent).free
    if free < size + (1 << 30):
        raise UserError(f"the weights are {size / 1e9:.1f} GB, the disk has {free / 1e9:.1f} free")
    with writing(folder), staged_folder(folder) as work:
        _write_shards(shape, work)
        describe(shape, work)
    return folder


def describe(shape: Shape, folder: Path) -> None:
    """Write what a model's folder has besides its weights: config.json and the tokenizer."""
    (folder / "config.json").write_text(json.dumps(_config(shape), indent=1))
    source = hf_folder(embedded_gguf(), cache_folder())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)


def tensors(shape: Shape) -> Iterator[tuple[str, int, int]]:
    """Yield (name, rows, columns) of each tensor; a vector has one row."""
    width, inner = shape.width, shape.inner
    kv = width // shape.heads * shape.kv_heads
    yield "model.embed_tokens.weight", shape.vocabulary, width
    for layer in range(shape.layers):
        head = f"model.layers.{layer}."
        for name, rows in (("q", width), ("k", kv), ("v", kv)):
            yield f"{head}self_attn.{name}_proj.weight", rows, width
            if shape.kind == "qwen2":
                yield f"{head}self_attn.{name}_proj.bias", 1, rows
        yield f"{head}self_attn.o_proj.weight", width, width
        yield f"{head}mlp.gate_proj.weight", inner, width
        yield f"{head}mlp.up_proj.weight", inner, width
        yield f"{head}mlp.down_proj.weight", width, inner
        yield f"{head}input_layernorm.weight", 1, width
        yield f"{head}post_attention_layernorm.weight", 1, width
    yield "model.norm.weight", 1, width
    if not shape.tied:
        yield "lm_head.weight", shape.vocabulary, width


def _write_shards(shape: Shape, folder: Path) -> None:
    """Write safetensors without an array as large as a shard."""
    shards: list[list[tuple[str, int, int]]] = [[]]
    held = 0
    for tensor in tensors(shape):
        size = 2 * tensor[1] * tensor[2]
        if shards[-1] and held + size > _SHARD:
            shards.append([])
            held = 0
        shards[-1].append(tensor)
        held += size
    files = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    block = _random_block()
    for name, shard in zip(files, shards, strict=True):
        _write_shard(folder / name, shard, block)
    total = sum(2 * rows * columns for _, rows, columns in tensors(shape))
    where = {name: file for file, shard in zip(files, shards, strict=True) for name, *_ in shard}
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _write_shard(path: Path, shard: list[tuple[str, int, int]], block: bytes) -> None:
    header, at = {}, 0
    for name, rows, columns in shard:
        size = 2 * rows * columns
        sizes = [rows, columns] if rows > 1 else [columns]
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [at, at + size]}
        at += size
    # The header's length, the header, the values, as in the README of safetensors.
    encoded = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for name, rows, columns in shard:
            left = 2 * rows * columns
            # A norm of ones, a bias of zeros (bfloat16 1.0 is 0x3f80).
            if "norm" in name or "bias" in name:
                file.write((b"\x80\x3f" if "norm" in name else b"\0\0") * (left // 2))
                continue
            while left:
                left -= file.write(block[:left])


def _random_block() -> bytes:
    """Return bfloat16 numbers with a standard deviation of 0.02, as models are initialised."""
    import numpy as np

    values = np.random.default_rng(0).standard_normal(_BLOCK, np.float32) * np.float32(0.02)
    return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def _config(shape: Shape) -> dict[str, object]:
    name = {"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}[shape.kind]
    return {
        "architectures": [name],
        "model_type": shape.kind,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "max_position_embeddings": 32768 if shape.kind == "qwen2" else 4096,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6 if shape.kind == "qwen2" else 1e4,
        "hidden_act": "silu",
        "tie_word_embeddings": shape.tied,
        "vocab_size": shape.vocabulary,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "torch_dtype": "bfloat16",
    }


def write_rows(path: Path, model: Path, length: int, count: int) -> None:
    """Write `count` trajectories whose longest row has `length` tokens, or a few less.

    There is a call every 512 tokens; about one token in ten is a role's, the rest observations.

    Raises:
        UserError: not even one call fits in `length`.
    """
    language = load_language(model)
    tokenizer = language.tokenizer
    words = [w for w in _WORDS if len(tokenizer.encode(f" {w}", special=False)) == 1]
    calls = max(1, length // 512)
    made = []
    for number in range(count):
        chance = random.Random(number)
        empty = _trajectory(number, [1] * calls, words, chance)
        free = length - _longest(empty, language)
        if free < 0:
            raise UserError(f"a trajectory with {calls} calls takes {length - free} tokens already")
        share = [1 + free // calls] * calls
        made.append(_trajectory(number, share, words, random.Random(number)))
    path.parent.mkdir(parents=True, exist_ok=True)
    save(made, path)


def _longest(trajectory: Trajectory, language: Language) -> int:
    rows = [make_rows([trajectory], v, language, max_length=1 << 20).rows[0] for v in _VIEWS]
    return max(len(row.ids) for row in rows)


def _trajectory(
    number: int, observed: list[int], words: list[str], chance: random.Random
) -> Trajectory:
    def say(count: int) -> str:
        return " ".join(chance.choice(words) for _ in range(count))

    steps: list[Step] = []
    for found, count in enumerate(observed):
        steps.append(Plan(thought=f"I look for {say(24)} now.", next="caller"))
        steps.append(Call(tool="search", arguments={"query": say(6)}))
        # Drawn from a generator of its own, so that the length changes nothing else.
        own = random.Random(f"{number} {found}")
        steps.append(Observation(content=" ".join(own.choice(words) for _ in range(count))))
    steps.append(Plan(thought=f"All is there: {say(16)}.", next="summarizer"))
    steps.append(Answer(text=say(40)))
    query = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    search = Tool(name="search", description="Look something up.", parameters=query)
    return Trajectory(
        id=f"synthetic-{number}",
        source="traces",
        tools=(search,),
        instruction=f"Explain {say(12)}.",
        steps=tuple(steps),
    )
