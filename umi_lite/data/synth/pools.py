"""Open values that tasks are about, split by a hash: a test value is never a training value."""

import random
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, TypeVar, get_args

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
T = TypeVar("T")


def _lines(text: str) -> tuple[str, ...]:
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())


POOLS: dict[str, tuple[str, ...]] = {
    "city": _lines("""Lyon, Porto, Bergen, Krakow, Seville, Ghent, Graz, Turin, Malmo, Riga, Tallinn,
        Vilnius, Zagreb, Split, Bilbao, Leeds, Bristol, Cork, Galway, Utrecht, Basel, Bremen, Dresden,
        Leipzig, Odense, Tampere, Brno, Osaka, Kyoto, Sapporo, Busan, Taipei, Hanoi, Cebu, Pune, Jaipur,
        Chennai, Lahore, Muscat, Haifa, Izmir, Tunis, Rabat, Dakar, Accra, Lagos, Nairobi, Kampala,
        Lusaka, Durban, Quito, Cali, Lima, Cusco, Rosario, Santos, Recife, Puebla, Merida, Austin,
        Denver, Tucson, Boise, Omaha, Tampa, Memphis, Halifax, Calgary, Ottawa, Perth, Hobart, Darwin,
        Auckland, Nelson, Vienna, Prague, Athens, Naples, Palermo, Valencia, Toulouse, Nantes"""),
    "first_name": _lines("""Anna, Ben, Clara, David, Emma, Felix, Grace, Hugo, Iris, Jonas, Kira, Leo,
        Maya, Nina, Oscar, Paula, Quentin, Rosa, Samir, Tara, Umar, Vera, Wesley, Yara, Zoe, Amir, Bianca,
        Carlos, Dina, Elif, Farid, Gina, Hannes, Ines, Jamal, Kenji, Lucia, Marta, Nadia, Omar, Priya,
        Rafael, Sofia, Tomas, Ursula, Viktor, Wanda, Ximena, Yusuf, Zane"""),
    "last_name": _lines("""Berg, Costa, Duval, Evans, Fischer, Green, Hansen, Ito, Jansen, Klein, Lopez,
        Moreau, Novak, Okafor, Patel, Quinn, Rossi, Silva, Tanaka, Usman, Vogel, Weber, Xu, Young,
        Zimmer, Ahmed, Brandt, Chen, Diaz, Eriksen, Fontaine, Garcia, Haddad, Ivanov, Jensen, Kowalski,
        Larsen, Mendes, Nguyen, Olsen"""),
    "company": _lines("""Northwind, Globex, Initech, Umbra Labs, Blue Harbor, Kestrel, Oakline, Solaris,
        Brightleaf, Ironwood, Cedar Point, Novatek, Halcyon, Meridian, Quantic, Redshore, Silverline,
        Tidewater, Vantage, Westbrook, Zenith, Arcadia, Bluebird, Copperfield, Driftwood, Everglade,
        Fairmont, Granite, Highland, Juniper, Lakeside, Moonrise, Orchard, Pinecrest, Riverbend,
        Stonegate, Thornhill, Underwood, Willow Creek, Yellowstone"""),
    "product": _lines("""desk lamp, office chair, coffee mug, wall clock, travel bag, rain jacket,
        water bottle, kettle, camping tent, yoga mat, phone case, camera strap, bike helmet, bookshelf,
        wool blanket, headphones, keyboard, monitor stand, backpack, running shoes, toaster, blender,
        frying pan, garden hose, tool box, paint brush, hiking boots, sunglasses, umbrella, wallet,
        power bank, webcam, microphone, floor rug, picture frame, cutting board, rice cooker, alarm clock,
        desk fan, sleeping bag, winter coat, leather belt, tea set, board game, puzzle, violin strings"""),
    "cuisine": _lines("Italian, Thai, Mexican, Indian, Greek, Japanese, Lebanese, Korean, French, "
        "Spanish, Turkish, Vietnamese, Ethiopian, Peruvian, Moroccan, Chinese"),
    "dish": _lines("""lentil soup, mushroom risotto, chicken curry, apple pie, tomato pasta, fish tacos,
        potato salad, beef stew, vegetable lasagne, pumpkin soup, fried rice, banana bread, onion tart,
        shrimp noodles, bean chili, carrot cake, spinach quiche, lamb kebab, falafel wrap, miso ramen"""),
    "ingredient": _lines("""tomatoes, rice, chicken, lentils, spinach, garlic, onions, potatoes, mushrooms,
        cheese, eggs, beans, carrots, salmon, tofu, pasta, peppers, lemon, basil, butter, oats, apples,
        flour, milk, bread, yoghurt, honey, walnuts, zucchini, cabbage"""),
    "genre": _lines("jazz, rock, folk, classical, techno, blues, reggae, soul, ambient, country, "
        "funk, opera, indie, metal, swing"),
    "artist": _lines("""Miles Avery, The Lanterns, Nora Field, Blue Canyon, Paper Kites, Ada Stone,
        The Harbour Band, Velvet Oak, Lina Marsh, Night Ferry, Golden Tides, Otis Lane, Silver Pines,
        The Wanderers, Echo Valley, Juno Park, Red Meadow, Theo Rivers, Wild Heather, Cold Spring"""),
    "song": _lines("""Open Water, Late Train Home, Paper Moon, Northern Lights, Slow River, Summer Dust,
        City of Glass, Long Way Down, Quiet Hours, Falling Leaves, Electric Garden, Second Sunrise,
        Broken Compass, Winter Song, Midnight Bus, Golden Hour, Lost and Found, Under the Bridge,
        Fading Stars, Salt and Stone, Morning Rain, Empty Rooms, Carousel, Blue Horizon"""),
    "book": _lines("""The Silent Harbour, A House of Maps, The Last Orchard, Letters from Salt Bay,
        The Glass Bridge, Winter in Cordova, The Clockmaker, A Field of Stars, The Paper Island,
        Burning Valley, The Forgotten Crown, Hidden Rivers, The Long Shore, Notes on Silence,
        The Copper Door, Seven Winters, The Lighthouse Year, A Map of Rain, The Stone Garden,
        Beyond the Meadow"""),
    "movie": _lines("""Night Crossing, The Red Kite, Last Summer in Rome, Deep Current, The Visitor,
        Two Lanterns, Iron Coast, Paper Planes, The Long Road, Silver Lake, Distant Thunder, The Heist
        Club, Snowline, Harvest Moon, The Violinist, Sunday Market, Cold Harbor, The Invention,
        Shadow Valley, Green Street"""),
    "animal": _lines("cat, dog, horse, rabbit, parrot, turtle, hamster, goat, owl, fox, dolphin, "
        "penguin, otter, hedgehog, lizard"),
    "plant": _lines("fern, basil, cactus, orchid, ivy, monstera, tomato plant, lavender, rose bush, "
        "aloe, bonsai, mint, olive tree, begonia, bamboo"),
    "sport": _lines("tennis, football, basketball, hockey, cricket, rugby, volleyball, badminton, "
        "swimming, cycling, rowing, golf, handball, baseball"),
    "team": _lines("""Rovers, Falcons, Harbor City, Red Lions, Wolves, Blue Sharks, Thunder, Rangers,
        Eagles, Dynamo, Wanderers, Comets, Royals, Titans, Hawks, Lakers United, Stallions, Spartans,
        Vikings, Mariners"""),
    "topic": _lines("""solar panels, home gardening, electric bikes, sleep quality, remote work, space
        telescopes, coral reefs, bread baking, chess openings, wind power, urban farming, jazz history,
        machine learning, stoic philosophy, river ecology, noise pollution, vintage cameras, tax law,
        knee pain, marathon training, coffee brewing, battery recycling, medieval castles, bird migration,
        open source licences, board games, volcanoes, mental health, street photography, ocean currents,
        fermented food, data privacy, glacier melt, public transport, indoor climbing, ancient Rome,
        color theory, beekeeping, rail travel, tea ceremonies"""),
    "hotel": _lines("""Grand Plaza, Hotel Aurora, The Linden, Seaview Inn, Park Royal, Hotel Miramar,
        The Old Mill, City Lodge, Alpine Rest, Riverside Hotel, Villa Rosa, Harbour House, The Continental,
        Garden Court, Sunrise Suites, Hotel Bellevue, Maple Inn, The Windsor, Casa Verde, Northgate"""),
    "restaurant": _lines("""Casa Lola, The Blue Door, Trattoria Nonna, Golden Wok, La Petite Table,
        Olive Garden Corner, Sakura House, Spice Route, The Oak Room, Taverna Kyma, El Sol, Green Fork,
        Bistro Nord, Pho Lan, The Copper Pot, Mezze Bar, Ember and Salt, Little Seoul, Rosmarin, Harissa"""),
    "airline": _lines("Skyways, Nordic Air, Blue Wing, TransGlobe, Aero Sur, Pacific Jet, Alpine Air, "
        "Sunline, Condoris, Windrose, Silver Swift, Euro Connect"),
    "airport": _lines("LYS, OPO, BGO, KRK, SVQ, GRZ, TRN, RIX, TLL, VNO, ZAG, BIO, LBA, BRS, ORK, BSL, "
        "BRE, DRS, LEJ, KIX, CTS, PUS, TPE, HAN, CEB, PNQ, JAI, MAA, DUR, UIO, LIM, AUS, DEN, YHZ, YYC"),
    "ticker": _lines("NWND, GLBX, OAKL, SLRS, BRLF, IRNW, NVTK, HLCN, MRDN, QNTC, RDSH, SLVR, TDWR, "
        "VNTG, WSTB, ZNTH, ARCD, BLBD, CPRF, DRFT, EVGL, FRMT, GRNT, HGHL, JNPR"),
    "room": _lines("living room, kitchen, bedroom, bathroom, hallway, office, garage, basement, "
        "dining room, guest room, nursery, attic, laundry room, balcony, study"),
    "device": _lines("thermostat, front door lock, ceiling light, robot vacuum, garage door, desk "
        "lamp, coffee machine, window blinds, air purifier, security camera, heater, speaker, dishwasher"),
    "project": _lines("""Atlas, Beacon, Cascade, Delta Site, Ember, Frontier, Gateway, Horizon, Impact,
        Jupiter, Keystone, Lighthouse, Mosaic, Nimbus, Orion, Phoenix, Quartz, Ridgeline, Sapphire,
        Tundra, Umbrella, Voyager, Waterfall, Xenon, Zephyr"""),
    "task": _lines("""review the budget, call the plumber, water the plants, renew the passport, order new
        tyres, clean the garage, send the invoice, book a dentist visit, update the website, pack the
        suitcase, return the library books, fix the fence, paint the hallway, buy birthday candles,
        write the report, check the smoke alarm, prepare the slides, pick up the parcel, pay the rent,
        back up the laptop, test the backup, sort the photos, change the filter, plan the menu, sharpen
        the knives, mow the lawn, call the landlord, print the tickets, charge the camera, file the taxes"""),
    "title": _lines("""Team Lunch, Budget Review, Product Launch, Spring Cleaning, Weekly Sync, Garden
        Party, Design Workshop, Roadmap Update, Book Club, Yoga Class, Parents Evening, Sales Report,
        Travel Notes, Board Meeting, Client Call, Hiring Plan, Summer Trip, Code Review, Reading List,
        Moving Day, Marketing Brief, Project Kickoff, Year in Review, Dinner with Friends, Safety Drill,
        Quarterly Goals, Training Day, Movie Night, Charity Run, Open House"""),
    "message": _lines("""I am running ten minutes late, the parcel has arrived, dinner is at my place, the
        meeting has moved to the small room, please bring the signed contract, thanks for your help, the
        train is delayed, we won the game, the report is ready for review, see you at the station, your
        order is on its way, the heating works again, I left the keys with the neighbor, lunch is on me,
        the build is green again, can you send me the photos, happy birthday, the shop closes early,
        the tickets are booked, remember to lock the door, the doctor called back, we are out of coffee,
        the slides look great, I found your umbrella, the printer is broken again, the garden looks lovely,
        let us talk after lunch, the invoice has been paid, the kids are asleep, welcome to the team"""),
    "tag": _lines("urgent, home, travel, finance, family, reading, fitness, research, garden, health, "
        "music, legal, ideas, school, recipes, backlog"),
    "category": _lines("electronics, furniture, groceries, clothing, toys, books, garden, sports, "
        "beauty, office supplies, footwear, kitchen, lighting, outdoor, music"),
    "department": _lines("marketing, sales, finance, engineering, support, legal, design, logistics, "
        "research, purchasing, operations"),
    "job": _lines("data analyst, nurse, carpenter, web developer, teacher, accountant, chef, "
        "electrician, graphic designer, translator, architect, bus driver, pharmacist, welder, editor"),
    "medicine": _lines("ibuprofen, paracetamol, amoxicillin, loratadine, metformin, omeprazole, "
        "aspirin, cetirizine, insulin, salbutamol"),
    "symptom": _lines("headache, sore throat, back pain, fever, dizziness, cough, knee pain, nausea, "
        "skin rash, tiredness, earache, toothache"),
    "exercise": _lines("push-ups, squats, lunges, planks, pull-ups, rowing, burpees, sit-ups, "
        "deadlifts, jogging, stretching, cycling"),
    "event": _lines("jazz festival, food market, art fair, book signing, film night, science day, "
        "flea market, half marathon, choir concert, craft workshop, street parade, wine tasting"),
    "street": _lines("""Mill Lane, Oak Street, Station Road, Harbour Street, King Street, Park Avenue,
        Church Road, Elm Street, Garden Lane, High Street, Bridge Road, Market Square, Lake Drive,
        Forest Way, Hill Street, Rose Lane, Maple Avenue, Canal Street, School Road, Spring Street"""),
    "folder": _lines("reports, photos, invoices, drafts, music, backups, projects, recipes, notes, "
        "contracts, archive, slides, receipts, exports, scans, letters"),
    "stem": _lines("""budget, summary, notes, plan, report, draft, letter, invoice, contract, todo, menu,
        schedule, diary, results, sales, team, guide, outline, minutes, roadmap, figures, sketch"""),
    "domain": _lines("""example.com, northwind.org, globex.net, oakline.io, kestrel.dev, brightleaf.com,
        riverbend.org, solaris.net, halcyon.io, tidewater.com, juniper.dev, lakeside.org, zenith.net,
        arcadia.io, pinecrest.com, stonegate.org, moonrise.net, willowcreek.com"""),
    "branch": _lines("""fix-login, add-search, update-docs, dark-mode, refactor-cache, release-prep,
        new-parser, cleanup-tests, upgrade-deps, api-limits, image-upload, email-templates, async-jobs,
        faster-build, billing-page, map-view"""),
    "word": _lines("""river, stone, cloud, winter, garden, planet, coffee, window, forest, morning, letter,
        ocean, castle, dance, paper, dream, mountain, candle, bridge, copper, meadow, lantern, harbor,
        velvet, thunder, marble, orchard, saddle, feather, anchor, compass, pebble"""),
    "material": _lines("steel, oak, cotton, glass, leather, concrete, wool, copper, bamboo, marble, "
        "aluminium, linen, clay, plastic"),
    "crypto": _lines("Bitcoin, Ethereum, Solana, Cardano, Litecoin, Dogecoin, Polkadot, Monero"),
    "landmark": _lines("""the central station, the city museum, the old town hall, the botanical garden,
        the harbor bridge, the main library, the opera house, the north beach, the castle hill,
        the market hall, the football stadium, the science centre"""),
    "car": _lines("Toyota Corolla, Ford Focus, Honda Civic, Volkswagen Golf, Skoda Octavia, Mazda 3, "
        "Kia Ceed, Volvo V60, Fiat Panda, Renault Clio, Nissan Leaf, Peugeot 308"),
}  # fmt: skip
# Kinds that are small and closed: the same ones in every split.
CLOSED = frozenset({"cuisine", "genre", "room", "crypto", "sport", "department", "animal"})


def split_of(slot: str, value: object) -> Split:
    """Return the split that a value of a slot belongs to: 6 in 10 train, 2 dev, 2 test."""
    part = zlib.crc32(f"{slot}:{value}".encode()) % 10
    return "train" if part < 6 else "dev" if part < 8 else "test"


@cache
def pool(slot: str, split: Split) -> tuple[str, ...]:
    """Return the values of one split; all of them where the slot is closed."""
    values = POOLS[slot]
    if slot in CLOSED:
        return values
    mine = tuple(value for value in values if split_of(slot, value) == split)
    return mine or values


def pick(rng: random.Random, slot: str, split: Split) -> str:
    """Return one value of a slot."""
    return rng.choice(pool(slot, split))


def draw(rng: random.Random, slot: str, split: Split, make: Callable[[], T]) -> T:
    """Return a value of the split from `make`, which draws until one fits, at most 60 times."""
    value = make()
    for _ in range(60):
        if split_of(slot, value) == split:
            return value
        value = make()
    return value


def choice(rng: random.Random, values: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """Return one of the values, by their weights."""
    return rng.choices(values, weights)[0] if weights else values[int(rng.random() * len(values))]
