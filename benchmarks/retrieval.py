"""Whether a tool that a task needs is among the k best of `tools.search`, on BFCL's functions.

`python -m benchmarks.retrieval`: every function of the single-turn categories is in one index; the
queries are the instructions that have possible answers. Recall@k is the share of a task's tools
among the k best, averaged over the tasks. The last line is JSON.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from benchmarks.report import show
from umi_lite.data.bfcl import SINGLE_TURN, tasks
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.search import ToolIndex

KS = (1, 5, 10, 20, 50)
_GROUPS = ("simple", "multiple", "parallel", "parallel_multiple", "live")


def recall(index: ToolIndex, queries: Sequence[tuple[str, set[str]]]) -> dict[str, float | int]:
    """Return recall@k for `KS`, the number of queries and the milliseconds per query."""
    started = time.perf_counter()
    found = [[tool.name for tool in index.best(text, max(KS))] for text, _ in queries]
    seconds = time.perf_counter() - started
    shares: dict[str, float | int] = {"queries": len(queries)}
    for k in KS:
        hits = (
            len(wanted & set(names[:k])) / len(wanted)
            for names, (_, wanted) in zip(found, queries, strict=True)
        )
        shares[f"@{k}"] = round(fmean(hits), 3)
    return shares | {"ms": round(1000 * seconds / len(queries), 2)}


def corpus() -> tuple[dict[str, Tool], dict[str, list[tuple[str, set[str]]]]]:
    """Return the tools by name, and by group each instruction with the names of its tools."""
    tools: dict[str, Tool] = {}
    queries: dict[str, list[tuple[str, set[str]]]] = {group: [] for group in _GROUPS}
    for category in SINGLE_TURN:
        group = category.partition("_")[0] if category[:4] in ("simp", "live") else category
        for task in tasks(category).trajectories:
            for tool in task.tools:
                tools.setdefault(tool.name, tool)
            if task.meta["answers"]:
                wanted = {name for answer in task.meta["answers"] for name in answer}
                queries[group].append((task.instruction, wanted))
    return tools, queries


def _less(tools: Mapping[str, Tool]) -> Iterator[tuple[str, list[Tool]]]:
    """Yield the tools with less and less of their docs, each with a title."""
    whole = list(tools.values())
    yield "whole docs", whole
    bare = [tool.model_copy(update={"parameters": {}}) for tool in whole]
    yield "names and descriptions", bare
    yield "names alone", [tool.model_copy(update={"description": ""}) for tool in bare]


def main() -> None:
    tools, queries = corpus()
    every = [query for group in queries.values() for query in group]
    rows = {title: recall(ToolIndex(some), every) for title, some in _less(tools)}
    index = ToolIndex(tools.values())
    rows |= {f"whole docs: {name}": recall(index, some) for name, some in queries.items()}
    show(f"recall@k among {len(tools)} tools", rows, {}, 1)


if __name__ == "__main__":
    main()
