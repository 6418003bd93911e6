"""Find words that a reader stumbles over: `python scripts/wording.py`; part of `make lint`.

Docs, docstrings, comments and texts of the program are read, names and code are not.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each pattern, and what a reader expects in its place.
WORDS = {
    r"tell|tells|told|telling": "report, print, say, pass",
    r"behind": "after",
    r"beside": "next to, besides",
    r"stands?|stood": "is, appears",
    r"lies|lay": "is",
    r"anew": "again",
    r"so many|so often|so much": "N, this many, how often",
    r"at hand|to be had": "available",
    r"goes on|go on|going on|went on|gone on": "continue, resume",
    r"mend|mends|mended": "fix",
    r"whoever|whom|nobody|somebody": "name the part",
    r"complaints?|luxury": "error, option",
    r"is no (?!longer|more)\w+": "is not a …",
    r"one's own": "your own",
    r"hangs? together": "is correlated",
    r"is back|was back": "has returned",
}
_ALL = re.compile(r"\b(?:" + "|".join(f"(?:{word})" for word in WORDS) + r")\b", re.IGNORECASE)
_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/*.md",
          "benchmarks/**/*.md", "umi_lite/recipes/**/*", "examples/*")  # fmt: skip
_CODE = ("umi_lite/**/*.py", "benchmarks/**/*.py", "scripts/*.py", "examples/*.py")
# What models read and write is data, not prose of ours; this file names the words.
_LEFT_OUT = (
    "scripts/wording.py", "umi_lite/data/toolworld/wording.py", "umi_lite/evals/judge_prompts.py",
)  # fmt: skip


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of what a person reads in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def findings() -> Iterator[str]:
    """Yield `file:line: word (better: …)` for each word found."""
    paths = {path for pattern in (*_PAGES, *_CODE) for path in ROOT.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if name in _LEFT_OUT:
            continue
        for line, text in prose(path):
            for match in _ALL.finditer(text):
                word = match.group()
                better = next(b for w, b in WORDS.items() if re.fullmatch(w, word, re.IGNORECASE))
                yield f"{name}:{line}: {word!r} (better: {better})"


if __name__ == "__main__":
    found = list(findings())
    print("\n".join(found))
    if found:
        sys.exit(f"{len(found)} words that a reader stumbles over")
