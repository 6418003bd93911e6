"""Find words that a reader stumbles over: `python scripts/wording.py`; part of `make lint`.

Docs, docstrings, comments and texts of the program are read for `WORDS`, identifiers for `NAMES`.
"""

import io
import re
import sys
import tokenize
from collections import Counter
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
# Parts of identifiers: `told`, `_tell_once` and `ToldOnce` are found, `retell` is not.
NAMES = {
    "told", "tell", "tells", "wish", "wishes", "anew", "whoever", "nobody", "ours", "theirs",
    "nursery", "luxury",
}  # fmt: skip
# Names are reported; set this once all of them are renamed, and one that is left fails too.
FAIL_ON_NAMES = True
_ALL = re.compile(r"\b(?:" + "|".join(f"(?:{word})" for word in WORDS) + r")\b", re.IGNORECASE)
_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/*.md",
          "benchmarks/**/*.md", "umi_lite/recipes/**/*", "examples/*")  # fmt: skip
_CODE = ("umi_lite/**/*.py", "benchmarks/**/*.py", "scripts/*.py", "examples/*.py")
# What models read and write is data, not prose of ours; this file names the words.
_LEFT_OUT = (
    "scripts/wording.py", "umi_lite/data/toolworld/wording.py", "umi_lite/evals/judge_prompts.py",
    "umi_lite/data/synth/requests.py", "umi_lite/data/synth/rewording.py",
    "umi_lite/data/synth/computed.py",
)  # fmt: skip


# Python 3.12 splits f-strings into their text and their code.
# Lines with these texts are read by models: they are part of measured data.
_READ_BY_MODELS = {
    "umi_lite/data/gsm8k.py": "the result can be told",
    "umi_lite/tools/compute.py": " is no ",
    "umi_lite/sandbox/program.py": "there is no network",
}
_PROSE = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
_BRACES = re.compile(r"\{([^{}]*)\}")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Yield the tokens of a Python file."""
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _is_f_string(token: tokenize.TokenInfo) -> bool:
    """True if a token is a whole f-string, as before Python 3.12."""
    prefix = token.string.partition('"')[0].partition("'")[0]
    return token.type == tokenize.STRING and "f" in prefix.lower()


def names(text: str) -> Counter[str]:
    """Return how often each of `NAMES` is a part of an identifier in a Python file."""
    code = (
        token.string if token.type == tokenize.NAME else " ".join(_BRACES.findall(token.string))
        for token in tokens(text)
        if token.type == tokenize.NAME or _is_f_string(token)
    )
    found = (part.lower() for words in code for part in _PARTS.findall(words))
    return Counter(part for part in found if part in NAMES)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of what a person reads in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokens(text):
        if token.type in _PROSE:
            shown = _BRACES.sub("{}", token.string) if _is_f_string(token) else token.string
            for offset, line in enumerate(shown.splitlines()):
                yield token.start[0] + offset, line


def files(*patterns: str) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) of the files that are checked, sorted."""
    for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and name not in _LEFT_OUT:
            yield name, path


def findings() -> Iterator[str]:
    """Yield `file:line: word (better: …)` for each word found."""
    for name, path in files(*_PAGES, *_CODE):
        for line, text in prose(path):
            if _READ_BY_MODELS.get(name, "\n") in text:
                continue
            for match in _ALL.finditer(text):
                word = match.group()
                better = next(b for w, b in WORDS.items() if re.fullmatch(w, word, re.IGNORECASE))
                yield f"{name}:{line}: {word!r} (better: {better})"


def named() -> Iterator[str]:
    """Yield `file: names with their counts` for each file that has some of `NAMES`."""
    for name, path in files(*_CODE):
        if path.suffix == ".py" and (found := names(path.read_text(encoding="utf-8"))):
            counts = ", ".join(f"{word} {count}" for word, count in found.most_common())
            yield f"{name}: names: {counts}"


def main() -> int:
    """Print what is found.

    Returns:
        The exit status: 1 where a word was found, or a name and `FAIL_ON_NAMES` is set.
    """
    words, identifiers = list(findings()), list(named())
    print(*words, *identifiers, sep="\n")
    print(f"{len(words)} words and {len(identifiers)} files with names that a reader stumbles over")
    return int(bool(words or (FAIL_ON_NAMES and identifiers)))


if __name__ == "__main__":
    sys.exit(main())
