"""The drafts of a domain's tools: its acts, and what verbs do with its entities."""

from collections.abc import Iterator

from umi_lite.data.synth.names import COMPUTE_VERBS, QUERY_VERBS, VERBS, is_plural
from umi_lite.data.wild.drafts import MASS, Draft, a_noun, expanded
from umi_lite.data.wild.lexicon import Act, Domain, Kind, bare, slot_kinds
from umi_lite.data.wild.verbs import Things


def drafts_of(domain: Domain) -> Iterator[Draft]:
    """Yield the drafts of a domain's tools."""
    for name, act in domain.acts.items():
        yield _of_act(domain, name, act)
    for name, entity in domain.entities.items():
        yield from Things(domain, name, entity).drafts()


def _of_act(domain: Domain, name: str, act: Act) -> Draft:
    templates = [text for ask in act.ask for text in expanded(ask)]
    mentioned = [slot_kinds(text) for text in templates]
    arguments: dict[str, Kind] = {}
    for slots in (slot_kinds(ask) for ask in act.ask):
        for argument, kind in slots:
            arguments.setdefault(argument, domain.kinds[kind])
    required = tuple(a for a in arguments if all(a in dict(slots) for slots in mentioned))
    words = tuple(name.split("_"))
    returns = {key: domain.kinds[kind] for key, kind in act.give.items()}
    does = act.does or (_sentence(words) if words[0] in VERBS else f"Get the {act.do}")
    query = does.split(" ")[0].lower() in QUERY_VERBS | COMPUTE_VERBS
    return Draft(
        domain,
        domain.name,
        words,
        arguments,
        required,
        tuple(map(bare, templates)),
        f"the {act.do}" if query else act.do,
        does,
        query,
        act.say,
        returns,
    )


def _sentence(words: tuple[str, ...]) -> str:
    """Return an act's name as a sentence: ("book", "flight") → Book a flight."""
    verb, *rest = words
    if not rest:
        return verb.capitalize()
    lead = [rest.pop(0)] if rest[0] in _PREPOSITIONS and len(rest) > 1 else []
    noun = " ".join(rest)
    without = is_plural(rest[-1]) or rest[-1] in MASS or {rest[0], rest[-1]} & _PREPOSITIONS
    return " ".join([verb.capitalize(), *lead, noun if without else a_noun(noun)])


_PREPOSITIONS = frozenset({"to", "in", "on", "of", "for", "by", "as", "from", "up", "off", "out"})
