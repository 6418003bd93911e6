"""How the views fit a machine: chosen from what is free, told in one line, overridable."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal, TypeVar, get_args

from umi_lite.engine.gguf import read_gguf
from umi_lite.engine.kv_slots import sequences
from umi_lite.engine.llama import KvType
from umi_lite.engine.machine import Machine
from umi_lite.engine.threads import threads_for

Weights = Literal["adapters", "folded"]
FORMS: tuple[Weights, ...] = get_args(Weights)
KV_TYPES: tuple[KvType, ...] = get_args(KvType)
CONTEXTS = (4096, 2048, 1024, 512)
_T = TypeVar("_T")
_GIB = 1 << 30
# Of what is free: the rest is for tools, and for what other programs will ask for.
_USABLE = 0.9
# Folded weights are a luxury: taken where all fits in half, and contexts in a quarter.
_PLENTY, _CONTEXTS_SHARE = 0.5, 0.25
_N_BATCH = 512


@dataclass(frozen=True)
class Size:
    """What a base model and its views weigh, in bytes but for `layers` and `n_ctx_train`.

    `kv_token` is one token's keys and values in F16, `scratch` the most that a context
    computes with; `foldable` whether `bundle.merge` can write the base's type.
    """

    base: int
    adapters: int
    views: int
    layers: int
    kv_token: int
    scratch: int
    n_ctx_train: int
    foldable: bool


@dataclass(frozen=True)
class Wishes:
    """What the user has fixed; None is left to the fit."""

    weights: Weights | None = None
    n_ctx: int | None = None
    kv: KvType | None = None
    n_gpu_layers: int | None = None
    threads: int | None = None
    slots: int = 1


@dataclass(frozen=True)
class Fit:
    """What was chosen; `needs` bytes in all, of `free`. n_gpu_layers: -1 is all.

    `threads` are those to begin with, of `cores`: they follow what other programs leave.
    """

    weights: Weights
    n_ctx: int
    kv: KvType
    n_gpu_layers: int
    threads: int
    slots: int
    needs: int
    free: int
    cores: int
    note: str = ""

    def __str__(self) -> str:
        layers = {0: "on the CPU", -1: "on the GPU"}.get(
            self.n_gpu_layers, f"{self.n_gpu_layers} layers on the GPU"
        )
        at_once = f"{self.slots} x " if self.slots > 1 else ""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        if self.threads < self.cores:
            threads += (
                f" for now (other programs use {self.cores - self.threads} of {self.cores} cores)"
            )
        weights = "adapters" if self.weights == "adapters" else "folded weights"
        return (
            f"{weights} {layers}, {threads}, context {at_once}{self.n_ctx} in "
            f"{self.kv}: about {self.needs / _GIB:.1f} of {self.free / _GIB:.1f} GiB free"
            f"{self.note}"
        )


def size_of(base: Path, adapters: list[Path], *, foldable: bool) -> Size:
    """Weigh a base model and a view for each adapter, from the files' headers.

    Raises:
        UserError: a file is missing or damaged.
    """
    meta, tensors = read_gguf(base, "base")
    arch = meta["general.architecture"]
    width, heads = meta[f"{arch}.embedding_length"], meta[f"{arch}.attention.head_count"]
    layers = meta[f"{arch}.block_count"]
    keys = meta.get(f"{arch}.attention.key_length", width // heads)
    values = meta.get(f"{arch}.attention.value_length", keys)
    kv_heads = meta.get(f"{arch}.attention.head_count_kv", heads)
    vocabulary = next((t.shape[0] for t in tensors if t.name == "token_embd.weight"), 0)
    return Size(
        base=base.stat().st_size,
        adapters=sum(path.stat().st_size for path in adapters),
        views=len(adapters),
        layers=layers,
        kv_token=2 * layers * kv_heads * (keys + values),
        # Logits of a whole batch, and a layer's widest activations (about four widths, twice).
        scratch=4 * _N_BATCH * (vocabulary + 8 * width),
        n_ctx_train=meta.get(f"{arch}.context_length", CONTEXTS[0]),
        foldable=foldable,
    )


def fit(size: Size, machine: Machine, wishes: Wishes | None = None) -> Fit:
    """The first of these that fits, what was wished for held fixed.

    On the GPU where there is one, then in RAM: folded weights where memory is plentiful, else
    adapters; a shorter context where contexts would take a quarter of what is free; keys and
    values in q8_0 (half the memory, half the CPU's reading speed) only where nothing else
    helps. Where nothing fits, the smallest, with a note.
    """
    wishes = wishes or Wishes()
    choices = list(_choices(size, machine, wishes))
    for choice, share in choices:
        if choice.needs <= share * choice.free:
            return choice
    smallest = min((choice for choice, _ in choices), key=lambda choice: choice.needs)
    return replace(smallest, note="; that is more than is free: it will be slow, or fail")


def _choices(size: Size, machine: Machine, wishes: Wishes) -> Iterator[tuple[Fit, float]]:
    """From the most wanted one down, each with the share of what is free that it may take."""
    cores = wishes.threads or machine.cores
    threads = cores
    if wishes.threads is None and machine.left is not None:
        threads = threads_for(cores, machine.left)
    known = tuple(n for n in CONTEXTS if n <= size.n_ctx_train) or (size.n_ctx_train,)
    contexts = _given(wishes.n_ctx, known)
    forms: tuple[Weights, ...] = ("folded", "adapters") if size.foldable else ("adapters",)
    forms = _given(wishes.weights, forms)
    kinds: tuple[KvType, ...] = _given(wishes.kv, KV_TYPES)
    places = _places(size, machine, wishes)
    for (layers, free), kv, form, n_ctx in product(places, kinds, forms, contexts):
        held = size.views * sequences(wishes.slots) * n_ctx * _kv_token(size, kv)
        if n_ctx != contexts[-1] and held > _CONTEXTS_SHARE * free:
            continue
        # llama.cpp reserves logits of a whole batch; in RAM they are never touched.
        scratch = size.views * (size.scratch if layers else size.scratch // 4)
        needs = _weights(size, form) + held + scratch
        luxury = form == "folded" and wishes.weights is None
        made = Fit(form, n_ctx, kv, layers, threads, wishes.slots, needs, free, cores)
        yield made, _PLENTY if luxury else _USABLE


def _given(wish: _T | None, choices: tuple[_T, ...]) -> tuple[_T, ...]:
    return choices if wish is None else (wish,)


def _places(size: Size, machine: Machine, wishes: Wishes) -> Iterator[tuple[int, int]]:
    """(layers on the GPU, bytes free for them and what they hold)."""
    if wishes.n_gpu_layers is not None:
        yield wishes.n_gpu_layers, machine.gpu if wishes.n_gpu_layers else machine.ram
        return
    if machine.gpu:
        yield -1, machine.gpu
        # A part of the layers, with their share of the caches, the rest in RAM.
        room = _USABLE * machine.gpu - size.views * size.scratch
        layer = (size.base + size.adapters + size.views * CONTEXTS[-1] * size.kv_token) / max(
            1, size.layers
        )
        part = int(room / layer)
        if 0 < part < size.layers:
            yield part, machine.gpu + machine.ram
    yield 0, machine.ram


def _weights(size: Size, form: Weights) -> int:
    return size.views * size.base if form == "folded" else size.base + size.adapters


def _kv_token(size: Size, kv: KvType) -> int:
    return size.kv_token if kv == "f16" else size.kv_token * 17 // 32
