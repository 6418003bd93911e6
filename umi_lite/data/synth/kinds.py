"""What an argument or a result field is about: its kind, by format, type, name and description."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from umi_lite.data.synth.choices import described_choices
from umi_lite.data.synth.names import singular, words, words_of

DONE, NAMES, FREE = "done", "names", "free text"
"""Further kinds of fields: what was done ("cancelled"), a list of names, a text of any form."""
_FORMATS = {
    "date": "date", "date-time": "datetime", "time": "time", "email": "email", "uri": "url",
    "url": "url", "uri-reference": "url", "uuid": "uuid", "ipv4": "ip", "hostname": "host",
    "idn-email": "email", "duration": "iso_duration", "ipv6": "ipv6",
}  # fmt: skip

# Words of a name, the surest first: the first rule that holds decides.
_TEXT_RULES: tuple[tuple[str, str], ...] = (
    (r"(?:^| )(?:latitude|lat)$", "latitude"),
    (r"(?:^| )(?:longitude|lon|lng|long)$", "longitude"),
    (r"\b(?:e ?mails?|mail address|recipients?|cc|bcc)\b", "email"),
    (r"\b(?:phone|mobile|telephone|cell|sms)\b", "phone"), (r"\b(?:uuid|guid)\b", "uuid"),
    (r"\b(?:password|passphrase|pwd)\b", "password"),
    (r"(?:^| )(?:us )?(?:state|province)(?: code)?$", "state"),
    (r"\b(?:timezone|time zone|tz)\b", "timezone"),
    (r"\b(?:iso ?8601|datetime|date time|timestamp)\b|(?:^| )(?:start|end) time$",
     "datetime_or_time"),
    (r"\b(?:dates?|day|birthday|deadline|dob|since|until|checkin|checkout|due|check in|"
     r"check out)\b", "date"),
    (r"(?:^| )(?:time|clock|hour)$", "time"),
    (r"\b(?:urls?|links?|website|uri|homepage|webpage|webhook|endpoint)\b", "url"),
    (r"\b(?:host|hostname|domain)\b", "host"), (r"\bip\b", "ip"),
    (r"\b(?:folder|directory|dir)\b", "folder"),
    (r"\b(?:file ?path|path|paths|file|files|filename|file name|attachment)\b", "path"),
    (r"\b(?:airport|iata)\b", "airport"), (r"\b(?:ticker|symbol|stock)\b", "ticker"),
    (r"\b(?:zip|postal|postcode)\b", "zip"), (r"\baccount(?: id| number| no)?$", "id"),
    (r"\b(?:color|colour)\b", "color"), (r"\bcurrenc(?:y|ies)\b", "currency"),
    (r"\b(?:language|lang|locale)\b", "language"),
    (r"\b(?:country|countries|nation|nationality)\b", "country"),
    (r"\b(?:id|ids|identifier|number|no|code|key|sku|isbn|ref|reference|uid)$", "id"),
    (r"\b(?:username|login|handle|user)$", "username"), (r"\bstreet\b", "street"),
    (r"\baddress\b", "address"),
    (r"\b(?:city|cities|town|destination|origin|departure|arrival|location|place|region|area|"
     r"municipality|station)\b", "city"),
    (r"\bteam\b", "team"), (r"\b(?:sport|league)\b", "sport"),
    (r"\b(?:hotel|accommodation)\b", "hotel"), (r"\brestaurant\b", "restaurant"),
    (r"\b(?:airline|carrier)\b", "airline"),
    (r"\b(?:company|organi[sz]ation|vendor|supplier|brand|employer|business|merchant|"
     r"client)\b", "company"),
    (r"\b(?:cuisine)\b", "cuisine"), (r"\b(?:dish|recipe|meal|food)\b", "dish"),
    (r"\b(?:ingredients?)\b", "ingredient"), (r"\b(?:genre)\b", "genre"),
    (r"\b(?:artist|band|singer|musician)\b", "artist"), (r"\b(?:song|track)\b", "song"),
    (r"\b(?:book|novel)\b", "book"), (r"\b(?:movie|film|show|series)\b", "movie"),
    (r"\b(?:plant|crop|flower)\b", "plant"), (r"\b(?:animal|pet|species|breed)\b", "animal"),
    (r"\b(?:drug|medicine|medication)\b", "medicine"), (r"\b(?:symptoms?)\b", "symptom"),
    (r"\b(?:exercise|workout)\b", "exercise"), (r"\b(?:crypto|coin|cryptocurrency)\b", "crypto"),
    (r"\b(?:token|secret)$", "id"), (r"\b(?:room)\b", "room"),
    (r"\b(?:devices?|appliance)\b", "device"), (r"\b(?:car|vehicle)\b", "car"),
    (r"\b(?:material|fabric)\b", "material"), (r"\b(?:branch)\b", "branch"),
    (r"\b(?:revision|sha|commit(?: hash)?)$", "revision"),
    (r"\b(?:repository|repo)\b", "repo"), (r"\b(?:project|workspace)\b", "project"),
    (r"\b(?:department)\b", "department"),
    (r"\b(?:job|role|position|occupation|profession|skill)\b", "job"),
    (r"\b(?:product|item|article|goods)\b", "product"), (r"\b(?:task|todo|reminder)\b", "task"),
    (r"\b(?:event|appointment|meeting)\b", "title"),
    (r"\b(?:tags?|labels?|keywords?|hashtags?)\b", "tag"),
    (r"\b(?:category|section)$", "category"),
    (r"\b(?:title|subject|headline|heading|topic name|caption)$", "title"),
    (r"\b(?:sql)\b", "sql"), (r"\b(?:expression|formula|equation|function)$", "expression"),
   
    (r"\b(?:message|body|text|content|contents|comment|description|note|notes|reason|feedback|"
     r"summary|caption|review|sentence|paragraph|reply|details|observation|thought|bio)$",
     "message"),
    (r"\b(?:query|topic|search|keyword|question|term|prompt|subject|q|theme|interest)$", "topic"),
    (r"\b(?:version)\b", "version"), (r"\b(?:glob|pattern|patterns)$", "glob"),
    (r"\b(?:landmark|attraction|venue|point)\b", "landmark"),
    (r"\b(?:first name|given name)\b", "first_name"),
    (r"\b(?:last name|surname|family name)\b", "last_name"),
   
    (r"\b(?:person|customer|contact|author|patient|employee|assignee|owner|member|guest|people|"
     r"attendees?|participants?|driver|student|teacher|sender|receiver|recipient|user|friend|"
     r"player|passenger|doctor|crew|staff|actor|director|full name|invitees|to)\b", "person"),
)  # fmt: skip
_NUMBER_RULES: tuple[tuple[str, str], ...] = (
    (r"^number$", "number"),
    (r"(?:^| )(?:latitude|lat)\b", "latitude"),
    (r"(?:^| )(?:longitude|lon|lng)\b", "longitude"),
    (r"\b(?:year)\b", "year"),
    (r"\b(?:month)$", "month_number"),
    (r"\bminutes?\b|\bmins?$", "minutes"),
    (r"\b(?:seconds?|secs?|timeout|ttl)\b", "seconds"),
    (r"\b(?:hours?|hrs?)\b", "hours"),
    (r"(?:^| )day$", "month_day"), (r"\b(?:days?|nights?)\b", "days"),
    (r"\b(?:weeks?)\b", "weeks"),
    (r"\b(?:percent|percentage|pct|rate|discount|interest|probability|ratio|tip|brightness|volume|"
     r"humidity|opacity)\b", "percent"),
    (r"\b(?:temperature|temp|celsius|fahrenheit|degrees)\b", "temperature"),
    (r"\b(?:id|identifier|code|pin|number)$", "id"),
    (r"\b(?:price|amount|budget|cost|salary|income|fee|payment|total|principal|loan|balance|fare|"
     r"investment|bid|revenue|spend|bill)\b", "amount"),
    (r"\b(?:rating|stars|score)\b", "rating"),
    (r"\b(?:age)\b", "age"),
    (r"\b(?:page)\b", "small"),
    (r"\b(?:guests?|people|adults?|children|persons?|passengers?|party|seats?|tickets?|rooms?|"
     r"servings?|travelers?|travellers?|attendees|participants|players|floor|copies)\b", "small"),
    (r"\b(?:limit|count|quantity|top|results?|size|max|n|k|items|lines|steps|offset|repetitions|"
     r"reps|sets|head|tail|depth|pages)\b", "count"),
    (r"\b(?:weight|height|width|length|radius|distance|speed|mass|area|depth|volume|diameter|base|"
     r"side|mileage|force|pressure|voltage|current|energy|power|frequency)\b", "measure"),
)  # fmt: skip
_TEXT = tuple((re.compile(pattern), kind) for pattern, kind in _TEXT_RULES)
_NUMBER = tuple((re.compile(pattern), kind) for pattern, kind in _NUMBER_RULES)
# Names that say little: the description is asked first.
_VAGUE = frozenset(
    words("to from target value data input recipient source destination param arg x y text")
)
_FOLDERS = frozenset(words("directory folder files tree repository"))
# What is open or closed: its state is not a place.
_WITH_STATES = frozenset(words("issue pull request ticket task order pr device job light lock"))
_FILES = frozenset(words("file directory folder path document"))
# Tools about these compare or name branches.
_VERSIONED = frozenset(words("diff branch merge commit"))
# What an argument called `name` names, by what the tool is about.
_NAMED = {
    "city": "city", "country": "country", "product": "product", "item": "product",
    "user": "person", "contact": "person", "customer": "person", "company": "company",
    "playlist": "title", "event": "title", "folder": "folder", "file": "path",
    "directory": "folder", "song": "song", "book": "book", "movie": "movie", "artist": "artist",
    "hotel": "hotel", "team": "team", "restaurant": "restaurant", "plant": "plant",
    "animal": "animal", "pet": "first_name", "medicine": "medicine", "medication": "medicine",
    "drug": "medicine", "recipe": "dish", "ingredient": "ingredient", "project": "project",
    "branch": "branch", "task": "task", "patient": "person", "crew": "person", "staff": "person",
    "player": "person", "driver": "person", "tenant": "person", "child": "person",
    "attendee": "person", "employee": "person", "person": "person", "guest": "person",
    "repository": "repo", "device": "device", "room": "room", "exercise": "exercise",
    "member": "person", "student": "person", "list": "title", "board": "title", "channel": "word",
    "stock": "company", "coin": "crypto", "car": "car", "tag": "tag", "category": "category",
}  # fmt: skip


@cache
def kind_of_words(said: str, number: bool) -> str | None:
    """Return the kind that words name, or None."""
    for pattern, kind in _NUMBER if number else _TEXT:
        if pattern.search(said):
            return kind
    return None


def kind_of(name: str, facts: Mapping[str, Any], about: frozenset[str] = frozenset()) -> str:
    """Return an argument's kind: one of `values.KINDS`, or `text` or `number` where nothing helps.

    Args:
        facts: its schema, with one `type`.
        about: the content words of its tool's name, which say what a `name` names.
    """
    type_ = facts.get("type")
    number = type_ in ("integer", "number")
    by_format = _FORMATS.get(str(facts.get("format", "")))
    if by_format and not number:
        return by_format
    said = " ".join(singular(w) if w.endswith("s") and len(w) > 4 else w for w in words_of(name))
    said = f"{said}"
    found = kind_of_words(said, number)
    described = _first_words(facts.get("description"))
    if not number and said in _VAGUE and described and (found := kind_of_words(described, number)):
        return "datetime" if found == "datetime_or_time" else found
    if said == "to" and about & {"email", "mail"}:
        return "email"
    if found == "path" and (
        said in ("repo path", "repository path") or (said == "path" and about & _FOLDERS)
    ):
        return "folder"
    if (
        not number
        and about & _FILES
        and said in ("source", "destination", "target", "old name", "new name")
    ):
        return "path"
    if not number and said in ("name", "full name"):
        named = next((_NAMED[word] for word in sorted(about) if word in _NAMED), None)
        return named or kind_of_words(described, number) or "title"
    if not number and said.endswith(" name") and found is None:
        head = said.split()[-2]
        found = _NAMED.get(head)
    if not number and said.endswith((" type", " kind")) and described_choices(facts):
        return "text"
    if not number and said in ("target", "base", "ref") and about & _VERSIONED:
        return "branch"
    if found == "state" and about & _WITH_STATES:
        return "text"
    if found == "username" and "id" not in described.split() and "name" in described.split():
        found = "username"
    if found == "datetime_or_time":
        text = str(facts.get("description", "")).lower()
        only_time = "date" not in text and ("hh" in text or "time of day" in text)
        return (
            "time"
            if only_time or ("time" in said and "date" not in text and not text)
            else "datetime"
        )
    if found is None and not number and described:
        found = kind_of_words(described, number)
        if found == "datetime_or_time":
            found = "datetime"
    return found or ("number" if number else "text")


@cache
def _cleaned(text: str) -> str:
    first = re.split(r"[.;(,:]| e\.g| such as | like | for which | to (?!be)", text, maxsplit=1)[0]
    first = re.sub(
        r"^(?:the|a|an|optional|required|string|name of the|name of)\s+", "", first.lower()
    )
    said = re.split(r" (?:of|for|in|at|on|that|which|where|when|from|if|with) ", first, maxsplit=1)[
        0
    ]
    return " ".join(words_of(said))


def _first_words(text: Any) -> str:
    """Return the noun that a description begins with: `City to look up` → city."""
    return _cleaned(text) if isinstance(text, str) else ""
