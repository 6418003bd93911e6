"""Tokens of one sample per trajectory and of one per step: `python -m benchmarks.samples FILE...`

Each FILE holds ToolBench conversations as prepared by α-UMi (source `toolbench`); calls whose
arguments do not parse are kept. All four views are counted with the tokenizer and chat template of
the embedded model. The last line is JSON.

The official data has one sample per step: its prompt is the whole history, and only the step's own
text is trained. Here both are cut from the same chat prompts, so they train the same tokens after
the same contexts; style `paper` counts the official prompts themselves.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

from benchmarks.report import ratio, show
from umi_lite.data import toolbench
from umi_lite.engine.machine import cores
from umi_lite.protocol.paper import render_paper
from umi_lite.protocol.prompts import render
from umi_lite.protocol.template import Rendered
from umi_lite.protocol.trajectory import VIEWS, Trajectory, View
from umi_lite.train.packs import Row, make_packs
from umi_lite.train.tokenizer import Language, load_language
from umi_lite.weights.embedded import embedded_gguf
from umi_lite.weights.gguf_to_hf import hf_folder


@dataclass(frozen=True)
class Turn:
    """The range of a step in a whole sample: trained tokens are in `ids[start:end]` only."""

    start: int
    end: int


class Count(TypedDict):
    """Tokens that the model processes in an epoch.

    `shared` and `steps_shared` are `whole` and `steps` after samples with the same system message
    are packed together after it (`make_packs`); `paper` are the official prompts.
    """

    samples: int
    turns: int
    trained: int
    whole: int
    steps: int
    shared: int
    steps_shared: int
    paper: int
    longest: int


def turns(sample: Rendered, view: View, language: Language) -> list[Turn]:
    """Return the steps of a whole sample: turns of a role, thought plus action of the backbone."""
    found: list[Turn] = []
    at, opened = 0, None
    for piece in sample.pieces:
        start = at
        at += len(language.tokenizer.encode(piece.text, special=piece.special))
        if piece.trained and piece.special and opened is not None:
            found[-1] = Turn(opened, at)  # the token that ends the turn
        elif piece.trained and view == "backbone" and opened is not None:
            found[-1] = Turn(opened, at)
        elif piece.trained:
            opened = start
            found.append(Turn(start, at))
        elif piece.special:
            opened = None
    return found


def step_rows(name: str, sample: Rendered, view: View, language: Language) -> list[Row]:
    """Return one sample per step: the prompt up to the step's end, only that step is trained."""
    made: list[Row] = []
    for turn in turns(sample, view, language):
        weights = [float(bit and i >= turn.start) for i, bit in enumerate(sample.mask[: turn.end])]
        made.append(Row(name, sample.ids[: turn.end], weights, sample.shared))
    return made


def count(
    trajectories: Sequence[Trajectory], view: View, language: Language, packed_length: int
) -> Count:
    """Count the tokens of a view in both ways."""
    whole: list[Row] = []
    steps: list[Row] = []
    paper = 0
    end = language.template.end_of_turn
    for trajectory in trajectories:
        official = render_paper(trajectory, view, language.tokenizer, end=end, as_published=False)
        paper += sum(len(sample.ids) for sample in official)
        sample = render(trajectory, view, language.template, language.tokenizer)
        if sample is None:
            continue
        weights = [float(bit) for bit in sample.mask]
        whole.append(Row(trajectory.id, sample.ids, weights, sample.shared))
        steps += step_rows(trajectory.id, sample, view, language)
    if sum(row.trained for row in whole) != sum(row.trained for row in steps):
        raise AssertionError(f"{view}: the two ways do not train the same tokens")
    return Count(
        samples=len(whole),
        turns=len(steps),
        trained=sum(row.trained for row in whole),
        whole=_tokens(whole),
        steps=_tokens(steps),
        shared=_packed(whole, packed_length),
        steps_shared=_packed(steps, packed_length),
        paper=paper,
        longest=max((len(row.ids) for row in whole), default=0),
    )


def count_all(
    trajectories: Sequence[Trajectory], language: Language, packed_length: int = 4096
) -> dict[str, Count]:
    """Return the counts by view, and of `all` four together."""
    counts: dict[str, Count] = {
        view: count(trajectories, view, language, packed_length) for view in VIEWS
    }
    total = {key: sum(made[key] for made in counts.values()) for key in Count.__annotations__}
    total["longest"] = max(made["longest"] for made in counts.values())
    return {**counts, "all": Count(**total)}


def _tokens(rows: Iterable[Row]) -> int:
    return sum(len(row.ids) for row in rows)


def _packed(rows: Sequence[Row], length: int) -> int:
    return sum(len(pack.ids) for pack in make_packs(rows, length=length, seed=0))


def main() -> None:
    with TemporaryDirectory() as folder:
        language = load_language(hf_folder(embedded_gguf(), Path(folder)))
    setups: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    for name in sys.argv[1:]:
        loaded = toolbench.load(name, keep_bad_arguments=True)
        for reason, rows, where in loaded.drop_table():
            print(f"dropped {rows}: {reason} (first: {where})", file=sys.stderr)
        for view, made in count_all(loaded.trajectories, language).items():
            setups[f"{Path(name).stem}, {view}"] = in_thousands(made)
            ratios[f"{Path(name).stem}, {view}"] = ratios_of(made)
    show(
        "thousands of tokens per epoch: a sample per trajectory, per step",
        setups,
        ratios,
        cores(),
    )


def in_thousands(made: Count) -> dict[str, float]:
    """Return the counts of tokens in thousands; samples and turns are left as they are."""
    return {
        key: value if key in ("samples", "turns", "longest") else round(value / 1000, 1)
        for key, value in made.items()
        if isinstance(value, int)
    }


def ratios_of(made: Count) -> dict[str, float | None]:
    return {
        "whole/steps": ratio(made["whole"], made["steps"]),
        "both packed after their system messages": ratio(made["shared"], made["steps_shared"]),
        "whole/paper": ratio(made["whole"], made["paper"]),
        "packed/steps": ratio(made["shared"], made["steps"]),
    }


if __name__ == "__main__":
    main()
