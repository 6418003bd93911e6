"""Measure the package's shape: files, lines, import chain, circles. `python scripts/house.py`."""

import statistics
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
# What one reads to follow one episode, from the command to the tool call and the tokens.
EPISODE = (
    "cli/run.py", "ask.py", "agent/agent.py", "agent/episode.py", "engine/engine.py",
    "tools/tools.py",
)  # fmt: skip


def lines_of(folder: Path) -> list[int]:
    """Return the lines of each Python file below a folder, sorted."""
    return sorted(len(p.read_text(encoding="utf-8").splitlines()) for p in folder.rglob("*.py"))


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules that import each other in a loop."""
    reach = {module: graph.find_downstream_modules(module) for module in graph.modules}
    groups = {
        frozenset({module, *(other for other in reach[module] if module in reach[other])})
        for module in graph.modules
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def longest_chain(graph: grimp.ImportGraph) -> list[str]:
    """Return the longest chain of imports; the graph must have no circle."""

    @cache
    def below(module: str) -> tuple[str, ...]:
        imported = graph.find_modules_directly_imported_by(module)
        return (module, *max(map(below, imported), key=len, default=()))

    return list(max(map(below, graph.modules), key=len))


def main() -> None:
    """Print one line per figure."""
    package = lines_of(ROOT / "umi_lite")
    tests = lines_of(ROOT / "tests")
    print(f"package: {len(package)} files, {sum(package)} lines")
    print(f"tests: {len(tests)} files, {sum(tests)} lines")
    p90 = package[int(0.9 * len(package))]
    print(f"file length: median {statistics.median(package):.0f}, p90 {p90}, longest {package[-1]}")
    missing = [name for name in EPISODE if not (ROOT / "umi_lite" / name).is_file()]
    print(f"to read for one episode: {len(EPISODE)} files", *missing)
    graph = grimp.build_graph("umi_lite")
    found = circles(graph)
    print(f"circles: {len(found)}", *found)
    if not found:
        chain = longest_chain(graph)
        print(f"longest import chain: {len(chain)}")
        print("\n".join(f"  {module}" for module in chain))


if __name__ == "__main__":
    main()
