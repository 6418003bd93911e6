"""Requests for a tool that has no wording: from its name, description and arguments."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from umi_lite.data.synth.describe import (
    PREPOSITIONS,
    details,
    noun_phrase,
    relative_clause,
    thing_head,
    verb_and_object,
)
from umi_lite.data.synth.names import (
    COMPUTE_VERBS,
    QUERY_VERBS,
    VERBS,
    base_verb,
    content_words,
    entity_of,
    human,
    is_plural,
    own_words,
    singular,
    with_article,
    words,
    words_of,
)  # fmt: skip
from umi_lite.data.synth.phrases import FROM_WORDS, TO_WORDS, Phrase, joined, phrase

_ASKED = (
    r"(?:given|specified|certain|particular|specific|provided|target|single|chosen|requested|"
    r"existing|selected|optional)"
)
_UNMATCHED = re.compile(
    rf" (?:for|to|in|at|from|on|of|by|with|between|into|under|about|against|within)"
    rf" (?:(?:a|an|one|another|the|any|your|each|multiple|two) {_ASKED}(?: [\w-]+){{1,3}}"
    rf"|another(?: [\w-]+)?|{_ASKED}(?: [\w-]+){{1,2}})(?=$| (?:on|in|at|for|from|to|by|with) )"
    rf"| (?:for|to|in|at|from|on|by|with|between|into|under|against|within|matching|containing)"
    rf" (?:a|an|one|two|multiple|several)(?: [\w-]+){{1,2}}(?=$| (?:on|in|at|for|from|to|by|with) )"
    rf"| (?:for|to|with|from) (?:some(?:body|one)|people|others)(?=$| (?:on|in|at|for|by|with) )"
    rf"|,? and (?:the |a )?number of [\w-]+"
)
# Words by which descriptions name what an argument of a kind gives.
_KIND_NOUNS = {
    "path": ("file path", "file", "path"), "folder": ("directory", "folder"),
    "city": ("city", "location", "place"), "person": ("person", "user", "customer", "contact"),
    "url": ("url", "web page", "webpage", "website"),
    "topic": ("query", "topic", "keyword", "search query", "search term"),
    "message": ("text", "message"), "ticker": ("stock", "company"),
    "expression": ("expression", "mathematical expression"), "revision": ("commit", "revision"),
}  # fmt: skip


_TWICE = re.compile(r" (?:to|of|in|from) (?:the|a) repository (in the repository \{)")
_PATHS = {"path", "folder"}
_AT_PATH = re.compile(r" (?:at|in) ((?:the repository )?\{)")
# Kinds whose values are said with their noun: "move the file notes.txt".
_KEEP_NOUN = frozenset(words("task topic path folder"))
# Queries that are asked for by their verb: "list the files".
_SAID = frozenset(words("search list check read track count query look browse"))


@dataclass(frozen=True)
class Clause:
    """What is asked for: a noun phrase ("the weather in {city}") or an imperative."""

    noun: bool
    text: str


@dataclass(frozen=True)
class Generic:
    """The generic wording of one tool.

    Attributes:
        verb: the verb in base form.
        rest: its object, or all of a noun phrase.
        query: True where the tool finds something out.
    """

    verb: str
    rest: str
    query: bool
    label: str

    @property
    def thing(self) -> str:
        """A noun phrase of what it does."""
        rest = _UNMATCHED.sub("", self.rest)
        if not rest:
            return f"a way to {self.verb}"
        return with_article(rest) if self.query else f"a way to {self.verb} {rest}"

    @cached_property
    def imperative(self) -> str:
        """What it does, as an imperative without arguments: "book a table"."""
        return f"{self.verb} {_UNMATCHED.sub('', self.rest)}".strip()

    def clauses(
        self, arguments: Mapping[str, str], facts: Mapping[str, Any], verb: str
    ) -> list[Clause]:
        """Return ways to ask for it with some arguments.

        Args:
            arguments: the kind of each argument that has to be mentioned.
            facts: the schemas of the arguments.
        """
        rest, left = self._with_slots(arguments)
        mentions = [phrase(name, arguments[name], facts.get(name) or {}, verb) for name in left]
        rest, mentions = _objects(self.verb, rest, mentions)
        said = _TWICE.sub(r" \1", f"{rest}{joined(mentions)}".strip())
        if not said:
            return [Clause(False, self.verb)]
        if self.query and self.verb not in _SAID:
            if not re.search(r" (?:of|about|for|at|in) ", rest):
                said = _AT_PATH.sub(r" of \1", said) if set(arguments.values()) & _PATHS else said
            noun = with_article(said) if not said.startswith("{") else said
            return [Clause(True, noun)]
        return [Clause(False, f"{self.verb} {said}")]

    def _with_slots(self, arguments: Mapping[str, str]) -> tuple[str, list[str]]:
        """Put slots where the object names an argument; return it and the arguments left."""
        rest, left = self.rest, []
        for name, kind in sorted(arguments.items(), key=lambda one: one[1] != "amount"):
            rest, done = _substituted(rest, name, kind, self.query)
            if not done:
                left.append(name)
        if left or not arguments:
            for _ in range(2):
                rest = _UNMATCHED.sub("", rest)
            # "from {source} to another": the other end is mentioned by its own argument.
            rest = re.sub(r" (?:to|into|and) another(?: [\w-]+)?$", "", rest)
            if len(left) > 1:
                rest = re.sub(r" between [\w-]+s$", "", rest)
        rest = re.sub(r"(\{[^}]+\}),? (?:and|or) (?:the |an? |its )?[\w-]+$", r"\1", rest)
        return rest, [name for name in arguments if name in left]


def _substituted(rest: str, name: str, kind: str, query: bool) -> tuple[str, bool]:
    if kind == "message" and (
        found := re.match(
            r"(?:(?:an?|the) )?(?:(?:new|given|short) )?(text|message|sentence|note|comment)\b",
            rest,
        )
    ):
        return f"the {found[1]} {{{name}}}{rest[found.end() :]}", True
    if kind in ("boolean", "object", "objects", "list", "title", "message", "percent"):
        return rest, False
    said = human(name).lower()
    nouns = [said, *([words_of(name)[-1]] if words_of(name) else []), *_KIND_NOUNS.get(kind, ())]
    if kind == "path" and "folder" in rest:
        nouns += ["folder"]
    entity = entity_of(name).replace("_", " ") if kind == "id" else ""
    if entity:
        nouns = [f"{entity} id", f"{entity}", *nouns]
    for noun in nouns:
        if len(noun) < 3:
            continue
        found = re.search(
            rf"(?:^|(?<= ))(?:(?P<art>a|an|one|the|any|your|another) )?(?:{_ASKED} )?"
            rf"{re.escape(noun)}(?: name| ID| id)?(?=$| (?!of\b))",
            rest,
        )
        if found is None:
            continue
        before = rest[: found.start()].rstrip()
        last = before.split(" ")[-1]
        if last not in PREPOSITIONS and found.start() > 0 and (not found["art"] or kind == "enum"):
            continue
        ends = (TO_WORDS, "from") if last == "from" else (FROM_WORDS, "to")
        if last == ends[1] and words_of(name)[:1] and words_of(name)[0] in ends[0]:
            continue
        if kind == "enum" and found.start() == 0:
            continue
        if found["art"] == "the" and found.start() == 0 and not re.search(_ASKED, found[0]):
            continue
        if found.start() == 0 and not found["art"] and found[0] != rest:
            continue
        # "the price of a stock" is about it; "a list" alone is what the tool makes.
        text = f"{entity} {{{name}}}" if entity else f"{{{name}}}"
        if found.start() == 0 and not entity and (query or kind in _KEEP_NOUN):
            text = f"the {noun} {{{name}}}"
        after = rest[found.end() :]
        return f"{rest[: found.start()]}{text}{after}", True
    return rest, False


def _objects(verb: str, rest: str, mentions: list[Phrase]) -> tuple[str, list[Phrase]]:
    """Make the first "for X" the object where the verb has none: "search for X", "translate X"."""
    if rest or not mentions:
        if verb == "search" and rest and not rest.startswith(("for ", "the ", "in ")):
            rest = f"for {rest}"
        return rest, mentions
    ordered = sorted(mentions, key=lambda one: one.rank)
    first = ordered[0].text
    if verb not in ("search", "look", "check", "ask"):
        first = re.sub(r"^(?:for|about|at|with the [\w ]+?|saying|called) (?=[\w ]*\{)", "", first)
    return first, ordered[1:]


@cache
def generic(name: str, description: str) -> Generic:
    """Return a tool's generic wording."""
    last = name.rpartition(".")[2].rpartition("/")[2]
    parts = list(own_words(name))
    found = verb_and_object(description)
    if found is not None:
        verb, rest = found
        if len(rest.split()) > 1 and all(word.istitle() for word in rest.split()):
            # "Get Job Logs", the title of an operation.
            rest = rest.lower()
        return Generic(verb, rest, verb in QUERY_VERBS | COMPUTE_VERBS, last)
    nouns = noun_phrase(description)
    if nouns is not None:
        return Generic("get", nouns, True, last)
    return _of_name(parts, last) or Generic("run", f"the tool {name}", False, last)


def _of_name(parts: Sequence[str], last: str) -> Generic | None:
    """Return what the words of a name say: a verb and its object, or a noun phrase."""
    verb = base_verb(parts[0]) if parts else ""
    if verb in VERBS and all(word.isascii() for word in parts):
        rest = re.sub(r" by [\w ]+$", "", human("_".join(parts[1:]))) if parts[1:] else ""
        query = verb in QUERY_VERBS | COMPUTE_VERBS
        plural = is_plural(rest.split(" ")[-1]) if rest else False
        if rest and not query and not plural and len(parts) > 1:
            rest = f"{_an(rest)} {rest}"
        return Generic(verb, rest, query, last)
    if len(parts) < 2 or not all(word.isascii() and not word.isdigit() for word in parts):
        return None
    if parts[-1].endswith("ed"):
        # "diff_staged" is a staged diff.
        parts = (parts[-1], *parts[:-1])
    return Generic("get", human("_".join(parts)), True, last)


@cache
def by_name(name: str, description: str) -> Generic | None:
    """Return a tool's wording by its name alone; None where the name says too little.

    People ask to "list the directory" where the description has "a detailed listing of files".
    """
    made, described = _of_name(own_words(name), name), generic(name, description)
    if made is None or made.query != described.query:
        return None
    if not made.rest and made.verb == described.verb:
        return None
    head = re.split(r" (?:with|of|in|for|by) ", made.rest, maxsplit=1)[0].split(" ")
    if made.verb not in _SAID or is_plural(head[-1]):
        return made
    return replace(made, rest=f"{_an(made.rest)} {made.rest}")


def with_clause(wording: Generic, description: str) -> Generic | None:
    """Return a wording with what the description says of the things, None if it says nothing.

    "That are not staged", for example.
    """
    clause = relative_clause(description)
    return replace(wording, rest=f"{wording.rest} {clause}") if clause else None


def of_details(rng: random.Random, wording: Generic, description: str) -> Generic | None:
    """Return a wording that asks for one or two details of a result; None where none are named."""
    named = details(description)
    about = re.search(r" (?:about|of|for|on) (.+)", wording.rest)
    if not named or not wording.query or about is None:
        return None
    wanted = " and ".join(rng.sample(named, rng.randint(1, 2)))
    return replace(wording, verb="get", rest=f"{wanted} of {about[1]}")


def plainer(wording: Generic) -> Generic:
    """Return a wording without the adjectives by which descriptions praise a result."""
    rest = _PRAISE.sub("", wording.rest)
    return replace(wording, rest=_ARTICLE_AGAIN.sub(lambda found: f"{_an(found[1])} ", rest))


_PRAISE = re.compile(
    r"\b(?:complete|detailed|comprehensive|entire|full|existing|recursive|specific) "
    r"|(?: simultaneously| recursively)\b"
)
_ARTICLE_AGAIN = re.compile(r"\ban? (?=(\w))")


def _an(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"


@cache
def entity(name: str, description: str) -> str:
    """Return the noun that a tool is about: by its name, else the object of its description."""
    own = [singular(word) for word in own_words(name)]
    cut = next((at for at, word in enumerate(own) if at > 1 and word in PREPOSITIONS), len(own))
    own = own[:cut]
    about = content_words(name)
    nouns = [word for word in own if word in about and not word.endswith("ed")]
    if nouns:
        return nouns[-1]
    found = thing_head(generic(name, description).rest).split(" ")[-1]
    return singular(found) if found.isalpha() else "item"
