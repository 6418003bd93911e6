"""Training an adapter that acts on its role's own turns (activated LoRA, arXiv 2504.12397).

Two passes per micro-batch. The first reads the contexts without gradients and without the role's
adapter, and keeps each layer's keys and values. The second computes the role's own positions with
its adapter: each of them attends to what comes before its turn's cue as the first pass read it,
and to its own turn.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate, pairwise
from typing import Any

from umi_lite.errors import UserError
from umi_lite.train.collate import IGNORED
from umi_lite.train.contexts import AllRead, ContextPack, Contexts, ContextStore, Keys, turns
from umi_lite.train.lower import count_lower
from umi_lite.train.packs import Pack, Row


def own_inputs(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the tensors of the second pass: N positions, each of them a target.

    Rows without a turn (they fill up a step that several processes share) have one position that
    counts nothing.

    Returns:
        `input_ids`, `position_ids` (1, N); `shift_labels` (1, N) zeros; `labels` (2, N) float64,
        see `collate.pack_inputs`; `turns`, the rows, for `OwnTurns.before`.
    """
    import torch

    ids: list[int] = []
    places: list[int] = []
    labels: list[tuple[float, float]] = []
    shift: list[int] = []
    for row in rows:
        mine = positions(row)
        if not turns(row):
            ids, places = [*ids, row.ids[0]], [*places, 0]
            labels, shift = [*labels, (0.0, 0.0)], [*shift, IGNORED]
        places += mine
        ids += [row.ids[i] for i in mine]
        labels += [(float(row.ids[i + 1]), row.weights[i + 1]) for i in mine]
        shift += [0] * len(mine)
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([places]),
        "shift_labels": torch.tensor([shift]),
        "labels": torch.tensor(labels, dtype=torch.float64).T.contiguous(),
        "turns": tuple(rows),
    }


def positions(row: Row) -> list[int]:
    """Return the positions of a row's turns, in order."""
    return [i for turn in turns(row) for i in range(turn.start, turn.stop)]


class OwnTurns:
    """The computation of a job whose adapter acts on its role's own turns. A `Collator`.

    Args:
        contexts: of the job's rows; other rows are read on their own.
        store: keeps keys from one step, epoch and job to the next.
    """

    def __init__(self, contexts: Contexts, store: ContextStore):
        self._contexts = contexts
        self._store = store

    def inputs(self, rows: Sequence[Row]) -> dict[str, Any]:
        """See Collator."""
        return own_inputs(rows)

    def before(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """See Collator: reads the contexts that are not kept."""
        rows, device = inputs["turns"], inputs["input_ids"].device
        seen: list[RowContext] = []
        for context, mine in self._contexts.of(rows):
            first = self._contexts.beginning(context)
            begun = first and self._keys(model, first, None, device, reused=True)
            keys = self._keys(model, context, begun, device)
            for row in mine:
                at = context_number(context, self._contexts.transcript(row))
                seen.append(RowContext(row, context, at, keys, begun, device))
        return {k: v for k, v in inputs.items() if k != "turns"} | {"after": tuple(seen)}

    def _keys(
        self,
        model: Any,
        context: ContextPack,
        begun: Keys | None,
        device: Any,
        *,
        reused: bool = False,
    ) -> Keys:
        keys = self._store.find(context)
        if keys is None:
            keys = read(model, context, begun, device, reused=reused)
            self._store.offer(context, keys)
        return keys

    def free(self) -> bool:
        """See Collator: the kept contexts, which are read again from then on."""
        return self._store.close()


def context_number(context: Pack, transcript: Row) -> int:
    """Return which of a context's transcripts this is."""
    return next(i for i, row in enumerate(context.rows) if row.ids == transcript.ids)


def read(
    model: Any, context: ContextPack, begun: Keys | None, device: Any, *, reused: bool = False
) -> Keys:
    """Run the first pass: the adapter off, nothing dropped, no gradients.

    Layers below the first adapted one read the transcripts to their ends and are not computed
    again for the turns; the others read what turns attend to. The last layer's keys end the pass.

    Args:
        begun: keys of the context's prefix, where that was read before.
        reused: keep the lower layers' keys as well, to read what comes after.

    Returns:
        The keys of all tokens that turns attend to, or of those after what was read before.

    Raises:
        UserError: the base's attention does not get the arguments of the forward call.
    """
    import torch

    last = model.config.get_text_config().num_hidden_layers - 1
    done, training = context.prefix if begun else 0, model.training
    keys, first = Keys(), count_lower(model)
    model.eval()
    try:
        with torch.no_grad(), adapter_off(model):
            places = list(range(done, len(context.ids)))
            if first and places:
                _pass(model, context, places, keys, begun, device)
                _check_kept(keys, keys.entry is not None)
            upper = Keys(last)
            attended = [place for place in context.attended if place >= done]
            if first and attended:
                wanted = torch.tensor([place - done for place in attended], device=device)
                upper.entry = keys.entry[:, wanted]
            if attended:
                _pass(model, context, attended, upper, begun, device)
                _check_kept(upper)
    finally:
        model.train(training)
    keys.layers = (keys.layers if reused else {}) | upper.layers
    return keys


def _pass(
    model: Any, context: ContextPack, places: list[int], keys: Keys, begun: Keys | None, device: Any
) -> None:
    """Read tokens of a context, until all of `keys` is kept."""
    import torch

    prefix = sum(place < context.prefix for place in places)
    ends = accumulate(context.lengths, initial=context.prefix)
    counts = [sum(a <= place < b for place in places) for a, b in pairwise(ends)]
    where = context.positions
    made = {
        "input_ids": torch.tensor([[context.ids[place] for place in places]], device=device),
        "position_ids": torch.tensor([[where[place] for place in places]], device=device),
    }
    shape = {"shared_prefix": prefix, "continuations": tuple(counts)}
    # No logits are read; `logits_to_keep` 0 would be all of them.
    options = {"keeps": keys, "begun": begun, "logits_to_keep": 1, "use_cache": False}
    with suppress(AllRead):
        model(**made, **shape, **options)


def _check_kept(keys: Keys, begins: bool = True) -> None:
    if not keys.layers or not begins:
        raise UserError(
            "the base's layers do not pass on which keys are kept: it cannot train adapters that "
            "act on own turns; set stages.local.adapters: continued"
        )


@contextmanager
def adapter_off(model: Any) -> Iterator[None]:
    """Compute without the adapter that is trained."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


class RowContext:
    """What a row's own positions attend to before their turns.

    Attributes:
        count: the row's positions in the second pass.
        entry: their hidden states (1, count, hidden) at the first adapted layer, where there are
            layers below it.
    """

    def __init__(
        self,
        row: Row,
        context: ContextPack,
        number: int,
        keys: Keys,
        begun: Keys | None,
        device: Any,
    ):
        self._device = device
        mine = turns(row)
        self._places = positions(row) or [0]
        self._starts = [t.start for t in mine for _ in range(t.start, t.stop)] or [0]
        self.count = len(self._places)
        length = max(self._starts)
        prefix = 0 if begun else context.prefix
        begin = prefix + sum(context.seen[:number])
        own = length - context.prefix
        self._parts = [(begun or keys, slice(0, min(length, context.prefix)))]
        if own > 0:
            self._parts.append((keys, slice(begin, begin + own)))
        self._length = length
        self.entry = None
        if keys.entry is not None:
            begin = prefix + sum(context.lengths[:number]) - context.prefix
            self.entry = _entry(keys, begun, self._places, context.prefix, begin)
        self._masks: dict[int | None, Any] = {}

    def before(self, layer: int) -> tuple[Any, Any]:
        """Return the context's keys and values of a layer: (1, kv heads, C, width)."""
        import torch

        parts = [(*keys.layers[layer], part) for keys, part in self._parts]
        key = torch.cat([key[:, :, part] for key, _, part in parts], dim=2)
        return key, torch.cat([value[:, :, part] for _, value, part in parts], dim=2)

    def mask(self, window: int | None) -> Any:
        """Return (count, C + count): True where a position attends to a key."""
        import torch

        if window not in self._masks:
            place = torch.tensor(self._places, device=self._device)[:, None]
            start = torch.tensor(self._starts, device=self._device)[:, None]
            past = torch.arange(self._length, device=self._device)[None]
            same = (start == start.T) & (place >= place.T)
            seen = torch.cat([past < start, same], dim=1)
            if window is not None:
                seen &= place - torch.cat([past, place.T], dim=1) < window
            self._masks[window] = seen
        return self._masks[window]


def _entry(keys: Keys, begun: Keys | None, places: list[int], prefix: int, shift: int) -> Any:
    """Return hidden states at a row's places: those in the prefix may have been read before."""
    import torch

    earlier = [place for place in places if begun and place < prefix]
    later = [place + shift for place in places[len(earlier) :]]
    device = keys.entry.device
    parts = [(begun, earlier)] if earlier else []
    parts += [(keys, later)] if later else []
    found = [one.entry[:, torch.tensor(at, device=device)] for one, at in parts if one]
    return torch.cat(found, dim=1)
