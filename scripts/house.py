"""Measure the package's shape: files, lines, import chain, circles. `python scripts/house.py`.

tests/test_walls.py holds the package to the limits below.
"""

import statistics
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
# Lines of a file; a longer one is listed with its reason.
MAX_LINES = 350
LONGER = {"evals/math/parse.py": "one parser: its rules call each other"}
# Modules of the longest import chain. Lower it when the chain gets shorter.
MAX_CHAIN = 16
# The files to read to follow one episode, from the command to the tool call and the tokens.
EPISODE = (
    "cli/run.py", "ask.py", "agent/agent.py", "agent/episode.py", "engine/engine.py",
    "tools/tools.py",
)  # fmt: skip


def lines_of(folder: Path) -> dict[str, int]:
    """Return the number of lines of each Python file below a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.rglob("*.py"))
    }


def too_long() -> dict[str, int]:
    """Return the package's files that have more than `MAX_LINES` lines and no reason to."""
    lines = lines_of(ROOT / "umi_lite")
    return {name: n for name, n in lines.items() if n > MAX_LINES and name not in LONGER}


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
    package = sorted(lines_of(ROOT / "umi_lite").values())
    tests = lines_of(ROOT / "tests").values()
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
