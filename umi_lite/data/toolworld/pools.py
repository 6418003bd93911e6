"""The values that tasks are about, split by a hash: a test value is never a training value."""

import csv
import io
import random
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, NamedTuple, TypeVar, get_args

Split = Literal["train", "test", "ood"]
SPLITS: tuple[Split, ...] = get_args(Split)
T = TypeVar("T")


def words(text: str) -> list[str]:
    """Return a table of one-word values, written as a text."""
    return text.split()


COLOURS = words("blue red green white black yellow silver brown pink grey")
THINGS = words(
    "lamp chair mug desk clock bag shirt jacket bottle kettle pillow mirror basket "
    "blanket phone camera bike tent shelf rug"
)
FIRST_NAMES = words(
    "Anna Ben Clara David Emma Felix Grace Hugo Iris Jonas Kira Leo Maya Nina Oscar"
)
LAST_NAMES = words(
    "Berg Costa Duval Evans Fischer Green Hansen Ito Jansen Klein Lopez Moreau Novak"
)
WORDS = words(
    "river stone happy cloud winter garden music bright yellow planet simple coffee little "
    "window silent forest quick morning letter ocean castle dance golden paper dream mountain"
)
VERBS = words("buy sell wash fix paint clean order return pack print")
NOUNS = words("milk bread shoes car fence piano boat oven carpet ticket map coat sofa roof")
TITLES_A = words("Silent Broken Hidden Golden Frozen Lost Burning Distant")
TITLES_B = words("Harbour Crown Letters Orchard Bridge Island Mirror Valley")

# country, capital, another city, currency code, units of it for one EUR
COUNTRIES_CSV = """\
Sweden,Stockholm,Malmo,SEK,11
Norway,Oslo,Bergen,NOK,12
Denmark,Copenhagen,Aarhus,DKK,7.5
Poland,Warsaw,Gdansk,PLN,4
Hungary,Budapest,Szeged,HUF,400
Romania,Bucharest,Cluj,RON,5
Japan,Tokyo,Osaka,JPY,160
China,Beijing,Shanghai,CNY,8
India,New Delhi,Mumbai,INR,90
Canada,Ottawa,Toronto,CAD,1.5
Mexico,Mexico City,Puebla,MXN,20
Brazil,Brasilia,Recife,BRL,6
Chile,Santiago,Temuco,CLP,1000
Peru,Lima,Cusco,PEN,4
Egypt,Cairo,Luxor,EGP,50
Kenya,Nairobi,Mombasa,KES,140
Morocco,Rabat,Fez,MAD,10
Turkey,Ankara,Izmir,TRY,35
Israel,Jerusalem,Haifa,ILS,4
Thailand,Bangkok,Phuket,THB,38
Vietnam,Hanoi,Hue,VND,27000
Australia,Canberra,Perth,AUD,1.6
Iceland,Reykjavik,Akureyri,ISK,150
Switzerland,Bern,Basel,CHF,0.95
Czechia,Prague,Brno,CZK,25
Argentina,Buenos Aires,Rosario,ARS,1000
Colombia,Bogota,Cali,COP,4500
Nepal,Kathmandu,Pokhara,NPR,145
Serbia,Belgrade,Nis,RSD,117
Georgia,Tbilisi,Batumi,GEL,3
Ghana,Accra,Kumasi,GHS,15
Indonesia,Jakarta,Surabaya,IDR,17000
Malaysia,Kuala Lumpur,Ipoh,MYR,5
Pakistan,Islamabad,Lahore,PKR,300
Jordan,Amman,Aqaba,JOD,0.75
Bulgaria,Sofia,Varna,BGN,2
Ukraine,Kyiv,Lviv,UAH,44
Algeria,Algiers,Oran,DZD,145
Tunisia,Tunis,Sfax,TND,3.3
Uruguay,Montevideo,Salto,UYU,43
Bolivia,La Paz,Sucre,BOB,7.5
Ethiopia,Addis Ababa,Gondar,ETB,130
Tanzania,Dodoma,Arusha,TZS,2700
Uganda,Kampala,Entebbe,UGX,4000
Armenia,Yerevan,Gyumri,AMD,420
Mongolia,Ulaanbaatar,Erdenet,MNT,3700
Cambodia,Phnom Penh,Kampot,KHR,4300
"""
MONEY = {"EUR": 1.0, "USD": 1.1, "GBP": 0.85, "CHF": 0.95, "CAD": 1.5, "SEK": 11.0, "AUD": 1.6}


class Country(NamedTuple):
    name: str
    capital: str
    city: str
    currency: str
    rate: float


@cache
def countries() -> tuple[Country, ...]:
    rows = csv.reader(io.StringIO(COUNTRIES_CSV))
    return tuple(Country(n, c, t, m, float(rate)) for n, c, t, m, rate in rows)


@cache
def _part(text: str) -> int:
    return zlib.crc32(text.encode()) % 10


def split_of(slot: str, value: object) -> Split:
    """Return the split that a value of a slot belongs to: 6 in 10 train, 3 test, 1 ood."""
    part = _part(f"{slot}:{value}")
    return "train" if part < 6 else "test" if part < 9 else "ood"


def pool(slot: str, values: Iterable[T], split: Split) -> list[T]:
    """Return the values of one split, in the given order."""
    return [value for value in values if split_of(slot, value) == split]


def draw(rng: random.Random, slot: str, split: Split, make: Callable[[], T]) -> T:
    """Return a value of the split from `make`, which draws until one fits."""
    for _ in range(1000):
        value = make()
        if split_of(slot, value) == split:
            return value
    raise AssertionError(f"no value of slot {slot} falls into split {split}")


def pairs(first: Iterable[str], second: Iterable[str], joint: str = " ") -> list[str]:
    second = list(second)
    return [f"{a}{joint}{b}" for a in first for b in second]
