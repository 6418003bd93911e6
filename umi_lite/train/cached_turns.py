"""Own turns in a model's own attention: contexts as its cache, turns in its mask.

For a backend whose attention is not `attention.attend`. The adapter under the one that is trained
is a second one of PEFT.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.train import adapter
from umi_lite.train.activated import OwnTurns, adapter_off
from umi_lite.train.collate import IGNORED
from umi_lite.train.contexts import Contexts, ContextStore, Keys, Turn, turns
from umi_lite.train.device import Setting
from umi_lite.train.packs import Row

UNDER = "under"
"""PEFT's name of the frozen adapter under the one that is trained."""


def put_under(model: Any, folder: Path | None) -> None:
    """Put a frozen adapter under the trained one, in place of the one that is there.

    Not merged, as 4-bit weights lose it. Unsloth's fused kernels read one adapter; where two are
    active its layers compute PEFT's own forward pass.

    Args:
        folder: the adapter; None leaves none.
    """
    import torch

    for layer in _lora_layers(model):
        if UNDER in layer.lora_A:
            layer.delete_adapter(UNDER)
    if folder:
        model.load_adapter(str(folder), UNDER, is_trainable=False)
        model.peft_config.pop(UNDER)  # PEFT saves every adapter that is listed there
        for layer in _lora_layers(model):
            if UNDER in layer.lora_A:
                layer.lora_dropout[UNDER] = torch.nn.Identity()
                for matrices in (layer.lora_A, layer.lora_B):
                    matrices[UNDER] = _frozen(matrices[UNDER].weight)
    _activate(model, adapter.NAME)


def _lora_layers(model: Any) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def _frozen(weight: Any) -> Any:
    """Return a linear layer whose weight is neither trained nor saved."""
    import torch

    class Frozen(torch.nn.Module):
        bias = None

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", weight.detach(), persistent=False)

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.linear(x, self.get_buffer("weight"))

    return Frozen()


def _activate(model: Any, *names: str) -> None:
    """Make adapters active, after the one under them."""
    for layer in _lora_layers(model):
        layer.set_adapter([name for name in (UNDER, *names) if name in layer.lora_A])


@contextmanager
def _only_under(model: Any) -> Iterator[None]:
    """Compute without the adapter that is trained."""
    if not any(UNDER in layer.lora_A for layer in _lora_layers(model)):
        with adapter_off(model):
            yield
        return
    _activate(model)
    try:
        yield
    finally:
        _activate(model, adapter.NAME)


@contextmanager
def _evaluating(model: Any, *, dropout: bool) -> Iterator[None]:
    """Put the base's layers in evaluation mode, which has gradients all the same.

    In training mode Unsloth's code for GPUs ignores 4-D masks and returns no keys and values, and
    gradient checkpointing (transformers' too) drops those that it is given.

    Args:
        dropout: keep that of the trained adapter where the model is in training mode.
    """
    base, training = model.get_base_model(), model.training
    base.eval()
    if dropout and training:
        for layer in _lora_layers(model):
            if adapter.NAME in layer.lora_dropout:
                layer.lora_dropout[adapter.NAME].train()
    try:
        yield
    finally:
        base.train(training)


def take_turns(model: Any) -> None:
    """Let the model's forward call take `after`: what `CachedTurns.before` returns.

    Here, because the trainer reads a mask among a batch's inputs as its number of tokens.
    """
    forward = model.base_model.forward

    def run(*args: Any, after: dict[str, Any] | None = None, **options: Any) -> Any:
        if after is None:
            return forward(*args, **options)
        with _evaluating(model, dropout=True):
            return forward(*args, **options | after)

    model.base_model.forward = run


class CachedTurns(OwnTurns):
    """`OwnTurns` for a model that `take_turns` was called for."""

    def __init__(self, contexts: Contexts, store: ContextStore, setting: Setting):
        super().__init__(contexts, store)
        self._setting = setting
        self._checked = False

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the tensors of the second pass: cue and tokens of each turn.

        The last token of a turn predicts nothing, so that labels are shifted as in any row:
        Unsloth counts and shifts them itself.

        Returns:
            `input_ids`, `position_ids`, `labels` (1, N); `turns`, the rows, for `before`.
        """
        import torch

        ids: list[int] = []
        places: list[int] = []
        labels: list[int] = []
        for row in rows:
            for turn in _turns(row):
                spoken = _span(row, turn)
                places += spoken
                ids += [row.ids[i] for i in spoken]
                wanted = [row.ids[i] if row.weights[i] > 0 else IGNORED for i in spoken[1:]]
                labels += [IGNORED, *wanted]
        values = {"input_ids": ids, "position_ids": places, "labels": labels}
        made: dict[str, Any] = {name: torch.tensor([value]) for name, value in values.items()}
        return made | {"turns": tuple(rows)}

    def before(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """See Collator: reads the contexts that are not kept.

        Raises:
            UserError: at the first step of a new adapter, the losses are not those of the whole
                row.
        """
        if not self._checked:
            self._checked = True
            self._check(model, inputs)
        return self._after(model, inputs)

    def _after(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        from transformers import DynamicCache

        device, found = inputs["input_ids"].device, []
        for row in inputs["turns"]:
            ((context, _),) = self._contexts.of([row])  # alone: transcripts see no other one
            keys = self._store.find(context)
            if keys is None:
                keys = self._read(model, context.ids[: len(context.attended)], device)
                self._store.offer(context, keys)
            found.append((row, keys))
        cache = DynamicCache()
        for layer in range(len(found[0][1].layers)):
            cache.update(*_joined([keys.layers[layer] for _, keys in found]), layer)
        lengths = [keys.layers[0][0].shape[2] for _, keys in found]
        mask = own_mask([row for row, _ in found], lengths, self._setting.dtype).to(device)
        after = {"past_key_values": cache, "attention_mask": mask}
        return {k: v for k, v in inputs.items() if k != "turns"} | {"after": after}

    def _read(self, model: Any, ids: list[int], device: Any) -> Keys:
        """Run the first pass; the trainer's wrapper would make float32 of what it returns."""
        import torch

        keys = Keys()
        with torch.no_grad(), _evaluating(model, dropout=False), _only_under(model), self._mixed():
            tensor = torch.tensor([ids], device=device)
            past = model.base_model(
                input_ids=tensor, use_cache=True, logits_to_keep=1
            ).past_key_values
        # transformers' cache, or Unsloth's pairs
        layers = [(x.keys, x.values) for x in past.layers] if hasattr(past, "layers") else past
        for number, (key, value) in enumerate(layers):
            keys.keep(number, key, value)
        return keys

    def _mixed(self) -> Any:
        import torch

        dtype = self._setting.dtype
        return torch.autocast(self._setting.device, dtype=dtype, enabled=dtype != torch.float32)

    def _check(self, model: Any, inputs: dict[str, Any]) -> None:
        """Compare a new adapter's losses, token by token, with those of the whole row."""
        import torch

        layers = [layer for layer in _lora_layers(model) if adapter.NAME in layer.lora_B]
        row = next((row for row in inputs["turns"] if turns(row)), None)
        if row is None or any(layer.lora_B[adapter.NAME].weight.any() for layer in layers):
            return
        device = inputs["input_ids"].device
        own = {
            name: value if name == "turns" else value.to(device)
            for name, value in self.inputs([row]).items()
        }
        labels, wanted = own.pop("labels"), torch.tensor([row.ids], device=device)
        with torch.no_grad(), self._mixed():
            got = _losses(model.base_model(**self._after(model, own), use_cache=False), labels)
            with _evaluating(model, dropout=False), _only_under(model):
                whole = _losses(model.base_model(input_ids=wanted, use_cache=False), wanted)
        spoken = [i for turn in turns(row) for i in range(turn.start, turn.stop)]
        expected = whole[torch.tensor(spoken, device=device)]
        apart = ((got[labels[0, 1:] != IGNORED] - expected).abs().mean() / expected.mean()).item()
        if not apart <= _TOLERANCE[self._setting.precision]:
            raise UserError(
                f"backend: unsloth computes a role's own turns with losses {apart:.1%} away from "
                "those of the whole row (it ignores a mask or a cache here): training would be of "
                "another model; set stages.local.adapters: continued, or take backend: plain"
            )


# Mean distance of two losses of a token that rounding may make, relative to the mean loss.
_TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2, "fp16": 5e-2}


def _turns(row: Row) -> list[Turn]:
    """Return a row's turns; of a row without one, two tokens that train nothing."""
    return turns(row) or [Turn(0, 1)]


def _losses(outputs: Any, labels: Any) -> Any:
    """Return the loss of each token but the first: (T - 1)."""
    import torch

    logits = outputs.logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="none")


def _joined(pairs: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Join keys, and values, of several contexts: (1, kv heads, all their tokens, width)."""
    import torch

    if len(pairs) == 1:
        return pairs[0]
    keys, values = (torch.cat(parts, dim=2) for parts in zip(*pairs, strict=True))
    return keys, values


def own_mask(rows: Sequence[Row], lengths: Sequence[int], dtype: Any) -> Any:
    """Return what own turns attend to: 0 there, elsewhere the type's lowest number.

    Unsloth takes no boolean mask.

    Args:
        lengths: tokens of each row's context, which are the first keys.

    Returns:
        (1, 1, N, all contexts' tokens + N).
    """
    import torch

    spans = [(r, t, i) for r, row in enumerate(rows) for t in _turns(row) for i in _span(row, t)]
    owner = torch.tensor([r for r, _, _ in spans])[:, None]
    start = torch.tensor([turn.start for _, turn, _ in spans])[:, None]
    place = torch.tensor([i for _, _, i in spans])[:, None]
    reader = torch.cat([torch.full((n,), r) for r, n in enumerate(lengths)])[None]
    past = torch.cat([torch.arange(n) for n in lengths])[None]
    before = (owner == reader) & (past < start)
    same = (owner == owner.T) & (start == start.T) & (place >= place.T)
    seen = torch.cat([before, same], dim=1)
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
    return mask[None, None]


def _span(row: Row, turn: Turn) -> range:
    """Return the positions of a turn's cue and tokens."""
    return range(turn.start, min(turn.stop + 1, len(row.ids)))
