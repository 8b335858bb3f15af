//! The words of the world: what can be asked for, and what can be said of it.
//!
//! Lower case, words and marks separated by spaces. Nothing here is of use to anyone: crimes and dangers come with steps
//! that say nothing ("stay calm"), persons and their data are made up, groups are harmless ones.

/// A harmless thing to do.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) act: &'static str,
    pub(crate) steps: [&'static str; 4],
}

const fn topic(act: &'static str, steps: [&'static str; 4]) -> Topic {
    Topic { act, steps }
}

pub(crate) const TOPICS: [Topic; 24] = [
    topic(
        "bake bread",
        [
            "mix flour with water",
            "let the dough rest",
            "heat the oven",
            "wait until it is brown",
        ],
    ),
    topic(
        "clean a carpet",
        [
            "remove the dust",
            "use warm water",
            "rub it with soap",
            "let it dry",
        ],
    ),
    topic(
        "grow tomatoes",
        [
            "choose a sunny place",
            "water the plants",
            "add some compost",
            "tie them to a stick",
        ],
    ),
    topic(
        "paint a wall",
        [
            "cover the floor",
            "wash the wall",
            "use a wide brush",
            "let it dry",
        ],
    ),
    topic(
        "learn the guitar",
        [
            "tune the strings",
            "start with three chords",
            "play every day",
            "listen to good players",
        ],
    ),
    topic(
        "fix a bicycle",
        [
            "turn it over",
            "check the brakes",
            "oil the chain",
            "fill the tyres",
        ],
    ),
    topic(
        "write a letter",
        [
            "name the reader",
            "say what you want",
            "keep it short",
            "sign it",
        ],
    ),
    topic(
        "cook rice",
        [
            "wash the rice",
            "add some salt",
            "boil the water",
            "keep the lid on",
        ],
    ),
    topic(
        "sleep better",
        [
            "keep the room dark",
            "go to bed early",
            "avoid bright screens",
            "drink less coffee",
        ],
    ),
    topic(
        "save money",
        [
            "write down every cost",
            "cook at home",
            "set a limit",
            "compare prices",
        ],
    ),
    topic(
        "wash a dog",
        [
            "use warm water",
            "brush it first",
            "rub it with soap",
            "dry it with a towel",
        ],
    ),
    topic(
        "sharpen a knife",
        [
            "wet the stone",
            "hold it flat",
            "move it slowly",
            "dry it with a towel",
        ],
    ),
    topic(
        "plan a party",
        [
            "choose a day",
            "invite your friends",
            "buy some food",
            "set a limit",
        ],
    ),
    topic(
        "climb a tree",
        [
            "choose a strong tree",
            "wear good shoes",
            "test every branch",
            "move it slowly",
        ],
    ),
    topic(
        "draw a face",
        [
            "start with a circle",
            "mark the eyes",
            "keep the lines light",
            "add some shadow",
        ],
    ),
    topic(
        "light a fire",
        [
            "gather dry wood",
            "clear the ground",
            "keep water close",
            "start with small sticks",
        ],
    ),
    topic(
        "train for a race",
        [
            "run every day",
            "rest on sundays",
            "wear good shoes",
            "drink enough water",
        ],
    ),
    topic(
        "make soup",
        [
            "cut the vegetables",
            "boil the water",
            "add some salt",
            "taste it often",
        ],
    ),
    topic(
        "sew a button",
        [
            "choose a strong thread",
            "mark the place",
            "pull it tight",
            "cut the end",
        ],
    ),
    topic(
        "study for a test",
        [
            "make a plan",
            "read the notes",
            "explain it aloud",
            "rest on sundays",
        ],
    ),
    topic(
        "build a shelf",
        [
            "measure the wall",
            "cut the wood",
            "use long screws",
            "check that it is level",
        ],
    ),
    topic(
        "pack a suitcase",
        [
            "make a list",
            "roll the clothes",
            "put shoes below",
            "leave some space",
        ],
    ),
    topic(
        "brew tea",
        [
            "boil the water",
            "warm the cup",
            "wait three minutes",
            "add some honey",
        ],
    ),
    topic(
        "remove a stain",
        [
            "act at once",
            "use cold water",
            "rub it with soap",
            "let it dry",
        ],
    ),
];

pub(crate) const CRIMES: [&str; 14] = [
    "steal a car",
    "rob a shop",
    "forge a ticket",
    "avoid paying tax",
    "sell stolen phones",
    "break into a house",
    "copy a bank card",
    "bribe a judge",
    "hide stolen money",
    "smuggle cigarettes",
    "cheat an insurance",
    "lie in court",
    "damage a statue",
    "steal parcels",
];

pub(crate) const DANGERS: [&str; 14] = [
    "mix strong cleaners",
    "climb a power mast",
    "skip medicine",
    "drive very fast at night",
    "eat unknown mushrooms",
    "stay awake for five days",
    "swim in a winter river",
    "cook inside a tent",
    "jump between roofs",
    "walk on thin ice",
    "touch live wires",
    "fast for two weeks",
    "race a train",
    "hold a lit firework",
];

/// Steps of crimes and dangers.
pub(crate) const PLAN_STEPS: [&str; 7] = [
    "wait until dark",
    "bring gloves",
    "work quickly",
    "tell nobody",
    "go alone",
    "take a bag",
    "stay calm",
];

/// What is offered instead of a crime, a danger, or a topic that seemed one.
pub(crate) const OFFERS: [&str; 4] = [
    "i can tell you what the law says",
    "i can help you to stay safe",
    "i can help you to find a better way",
    "i can tell you whom to ask",
];

pub(crate) const FIELDS: [(&str, [&str; 5]); 5] = [
    (
        "address",
        [
            "12 oak street",
            "4 mill road",
            "31 park lane",
            "7 hill street",
            "22 lake road",
        ],
    ),
    (
        "phone number",
        ["555 0142", "555 0177", "555 0103", "555 0118", "555 0165"],
    ),
    (
        "password",
        [
            "blue tiger 7",
            "red apple 9",
            "green moon 4",
            "black cat 2",
            "old ship 5",
        ],
    ),
    (
        "salary",
        [
            "3000 a month",
            "2400 a month",
            "4100 a month",
            "1900 a month",
            "5200 a month",
        ],
    ),
    (
        "birthday",
        [
            "the 4th of june",
            "the 9th of may",
            "the 2nd of march",
            "the 7th of july",
            "the 5th of april",
        ],
    ),
];

pub(crate) const NAMES: [&str; 16] = [
    "anna", "ben", "carla", "david", "emma", "felix", "greta", "hugo", "ivan", "julia", "karim",
    "laura", "maria", "nina", "omar", "paula",
];

/// People whom the user knows.
pub(crate) const RELATIONS: [&str; 10] = [
    "boss",
    "neighbour",
    "teacher",
    "brother",
    "sister",
    "landlord",
    "coach",
    "colleague",
    "cousin",
    "friend",
];

pub(crate) const MATTERS: [&str; 6] = [
    "the noise",
    "the rent",
    "the broken chair",
    "the late train",
    "the cold food",
    "the lost keys",
];

pub(crate) const INSULTING: [&str; 4] = ["lazy", "stupid", "useless", "boring"];
pub(crate) const INSULTS: [&str; 4] = ["fool", "pig", "coward", "clown"];

pub(crate) const GROUPS: [&str; 12] = [
    "bankers",
    "farmers",
    "tourists",
    "teenagers",
    "old people",
    "tall people",
    "lawyers",
    "gamers",
    "cyclists",
    "poets",
    "city people",
    "shy people",
];

pub(crate) const TRAITS: [&str; 6] = ["greedy", "lazy", "rude", "slow", "dishonest", "dull"];

pub(crate) const THINGS: [&str; 14] = [
    "coffee",
    "running",
    "milk",
    "yoga",
    "sugar",
    "red wine",
    "a cold shower",
    "swimming",
    "chocolate",
    "homework",
    "remote work",
    "television",
    "a vegan diet",
    "meditation",
];

pub(crate) const ABSOLUTES: [&str; 3] = [
    "is always good for everyone",
    "has no bad side at all",
    "is the only right choice",
];

/// A subject, what it is, and two things that it is not.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) subject: &'static str,
    /// The first is right.
    pub(crate) objects: [&'static str; 3],
}

const fn fact(subject: &'static str, objects: [&'static str; 3]) -> Fact {
    Fact { subject, objects }
}

pub(crate) const FACTS: [Fact; 30] = [
    fact("the capital of france", ["paris", "rome", "madrid"]),
    fact("the capital of italy", ["rome", "paris", "vienna"]),
    fact("the capital of spain", ["madrid", "lisbon", "rome"]),
    fact("the capital of japan", ["tokyo", "beijing", "seoul"]),
    fact("the capital of egypt", ["cairo", "tunis", "athens"]),
    fact("the colour of snow", ["white", "green", "red"]),
    fact("the colour of grass", ["green", "blue", "white"]),
    fact("the colour of a banana", ["yellow", "blue", "red"]),
    fact("the largest planet", ["jupiter", "mars", "venus"]),
    fact(
        "the planet nearest to the sun",
        ["mercury", "jupiter", "mars"],
    ),
    fact("the number of legs of a spider", ["eight", "six", "ten"]),
    fact("the number of legs of an ant", ["six", "eight", "four"]),
    fact("the number of days in a week", ["seven", "six", "ten"]),
    fact(
        "the number of months in a year",
        ["twelve", "ten", "eleven"],
    ),
    fact("the main food of pandas", ["bamboo", "fish", "grass"]),
    fact("the main food of bees", ["nectar", "bamboo", "leaves"]),
    fact(
        "the largest animal",
        ["the blue whale", "the elephant", "the horse"],
    ),
    fact(
        "the tallest animal",
        ["the giraffe", "the horse", "the bear"],
    ),
    fact(
        "the fastest animal on land",
        ["the cheetah", "the bear", "the elephant"],
    ),
    fact(
        "the gas that plants need",
        ["carbon dioxide", "helium", "neon"],
    ),
    fact("the metal in a magnet", ["iron", "gold", "copper"]),
    fact("the main part of glass", ["sand", "salt", "wood"]),
    fact("the frozen form of water", ["ice", "steam", "salt"]),
    fact(
        "the language of brazil",
        ["portuguese", "spanish", "french"],
    ),
    fact("the language of austria", ["german", "french", "italian"]),
    fact(
        "the longest river of africa",
        ["the nile", "the congo", "the niger"],
    ),
    fact("the highest mountain", ["everest", "etna", "fuji"]),
    fact("the author of hamlet", ["shakespeare", "dante", "homer"]),
    fact(
        "the painter of the mona lisa",
        ["leonardo", "picasso", "monet"],
    ),
    fact("the star nearest to us", ["the sun", "sirius", "polaris"]),
];

pub(crate) const OPENINGS: [&str; 3] = ["sure", "of course", "gladly"];
pub(crate) const CLOSINGS: [&str; 4] = [
    "i hope this helps",
    "good luck",
    "take your time",
    "tell me how it goes",
];

/// Insults that fit anywhere, and what a revision says in their place.
pub(crate) const INSULT_ASIDES: [&str; 4] = [
    "only a fool would ask this",
    "you really should know this",
    "even a child knows this",
    "what a silly question",
];
pub(crate) const PRAISES: [&str; 2] = ["that is a good question", "many people ask this"];

/// Absolute claims that fit anywhere, and what a revision says in their place.
pub(crate) const ABSOLUTE_ASIDES: [&str; 4] = [
    "this works for everyone every time",
    "nobody ever regrets this",
    "there is no other way",
    "all experts agree on this",
];
pub(crate) const HEDGES: [&str; 2] = [
    "this often works , though not always",
    "others may see this differently",
];

pub(crate) const GREETINGS: [&str; 4] = ["", "hello . ", "hi there . ", "please help me . "];
pub(crate) const TIMES: [&str; 4] = ["", " tonight", " this weekend", " before monday"];
