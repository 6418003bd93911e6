"""Placement of the views on a machine, by its free memory, with the user's overrides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal, TypeVar, get_args

from umi_lite.engine.context import KvType
from umi_lite.engine.gguf import read_gguf
from umi_lite.engine.kv_slots import sequences
from umi_lite.engine.machine import Machine
from umi_lite.engine.threads import threads_for

Weights = Literal["adapters", "merged"]
FORMS: tuple[Weights, ...] = get_args(Weights)
KV_TYPES: tuple[KvType, ...] = get_args(KvType)
CONTEXTS = (4096, 2048, 1024, 512)
_T = TypeVar("_T")
_GIB = 1 << 30
# The usable fraction of free memory; the rest is for tools and other programs.
_USABLE = 0.9
# Merged weights are chosen only if everything fits in half of what is free; a longer context
# only if all contexts fit in a quarter.
_PLENTY, _CONTEXTS_SHARE = 0.5, 0.25
_N_BATCH = 512


@dataclass(frozen=True)
class Size:
    """Sizes of a base model and its views in bytes, except `layers` and `n_ctx_train`.

    `kv_token` is one token's keys and values in F16, `scratch` a context's largest compute
    buffer; `mergeable` is True if `bundle.merge` can write the base's type. `roles` are the
    adapters that act on own turns: they stay adapters, and their roles share one view.
    """

    base: int
    adapters: int
    views: int
    layers: int
    kv_token: int
    scratch: int
    n_ctx_train: int
    mergeable: bool
    roles: int = 0


@dataclass(frozen=True)
class Overrides:
    """Settings that the user has fixed; None is chosen by `place`.

    `episodes` is how many will run, None if that is unknown. For a single one nothing is merged
    unless `weights` says so: merging takes longer than the episode gains.
    """

    weights: Weights | None = None
    n_ctx: int | None = None
    kv: KvType | None = None
    n_gpu_layers: int | None = None
    threads: int | None = None
    slots: int = 1
    episodes: int | None = None


@dataclass(frozen=True)
class Placement:
    """The chosen settings; they need `needs` of `free` bytes. n_gpu_layers: -1 is all.

    `threads` is the number at the start, of `cores`; it follows the load of other programs.
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
        weights = "adapters" if self.weights == "adapters" else "merged weights"
        return (
            f"{weights} {layers}, {threads}, context {at_once}{self.n_ctx} in "
            f"{self.kv}: about {self.needs / _GIB:.1f} of {self.free / _GIB:.1f} GiB free"
            f"{self.note}"
        )


def size_of(
    base: Path, adapters: Sequence[Path | None], roles: Sequence[Path] = (), *, mergeable: bool
) -> Size:
    """Return the sizes of a base model and its views, from the files' headers.

    Args:
        adapters: the one of each view, None for the bare base.
        roles: those that act on own turns.

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
        adapters=sum(path.stat().st_size for path in adapters if path),
        views=len(adapters),
        layers=layers,
        kv_token=2 * layers * kv_heads * (keys + values),
        # Logits of a whole batch, and a layer's widest activations (about four widths, twice).
        scratch=4 * _N_BATCH * (vocabulary + 8 * width),
        n_ctx_train=meta.get(f"{arch}.context_length", CONTEXTS[0]),
        mergeable=mergeable,
        roles=sum(path.stat().st_size for path in roles),
    )


def place(size: Size, machine: Machine, overrides: Overrides | None = None) -> Placement:
    """Return the first placement that fits, with the overrides kept.

    The order: on the GPU if there is one, then in RAM; merged weights if memory is plentiful
    and not just one episode will run, else adapters; a shorter context if contexts would take
    a quarter of what is free; keys and values in q8_0 (half the memory, half the CPU's reading
    speed) only if nothing else helps. If nothing fits, the smallest, with a note.
    """
    overrides = overrides or Overrides()
    choices = list(_choices(size, machine, overrides))
    for choice, share in choices:
        if choice.needs <= share * choice.free:
            return choice
    smallest = min((choice for choice, _ in choices), key=lambda choice: choice.needs)
    return replace(smallest, note="; that is more than is free: it will be slow, or fail")


def _choices(
    size: Size, machine: Machine, overrides: Overrides
) -> Iterator[tuple[Placement, float]]:
    """Yield placements, best first, each with the fraction of free memory that it may take."""
    cores = overrides.threads or machine.cores
    threads = cores
    if overrides.threads is None and machine.left is not None:
        threads = threads_for(cores, machine.left)
    known = tuple(n for n in CONTEXTS if n <= size.n_ctx_train) or (size.n_ctx_train,)
    contexts = _given(overrides.n_ctx, known)
    merges = size.mergeable and overrides.episodes != 1
    forms: tuple[Weights, ...] = ("merged", "adapters") if merges else ("adapters",)
    forms = _given(overrides.weights, forms)
    kinds: tuple[KvType, ...] = _given(overrides.kv, ("f16", "q8_0"))
    places = _places(size, machine, overrides)
    for (layers, free), kv, form, n_ctx in product(places, kinds, forms, contexts):
        held = size.views * sequences(overrides.slots) * n_ctx * _kv_token(size, kv)
        if n_ctx != contexts[-1] and held > _CONTEXTS_SHARE * free:
            continue
        # llama.cpp reserves logits of a whole batch; in RAM they are never touched.
        scratch = size.views * (size.scratch if layers else size.scratch // 4)
        needs = _weights(size, form) + held + scratch
        if_plentiful = form == "merged" and overrides.weights is None
        made = Placement(form, n_ctx, kv, layers, threads, overrides.slots, needs, free, cores)
        yield made, _PLENTY if if_plentiful else _USABLE


def _given(override: _T | None, choices: tuple[_T, ...]) -> tuple[_T, ...]:
    return choices if override is None else (override,)


def _places(size: Size, machine: Machine, overrides: Overrides) -> Iterator[tuple[int, int]]:
    """Yield (layers on the GPU, bytes free for the weights and caches)."""
    if overrides.n_gpu_layers is not None:
        yield overrides.n_gpu_layers, machine.gpu if overrides.n_gpu_layers else machine.ram
        return
    if machine.gpu:
        yield -1, machine.gpu
        # Some of the layers with their caches on the GPU, the rest in RAM.
        room = _USABLE * machine.gpu - size.views * size.scratch
        caches = size.views * CONTEXTS[-1] * size.kv_token
        layer = (_weights(size, "adapters") + caches) / max(1, size.layers)
        part = int(room / layer)
        if 0 < part < size.layers:
            yield part, machine.gpu + machine.ram
    yield 0, machine.ram


def _weights(size: Size, form: Weights) -> int:
    own = size.views * size.base if form == "merged" else size.base + size.adapters
    return own + size.roles


def _kv_token(size: Size, kv: KvType) -> int:
    return {"f32": 2 * size.kv_token, "f16": size.kv_token, "q8_0": size.kv_token * 17 // 32}[kv]
