"""Reads a tool's description: the verb and the object of its first sentence, or a noun phrase."""

import re
from functools import cache

from umi_lite.data.synth.names import ACTION_VERBS, NOUNS_TOO, base_verb, is_plural, is_verb, words

# How a description begins before it says what the tool does.
_LEAD = re.compile(
    r"^(?:this (?:function|tool|endpoint|api|method|operation|command)\s+"
    r"(?:is used to|can be used to|is able to|allows (?:you|users|the user) to|will|can|lets you)?"
    r"\s*|(?:used|use|allows? you|enables? you|lets you|a (?:tool|function) (?:that|to|for)|"
    r"tool (?:to|for)|function to|api to|allows users|a utility to|utility to|"
    r"helps? (?:you )?|provides a way)(?: to)?\s+|(?:use this (?:tool|function) to)\s+)",
    re.IGNORECASE,
)
# What a first sentence says beyond what the tool does.
_TAIL = re.compile(
    r"(?:[.;:](?:\s|$)|\s+\(|\s[-–—]\s|,| (?:based on|(?<! a )(?<! the )(?<! an )given|by|using|"
    r"via|through|including|"
    r"such as|that|which|where|when|while|if (?:the|it)|so that|as well as|along with|per the|"
    r"according to|from the (?:system|database|server|api|file system|filesystem|disk)|"
    r"in the (?:system|database)|as (?:text|json|a (?:string|list))|and (?:return|get|provide)s?|"
    r"with (?:the )?(?:given|specified|optional|support)|returning) ).*$",
    re.IGNORECASE | re.DOTALL,
)
_BRACES = str.maketrans("", "", "{}")
_MOST_WORDS = 9
# "Performs a search": an unknown verb, by its ending and the article after it.
_THIRD_PERSON = re.compile(r"[A-Za-z]+[^s\W]s (?:an?|the|all|one|its) ")
PREPOSITIONS = words("for in of to from at on by with between about into")


def _first_sentence(description: str) -> str:
    text = " ".join(description.translate(_BRACES).split())
    text = re.sub(r"\be\.g\.|\bi\.e\.", "for example", text)
    text = re.sub(r"^\W*(?:\[[^\]]*\]|[A-Z]{4,}:)\s*", "", text)
    text = _LEAD.sub("", text)
    text = re.sub(r"^([A-Za-z]+)(?:/| and | or |, )([A-Za-z]+)(?= )", _one_verb, text)
    return _TAIL.sub("", text).strip(" .\"'`")


def _one_verb(found: re.Match[str]) -> str:
    """Keep the first of two verbs: "Create or update a file"."""
    both = is_verb(base_verb(found[1])) and is_verb(base_verb(found[2]))
    return found[1] if both else found[0]


def _english(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return bool(letters) and sum(c.isascii() for c in letters) >= 0.9 * len(letters)


def verb_and_object(description: str) -> tuple[str, str] | None:
    """Return verb and object of a description that begins with a verb."""
    text = _first_sentence(description)
    words = text.split()
    if not words or not _english(text):
        return None
    verb = base_verb(re.sub(r"\W", "", words[0]))
    if not is_verb(verb):
        if not _THIRD_PERSON.match(text):
            return None
        verb = verb[:-1]
    if verb == "look" and words[1:2] == ["up"]:
        words, verb = words[1:], "find"
    if verb in ("search", "look") and words[1:2] == ["for"]:
        words = words[1:]
    for at in range(2, len(words) - 1):
        following = base_verb(words[at + 1])
        if words[at] in ("or", "and") and (
            following in ACTION_VERBS - NOUNS_TOO or following.endswith("ly")
        ):
            words = words[:at]
            break
    whole = words[1:]
    words = _shortened(whole)
    if words is None or (words[:1] in (["if"], ["whether"]) and len(words) < len(whole)):
        return None
    rest = re.sub(r",? and (?:the |a )?number of [\w-]+", "", " ".join(words))
    rest = re.sub(r"^(?:me|the user|back|up|out) ", "", rest)
    rest = re.sub(
        r"^(?:details|information|info|data) (?:about|on|for|of) ", "the details of ", rest
    )
    listed = re.match(r"(?:a |the )?(?:list|array|collection) of (?:all )?(?:the )?(.+)", rest)
    if listed and is_plural(thing_head(listed[1]).split(" ")[-1]):
        rest = listed[1]
    if rest[:1].isupper() and rest[1:2].islower() and words and not words[0].isupper():
        rest = rest if len(words) > 1 and words[1][:1].isupper() else rest[:1].lower() + rest[1:]
    if verb in (
        "retrieve",
        "fetch",
        "return",
        "lookup",
        "obtain",
        "provide",
        "display",
        "view",
        "access",
    ):
        verb = "get"
    if verb in ACTION_VERBS and verb not in ("search",) and not rest:
        return verb, ""
    return verb, rest


def _shortened(words: list[str]) -> list[str] | None:
    """Return at most nine words, cut before a preposition; None where that leaves too little."""
    if len(words) <= _MOST_WORDS:
        return words
    cuts = [
        at
        for at in range(2, _MOST_WORDS + 1)
        if words[at].lower() in (*PREPOSITIONS, "and", "or", "as")
    ]
    return words[: cuts[-1]] if cuts else None


_RELATIVE = re.compile(r" (?:that|which) (?:are|is|have|has|were|was|this|your) [\w' -]+$")
_MOST_RELATIVE = 9
_DETAILS = re.compile(
    r"\b(?:including|such as|consisting of) "
    r"(?P<all>[a-z ]+(?:, [a-z ]+)*,? (?:and|or) [a-z ]+)(?=[.;]|$)"
)


@cache
def relative_clause(description: str) -> str:
    """Return what the first sentence says of the things: "that are staged for commit", or ""."""
    first = re.split(r"[.;:(,]", " ".join(description.split()), maxsplit=1)[0]
    found = _RELATIVE.search(first)
    return found[0].strip() if found and len(found[0].split()) <= _MOST_RELATIVE else ""


@cache
def details(description: str) -> tuple[str, ...]:
    """Return what a description says is in a result: "including size, type and owner"."""
    found = _DETAILS.search(" ".join(description.lower().split()))
    if found is None:
        return ()
    parts = re.split(r",? (?:and|or) |, ", found["all"])
    short = [part.strip() for part in parts if 0 < len(part.split()) <= 3]
    return tuple(short) if len(short) == len(parts) and len(parts) > 1 else ()


def noun_phrase(description: str) -> str | None:
    """Return a description that is a noun phrase: "Current weather for a city"."""
    text = _first_sentence(description)
    words = text.split()
    if not 2 <= len(words) <= 8 or not _english(text) or text.endswith(("?", "!")):
        return None
    first = words[0].lower()
    if (
        first in ("this", "it", "you", "if", "when", "note", "to", "for", "in", "is", "not", "no")
        or base_verb(first) != first
        or is_verb(first)
    ):
        return None
    if first.endswith(("ing", "ed", "ly")):
        return None
    proper = words[0].isupper() or (len(words) > 1 and words[1][:1].isupper())
    return text if proper else text[:1].lower() + text[1:]


@cache
def thing_head(rest: str) -> str:
    """Return the noun phrase of an object: "a new file in the folder" → new file."""
    head = re.split(
        r" (?:for|of|in|at|from|to|on|with|between|about|by|into|as|between) |,", rest, maxsplit=1
    )[0]
    return _ARTICLES.sub("", head)


_ARTICLES = re.compile(
    r"^(?:(?:on|off|up|down|out) )?(?:the|an?|all|any|your|one|existing) "
    r"(?:(?:existing|complete|given|specified) )?"
)
