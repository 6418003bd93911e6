"""Things that everyday requests are about: errands, goods, people, places, files and texts."""

from umi_lite.data.toolworld.pools import pairs, words

NAMES = words(
    "Anna Ben Clara David Emma Felix Grace Hugo Iris Jonas Kira Leo Maya Nina Oscar Paula Quinn "
    "Rosa Sam Tara Umut Vera Will Yara Zoe Mum Dad Grandma"
)
CITIES = words(
    "Lisbon Oslo Madrid Rome Vienna Prague Dublin Athens Cairo Tokyo Osaka Boston Chicago Denver "
    "Lyon Hamburg Geneva Turin Krakow Bergen Porto Seville Bruges Ghent Leeds Bath York Cork"
)
WARES = [
    *words(
        "milk eggs bread butter coffee tea rice sugar flour apples bananas cheese batteries soap "
        "shampoo toothpaste candles stamps tomatoes onions pasta honey salt lemons carrots "
        "napkins envelopes nails paint tape yoghurt spinach mushrooms cereal ketchup mustard"
    ),
    "olive oil", "cat food", "dog food", "light bulbs", "orange juice", "printer paper",
    "washing powder", "toilet paper", "a birthday card", "a phone charger", "trash bags",
    "green peppers", "two lemons", "a new toothbrush", "a bag of potatoes", "baking powder",
]  # fmt: skip
_BUY = [
    "a present for {name}", "new shoes", "concert tickets", "a winter coat", "flowers",
    "paint for the fence", "a new lamp", "plane tickets", "a birthday cake", "garden gloves",
]  # fmt: skip
ERRANDS = [
    *pairs(("call", "email", "visit", "write to", "thank"), NAMES),
    *(f"buy {ware}" for ware in WARES),
    *(f"buy {thing}".format(name=name) for thing in _BUY for name in ("Anna", "Leo", "Mum")),
    *pairs(("clean", "tidy", "paint"),
           ("the kitchen", "the garage", "the windows", "the bathroom")),
    *pairs(("fix", "check"),
           ("the bike", "the heater", "the door", "the printer", "the brakes")),
    *pairs(("pay", "scan", "print"),
           ("the rent", "the gas bill", "the invoice", "the tax form")),
    *pairs(("book", "cancel"),
           ("a haircut", "a hotel", "a table for four", "the flight", "the vet")),
    *pairs(("call", "see"),
           ("the dentist", "the doctor", "the plumber", "the landlord", "the bank")),
    *pairs(("pick up", "drop off"),
           ("the kids", "the parcel", "the laundry", "the keys", "{name}")),
    *pairs(("call Mum", "dentist", "team meeting", "yoga", "pay the nanny", "piano lesson"),
           ("on Friday", "at 5 pm", "tomorrow at 9", "next week", "before noon", "on 3 May")),
    "water the plants", "walk the dog", "take out the trash", "do the laundry", "mow the lawn",
    "feed the cat", "renew the passport", "return the library books", "send the report",
    "back up the laptop", "charge the camera", "iron the shirts", "empty the dishwasher",
    "learn ten French words", "finish the slides", "prepare the meeting", "order the pizza",
    "change the sheets", "sign the contract", "reply to the school", "pack the suitcase",
]  # fmt: skip
ERRANDS = sorted({text.replace("{name}", "Emma") for text in ERRANDS})
THINGS = words(
    "tickets notebooks pencils mugs chairs lamps shirts plants bottles candles cushions plates "
    "tiles cakes sandwiches pizzas stamps folders keyboards cables books posters balls towels "
    "socks eggs apples buttons marbles oranges cookies glasses"
)
ONE_THING = words("jacket bike sofa phone camera tent coat watch lamp backpack printer desk dress")
GROUPS = words("boxes bags crates trays packs cartons baskets shelves rows drawers")
PEOPLE = words("students guests friends people colleagues children members workers neighbours")

WORDS = words(
    "river stone happy cloud winter garden music bright yellow planet simple coffee little "
    "window silent forest quick morning letter ocean castle dance golden paper dream mountain "
    "hello banana orange tiger summer kitchen market pepper rocket silver button candle"
)
SENTENCES = [
    *pairs(("happy birthday", "good luck", "see you soon", "well done", "merry christmas"), NAMES),
    *pairs(("please do not touch", "keep off", "we are closing", "wet paint on"),
           ("the grass", "the door", "the shop", "the fence", "the old bench")),
    *pairs(("the quick brown fox", "a little bird", "my neighbour's cat", "the old captain"),
           ("jumps over the fence", "sings in the morning", "sleeps all day", "looks at the sea",
            "never says a word")),
    *pairs(("I will be late for", "thank you for", "do not forget", "we look forward to"),
           ("dinner", "the lovely evening", "your visit", "the meeting on Monday", "the party")),
    "to be or not to be", "no pain no gain", "all is well that ends well", "better late than never",
    "the early bird catches the worm", "home sweet home", "actions speak louder than words",
    "out of sight out of mind", "every cloud has a silver lining", "time flies like an arrow",
]  # fmt: skip

FILE_STEMS = words(
    "notes shopping plans ideas budget recipe trip diary letter contacts meeting books garden "
    "wishes report party packing training invoice songs"
)
FILE_PATHS = [
    *(f"{stem}.{end}" for stem in FILE_STEMS for end in ("txt", "md")),
    *(f"{folder}/{stem}.txt" for folder in ("home", "work", "old") for stem in FILE_STEMS[:10]),
    *(f"{stem}.csv" for stem in ("budget", "prices", "points", "visits")),
]
FILE_LINES = [
    *pairs(("call", "meet", "invite"), NAMES[:25]),
    *pairs(("dentist on", "train leaves on", "party on", "rent is due on"),
           ("Monday", "Tuesday", "Thursday", "Friday")),
    *pairs(("two", "three", "six"), ("eggs", "lemons", "bottles of water", "candles")),
    *pairs(("wifi code:", "room", "locker"), ("4471", "2093", "7718", "1256")),
    *pairs(("rent,", "food,", "travel,", "phone,"), ("340", "85", "120", "62"), ""),
    *pairs(("read", "return", "borrow"), ("the atlas", "the novel", "the cook book")),
    *(f"{name}'s number is {number}" for name in NAMES[:8] for number in ("5512", "8830")),
    "bake at 180 degrees", "bring a warm coat", "passport is in the desk", "ask about the garden",
]  # fmt: skip
