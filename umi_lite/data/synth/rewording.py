"""Other words for a request: people make a folder where a tool creates a directory.

The splits share no verb here, so some held-out requests are worded as no training request is.
"""

import random
import re

from umi_lite.data.synth.pools import Split, choice

_VERB_SHARE, _NOUN_SHARE, _INSIDE_SHARE = 0.35, 0.4, 0.3
_VERBS: dict[str, dict[Split, tuple[str, ...]]] = {
    "create": {"train": ("make", "add", "start"), "dev": ("open up",), "test": ("set up",)},
    "add": {"train": ("put", "include"), "dev": ("attach",), "test": ("insert",)},
    "delete": {"train": ("remove", "throw away"), "dev": ("drop",), "test": ("get rid of",)},
    "remove": {"train": ("delete", "take away"), "dev": ("drop",), "test": ("get rid of",)},
    "list": {"train": ("show me", "give me"), "dev": ("go through",), "test": ("display",)},
    "read": {"train": ("open", "show me"), "dev": ("look into",), "test": ("display",)},
    "show": {"train": ("give me", "tell me"), "dev": ("print",), "test": ("display",)},
    "write": {"train": ("save", "make"), "dev": ("store",), "test": ("put down",)},
    "edit": {"train": ("change", "modify"), "dev": ("rework",), "test": ("adjust",)},
    "update": {"train": ("change", "correct"), "dev": ("revise",), "test": ("adjust",)},
    "search": {"train": ("look", "hunt"), "dev": ("go looking",), "test": ("check",)},
    "move": {"train": ("bring", "put"), "dev": ("shift",), "test": ("transfer",)},
    "send": {"train": ("pass on", "deliver"), "dev": ("forward",), "test": ("dispatch",)},
    "start": {"train": ("begin", "run"), "dev": ("fire up",), "test": ("kick off",)},
    "stop": {"train": ("end", "halt"), "dev": ("shut off",), "test": ("put an end to",)},
}
_NOUNS = {
    "directory": "folder", "directories": "folders", "repository": "repo", "metadata": "details",
    "information": "details", "image": "picture", "message": "text", "user": "person",
    "vehicle": "car", "location": "place", "schedule": "plan", "items": "things",
}  # fmt: skip
# "Read the file" is said as "tell me what is in the file".
_INSIDE: dict[Split, tuple[str, ...]] = {
    "train": ("tell me what is in", "show me what's in"),
    "dev": ("find out what is in",),
    "test": ("let me know what is in",),
}
_CONTAINER = re.compile(r"(?:the |an? )?(?:\w+ )?(?:directory|folder|file|document|note|page)\b")
# Not in a slot.
_NOUN = re.compile(r"(?<![\w{])(" + "|".join(_NOUNS) + r")(?![\w}])")


def reworded(rng: random.Random, text: str, split: Split) -> str:
    """Return what is asked for, at times with a verb and nouns that people use for it."""
    verb, blank, rest = text.partition(" ")
    if verb in ("read", "list") and _CONTAINER.match(rest) and rng.random() < _INSIDE_SHARE:
        text = f"{choice(rng, _INSIDE[split])} {rest}"
    elif rng.random() < _VERB_SHARE and blank and verb in _VERBS:
        text = f"{choice(rng, _VERBS[verb][split])} {rest}"
    if rng.random() < _NOUN_SHARE:
        text = _NOUN.sub(lambda found: _NOUNS[found[1]], text)
    return text
