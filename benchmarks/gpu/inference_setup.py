"""`inference_setup.py JSON`: one set-up of models with all layers on the card, in its own process.

The memory it takes is what llama.cpp's backend reports before and after, whatever flags say.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from umi_lite.engine.engine import Engine
from umi_lite.engine.library import library
from umi_lite.engine.machine import machine
from umi_lite.engine.request import Request
from umi_lite.protocol.trajectory import ROLES


def measure(
    *,
    base: str,
    adapters: dict[str, str | None],
    roles: dict[str, str],
    models: dict[str, str],
    n_ctx: int,
    read: int,
    written: int,
    rounds: int,
) -> dict[str, Any]:
    """Return tokens/s of each role, and MiB on the card.

    Args:
        adapters: by view, None for none; models: by view, if it is not the base.
        roles: adapters that are active in their roles' turns, over that of the view `backbone`.
        read, written: tokens per prompt, and per turn, of each round; the first is not timed.
    """
    free = machine().gpu
    files = {role: Path(path) if path else None for role, path in adapters.items()}
    turns: Any = {role: Path(path) for role, path in roles.items()}
    own: Any = {role: Path(path) for role, path in models.items()}
    figures: dict[str, Any] = {}
    with Engine(
        Path(base),
        files,
        roles=turns,
        models=own,
        n_ctx=n_ctx,
        n_gpu_layers=-1,
        n_batch=min(512, read),
    ) as engine:  # type: ignore[arg-type]
        engine.warm()
        chance = random.Random(0)

        def asked(role: Any, ids: list[int]) -> Request:
            return Request(engine.view_of(role), ids, max_tokens=written, speaker=role)

        for role in ROLES:
            timed = []
            for turn in range(rounds + 1):
                ids = [chance.randrange(1000, 20000) for _ in range(read)]
                made = engine.generate(asked(role, ids))
                timed += [made] * bool(turn)
            tokens = sum(made.evaluated for made in timed)
            figures[f"{role}, read/s"] = round(tokens / sum(m.prefill_seconds for m in timed))
            tokens, seconds = (sum(m.decoded for m in timed), sum(m.decode_seconds for m in timed))
            figures[f"{role}, written/s"] = round(tokens / seconds, 1) if tokens else None
        taken = free - machine().gpu
    weights = sum(Path(path).stat().st_size for path in models.values() or [base])
    figures["weights, MiB"] = weights >> 20
    figures["taken on the card, MiB"] = taken >> 20
    # The embeddings stay in RAM; all else of the weights must be there.
    figures["offloaded"] = taken > 0.7 * weights
    figures["built for a GPU"] = bool(library().llama_supports_gpu_offload())
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
