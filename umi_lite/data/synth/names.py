"""Words of identifiers and descriptions: split names, plurals, articles, and what a verb does."""

import re
from functools import cache


def words(text: str) -> tuple[str, ...]:
    """Return a table of one-word values, written as a text."""
    return tuple(text.split())


_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
# What people say for the abbreviations in names.
_SPELLED = {
    "num": "number", "nr": "number", "no": "number", "qty": "quantity", "amt": "amount",
    "desc": "description", "msg": "message", "addr": "address", "lang": "language",
    "loc": "location", "dest": "destination", "dept": "department", "temp": "temperature",
    "src": "source", "dst": "destination", "dir": "directory", "info": "information",
    "cat": "category", "pct": "percent", "max": "maximum", "min": "minimum", "lat": "latitude",
    "lon": "longitude", "lng": "longitude", "repo": "repository", "ref": "reference",
    "attr": "attribute", "doc": "document", "img": "image", "pwd": "password", "tz": "timezone",
    "freq": "frequency", "qual": "quality", "acct": "account", "fmt": "format",
    "config": "configuration",
}  # fmt: skip
QUERY_VERBS = frozenset(
    words(
        "get fetch retrieve find look lookup return show list search check read view query "
        "obtain display provide describe see browse count track load access give "
        "inspect identify determine extract explore discover"
    )
)
COMPUTE_VERBS = frozenset(words("calculate compute estimate solve evaluate measure work predict"))
ACTION_VERBS = frozenset(
    words(
        "add book create send delete remove update set schedule cancel post upload download "
        "move copy rename write edit make open close start stop turn play pause resume order "
        "buy sell pay transfer convert translate generate assign invite share save store "
        "register subscribe unsubscribe publish submit apply adjust change modify enable "
        "disable lock unlock mark log record reserve rent request reply forward archive merge "
        "commit push pull run execute deploy restart reset verify validate format compress "
        "resize rotate crop upgrade install approve reject rate review place print plan put "
        "sort filter encrypt decrypt parse analyze analyse compare summarize summarise "
        "classify detect connect import export clear dim water feed ship notify remind call "
        "dial message email tag label link attach pin follow like block report refund return "
        "redeem charge split round roll pick choose shuffle skip switch toggle activate "
        "deactivate charge arm disarm control manage complete finish file flag fill draft "
        "renew extend increase decrease raise lower boost mute unmute join leave give issue "
        "insert append replace drop crawl scan sync tune dispatch hire train quote bid invest "
        "withdraw deposit vote donate request locate simulate render draw paint plot stream "
        "cast launch trigger test process initialize initialise init stage unstage checkout "
        "grant revoke encode decode hash sign confirm decline accept snooze silence escalate "
        "resolve reopen restore recover backup define ensure allocate "
        "configure standardize authenticate initiate "
        "synchronize receive collect contact distribute perform conduct "
        "handle prepare combine concatenate reverse capitalize capitalise trim truncate "
        "normalize normalise scale sum subtract multiply divide administer prescribe refill "
        "dispense admit discharge harvest plant prune recharge park charter board check-in "
        "sanitize weigh brew cook bake preheat roast chill freeze defrost wash dry iron "
        "vacuum mop sweep clean hang open tow inflate patrol guard"
    )
)
VERBS = QUERY_VERBS | COMPUTE_VERBS | ACTION_VERBS
# Verbs that change something, with what undoes or changes them: twins that ask for other things.
OPPOSITES = {
    "get": "delete", "fetch": "remove", "find": "update", "search": "create", "list": "clear",
    "create": "list", "add": "count", "delete": "export", "remove": "export", "update": "archive",
    "set": "reset", "send": "archive", "book": "cancel", "read": "delete", "write": "compress",
    "calculate": "plot", "convert": "validate", "translate": "proofread", "schedule": "cancel",
    "cancel": "renew", "check": "reset", "move": "compress", "play": "download", "order": "rate",
    "buy": "sell", "track": "cancel", "show": "hide", "post": "archive", "start": "export",
}  # fmt: skip
_PAST = {
    "play": "playing", "checkout": "checked out", "backup": "backed up", "log in": "logged in",
    "take": "taken", "send": "sent", "set": "set", "buy": "bought", "sell": "sold",
    "make": "made", "put": "put", "pay": "paid", "write": "written", "run": "run",
    "give": "given", "find": "found", "get": "got", "read": "read", "show": "shown",
    "see": "seen", "split": "split", "leave": "left", "withdraw": "withdrawn", "draw": "drawn",
    "cast": "cast", "bid": "bid", "freeze": "frozen", "sweep": "swept", "hang": "hung",
    "shut": "shut", "feed": "fed", "reset": "reset",
}  # fmt: skip
_DOUBLED = frozenset(words("commit admit permit submit refer transfer"))
_SHORT = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]")
_SAME_PLURAL = frozenset(
    words(
        "information weather news data status address access analysis basis progress series "
        "process business glass class pass gas bus gps sms dns css canvas atlas "
        "species"
    )
)


@cache
def words_of(name: str) -> tuple[str, ...]:
    """Return the lower-case words of an identifier: `getUser_IDs` → get, user, ids."""
    return tuple(part.lower() for part in _PARTS.findall(name))


@cache
def human(name: str) -> str:
    """Return an identifier as words, abbreviations spelled: `max_num` → `maximum number`."""
    said = [_SPELLED.get(word, word) for word in words_of(name)]
    said = [
        word.upper() if word in ("id", "url", "ip", "sql", "iban", "api") else word for word in said
    ]
    return " ".join(said) or name


_IRREGULAR = {"people": "person", "children": "child", "men": "man", "women": "woman"}


def singular(word: str) -> str:
    """Return a noun's singular, by its ending."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _SAME_PLURAL or len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and word not in ("movies", "series", "cookies", "calories"):
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def is_plural(word: str) -> bool:
    return singular(word) != word or word in ("people", "children", "news", "data", "media")


# "Synchronize", "Notify", "Activate": verbs by their endings, but for these nouns.
_VERB_ENDING = re.compile(r"[a-z]{3,}(?:ize|ise|ify|ate)")
_NOT_VERBS = frozenset(
    words(
        "state rate date template certificate candidate private climate late plate exercise noise "
        "enterprise premise promise debate senate private estate franchise merchandise "
        "expertise price size prize"
    )
)


def is_verb(word: str) -> bool:
    """Return True for a known verb, or one by its ending."""
    return word in VERBS or (bool(_VERB_ENDING.fullmatch(word)) and word not in _NOT_VERBS)


def base_verb(word: str) -> str:
    """Return the base form of `gets`, `retrieves`, `applies`; another word as it is."""
    low = word.lower()
    for stem in (
        low,
        low[:-1] if low.endswith("s") else "",
        low[:-2] if low.endswith("es") else "",
    ):
        if stem in VERBS:
            return stem
    if low.endswith("ies") and low[:-3] + "y" in VERBS:
        return low[:-3] + "y"
    return low


def past(verb: str) -> str:
    """Return a verb's past participle."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in "aeou":
        return verb[:-1] + "ied"
    return f"{verb}{verb[-1]}ed" if verb in _DOUBLED or _SHORT.fullmatch(verb) else f"{verb}ed"


_AFTER_HEAD = r" (?:for|of|in|at|from|to|on|with|between|about|by|into|as) |,| \{"


def with_article(noun: str) -> str:
    """Return a noun phrase with `the`, unless it has an article or is an indefinite plural."""
    first = noun.split(" ")[0].lower()
    last = re.split(_AFTER_HEAD, noun, maxsplit=1)[0].split(" ")[-1]
    if first in _DETERMINERS or (is_plural(last) and " of " not in noun and last != "news"):
        return noun
    return f"the {noun}"


_DETERMINERS = frozenset(
    words(
        "a an the all any some this that these every each your my one two both whether how what "
        "which who where when if more most several many information details data"
    )
) - {"details", "data", "information"}


@cache
def own_words(name: str) -> tuple[str, ...]:
    """Return the words of a tool's name from its verb on: of `git_commit` and `mail.send`, too.

    What comes before the verb is a namespace, or where nothing follows the verb its object.
    """
    words = words_of(name.rpartition(".")[2].rpartition("/")[2]) or words_of(name)
    if not words or base_verb(words[0]) in VERBS:
        return words
    at = next((at for at, word in enumerate(words[1:4], 1) if base_verb(word) in _SURE_VERBS), 0)
    if at == 0 and len(words) == 2 and base_verb(words[1]) in VERBS:
        at = 1
    if at == 0:
        return words
    if words[at + 1 :] or words[0] in ("git", "api", "svc"):
        return words[at:]
    return (words[at], *words[:at])


# Verbs that are hardly ever nouns in a name.
_SURE_VERBS = frozenset(
    words(
        "get set list search create delete update add remove find fetch send cancel check "
        "calculate convert lookup retrieve make show read write count compute generate start "
        "stop"
    )
)


PARTICLES = ("on", "off", "up", "down", "in", "out")


@cache
def content_words(name: str) -> frozenset[str]:
    """Return what a tool is about by its name: its words in singular, without its verb."""
    words = own_words(name)
    if words and base_verb(words[0]) in VERBS:
        words = words[1:]
    said = (singular(word) for word in words)
    return frozenset(word for word in said if len(word) > 1 and word not in _STOP)


def said_words(text: str) -> frozenset[str]:
    """Return what a phrase is about: its words in singular, without articles and the like."""
    said = (singular(word) for word in re.findall(r"[a-z]+", text.lower()))
    return frozenset(word for word in said if len(word) > 1 and word not in _VAGUE)


_STOP = frozenset(words("the of for by to in on off up with from all and my new"))
_VAGUE = _STOP | frozenset(
    words("a an any one or your this that new existing detailed complete comprehensive listing "
          "way content specified given multiple single")
)  # fmt: skip


def done(name: str, description: str = "") -> str:
    """Return what was done, by a tool's name or description: `turn_off_light` → turned off."""
    verb = first_verb(name, description)
    if not verb:
        return "done"
    said = own_words(name)
    if not said or base_verb(said[0]) != verb:
        said = tuple(re.findall(r"[a-z]+", description.lower())[:2])
    particle = f" {said[1]}" if said[1:2] and said[1] in PARTICLES else ""
    return past(verb) + particle


@cache
def first_verb(name: str, description: str) -> str:
    """Return the verb of a tool: its name's, its description's where that may be a noun, or ""."""
    words = own_words(name)[:1]
    named = base_verb(words[0]) if words else ""
    found = re.match(r"\W*([A-Za-z]+)", description)
    said = base_verb(found[1]) if found else ""
    if is_verb(named) and (named not in NOUNS_TOO or not is_verb(said)):
        return named
    return said if is_verb(said) else ""


@cache
def verb_class(name: str, description: str) -> str:
    """Return `query`, or the verb of an action, by a tool's name and description."""
    verb = first_verb(name, description)
    return verb if verb and verb not in QUERY_VERBS | COMPUTE_VERBS else "query"


# Verbs that are nouns as often: "the time and place", `git_log`.
NOUNS_TOO = frozenset(
    words(
        "place report file review rate test plan order email message address note record process "
        "share log call sort book store stream label tag block post mark return charge stage track "
        "format link set copy crop stock train sign edit ship water room quote rent deposit"
    )
)

_ID_WORDS = frozenset(words("id ids number no code identifier ref reference uid key new target"))


def entity_of(name: str) -> str:
    """Return what an id identifies: `order_id` → order; "" for `id` alone."""
    parts = words_of(name)
    if len(parts) > 1 and parts[0] in (
        "from",
        "to",
        "source",
        "target",
        "destination",
        "src",
        "dest",
    ):
        parts = parts[1:]
    said = [word for word in parts if word not in _ID_WORDS]
    return "_".join(said)
