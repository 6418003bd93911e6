"""All of wild's tools, split by domain and by name."""

from functools import cache

from umi_lite.data.synth.pools import SPLITS, Split
from umi_lite.data.synth.wording import SynthTool
from umi_lite.data.wild.documents import Style, documented
from umi_lite.data.wild.grammar import drafts_of
from umi_lite.data.wild.lexicon import domains


def plain_name(name: str) -> str:
    """Return a name without case and separators: two tools that differ only there are one."""
    return "".join(c for c in name.casefold() if c.isalnum())


@cache
def _all() -> dict[Split, tuple[SynthTool, ...]]:
    made: dict[Split, list[SynthTool]] = {split: [] for split in SPLITS}
    taken: set[str] = set()
    # Test first: where two domains have a tool of the same name, training renames its own.
    for domain in sorted(domains(), key=lambda one: SPLITS.index(one.split), reverse=True):
        styles: dict[str, Style] = {}
        for draft in drafts_of(domain):
            style = styles.setdefault(draft.topic, Style(draft))
            name = style.name(draft.words)
            if plain_name(name) in taken:
                name = style.name(draft.words, domain.name)
            if plain_name(name) in taken:
                continue
            taken.add(plain_name(name))
            made[domain.split].append(documented(draft, style, name))
    return {split: tuple(tools) for split, tools in made.items()}


def tools_of(split: Split) -> tuple[SynthTool, ...]:
    """Return the tools of a split; no other split has their names or their domains."""
    return _all()[split]
