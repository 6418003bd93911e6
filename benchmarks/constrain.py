"""`python -m benchmarks constrain`: the cost of constraining calls to 1, 20 or 100 schemas.

The bundle's caller writes the calls of the gold plans under llguidance, as in the engine. GBNF then
processes the same tokens: all candidates are masked, one is accepted.
"""

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.gbnf import call_gbnf
from benchmarks.report import ratio, show
from umi_lite.bundle.bundle import Bundle
from umi_lite.data import toolworld
from umi_lite.engine.engine import Engine
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Generation, Request
from umi_lite.protocol.grammar import call_grammar
from umi_lite.protocol.prompts import Transcript
from umi_lite.protocol.trajectory import Call, Tool, Trajectory

if TYPE_CHECKING:
    from rich.console import Console

COUNTS = (1, 20, 100)


@dataclass(frozen=True)
class _Case:
    """A trajectory before its first call, with a given number of tools."""

    trajectory: Trajectory
    tools: tuple[Tool, ...]


def bench(bundle: Bundle, console: "Console", *, calls: int = 20, n_ctx: int = 8192) -> None:
    """Write `calls` calls at each number of tools; print table, ratios and JSON."""
    rows: dict[str, dict[str, float | int]] = {}
    ratios: dict[str, float | None] = {}
    with bundle.engine(n_ctx=n_ctx) as engine:
        words = Model(bundle.base)
        for count in COUNTS:
            console.print(f"{count} tools", highlight=False)
            made = [(case, _call(engine, case)) for case in _cases(count, calls)]
            said = [generation for _, generation in made]
            tokens = sum(len(g.ids) for g in said)
            decode = sum(g.decode_seconds for g in said)
            llguidance = sum(g.grammar_seconds for g in said)
            gbnf = sum(_gbnf_seconds(words, call_gbnf(c.tools), g.ids) for c, g in made)
            rows[f"llguidance, {count} tools"] = {
                "tokens": tokens,
                "forced %": round(100 * sum(g.forced for g in said) / tokens, 1),
                "grammar ms/token": round(1000 * llguidance / tokens, 3),
                "decode ms/token": round(1000 * decode / tokens, 2),
                "grammar % of decode": round(100 * llguidance / decode, 1),
            }
            rows[f"GBNF, {count} tools"] = {
                "tokens": tokens,
                "forced %": 0,
                "grammar ms/token": round(1000 * gbnf / tokens, 3),
            }
            ratios[f"llguidance/GBNF, {count} tools"] = ratio(llguidance, gbnf)
        words.close()
        show(f"{calls} calls", rows, ratios, engine.threads)


def _cases(count: int, calls: int) -> list[_Case]:
    """Return held-out tasks with `count` tools: the first one called, others, renamed copies."""
    tasks = toolworld.load("test", 3 * calls, 1).trajectories
    known = {tool.name: tool for task in tasks for tool in task.tools}
    cases: list[_Case] = []
    for task in tasks:
        call = next((step for step in task.steps if isinstance(step, Call)), None)
        if call is None or len(cases) == calls:
            continue
        tools = list(known.values()) if count > len(known) else [known[call.tool]]
        while len(tools) < count:
            turn, at = divmod(len(tools), len(known))
            copy = tools[at]
            tools.append(copy.model_copy(update={"name": f"{copy.name}_{turn}"}))
        cases.append(_Case(task, tuple(tools)))
    return cases


def _call(engine: Engine, case: _Case) -> Generation:
    first = case.trajectory.model_copy(
        update={"tools": case.tools, "steps": case.trajectory.steps[:1]}
    )
    words = engine.language("caller")
    ids = Transcript("caller", words.template, words).advance(first)
    grammar = call_grammar(case.tools)
    return engine.generate(Request("caller", ids, grammar=grammar, max_tokens=96))


def _gbnf_seconds(model: Model, grammar: str, ids: Sequence[int]) -> float:
    """Return the seconds that llama.cpp's grammar sampler takes for tokens, without set-up."""
    lib: Any = model.lib
    sampler = lib.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
    data = (lib.llama_token_data * model.n_vocab)()
    for i in range(model.n_vocab):
        data[i].id = i
    fresh = bytes(data)
    seconds = 0.0
    try:
        for token in ids:
            ctypes.memmove(data, fresh, len(fresh))
            held = lib.llama_token_data_array(data, model.n_vocab, -1, False)
            started = time.perf_counter()
            lib.llama_sampler_apply(sampler, ctypes.byref(held))
            lib.llama_sampler_accept(sampler, token)
            seconds += time.perf_counter() - started
    finally:
        lib.llama_sampler_free(sampler)
    return seconds
