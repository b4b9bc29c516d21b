//! The words a generated world is made of. Some are not ASCII, as in any real directory.

/// License models, and what they are for.
#[rustfmt::skip]
pub const MODELS: &[(&str, &str)] = &[
    ("Named user", "A seat belongs to a person, on one device at a time"),
    ("Floating", "Seats are shared and taken while in use"),
    ("Trial", "One seat for thirty days"),
    ("Metered", "Every session counts"),
];
#[rustfmt::skip]
pub const PRODUCTS: &[&str] = &[
    "Editor", "Renderer", "Simulator", "Modeler", "Analyzer", "Viewer", "Converter", "Planner", "Inspector",
    "Sequencer", "Tracer", "Surveyor",
];
/// In an item's name, and in what people read.
#[rustfmt::skip]
pub const TIERS: &[(&str, &str)] = &[("", ""), ("-pro", " Pro"), ("-node", " Node"), ("-suite", " Suite")];
#[rustfmt::skip]
pub const PLACES: &[&str] = &[
    "Nordlys", "Fjell", "Kaleva", "Aurora", "Meridian", "Halcyon", "Borealis", "Cobalt", "Juniper", "Harbor", "Summit",
    "Delta", "Orchard", "Lumen", "Granite", "Tundra",
];
#[rustfmt::skip]
pub const TRADES: &[&str] = &[
    "Engineering", "Shipyard", "Architects", "Studios", "Robotics", "Energy", "Mapping", "Optics", "Foundry",
    "Instruments", "Labs", "Works",
];
#[rustfmt::skip]
pub const CITIES: &[(&str, &str)] = &[
    ("Oslo", "NO"), ("Tampere", "FI"), ("Malmö", "SE"), ("Århus", "DK"), ("Genève", "CH"), ("Kraków", "PL"),
    ("Boston", "US"), ("Ōsaka", "JP"),
];
pub const TEAMS: &[&str] = &["Design", "Research", "Field crew"];
/// A role, and what it permits in the customer's own systems.
#[rustfmt::skip]
pub const ROLES: &[(&str, &str, &str)] = &[
    ("Administrator", "Organization", "read,update"),
    ("License manager", "License", "read,update"),
    ("Member", "Profile", "read"),
];
/// As written, and as in an address.
#[rustfmt::skip]
pub const FIRST_NAMES: &[(&str, &str)] = &[
    ("Aino", "aino"), ("Åsa", "asa"), ("Bjørn", "bjorn"), ("Chloé", "chloe"), ("Dara", "dara"), ("Eero", "eero"),
    ("Fatima", "fatima"), ("Gunnar", "gunnar"), ("Hana", "hana"), ("Ilmari", "ilmari"), ("José", "jose"),
    ("Katarzyna", "katarzyna"), ("Liam", "liam"), ("Mei", "mei"), ("Nadia", "nadia"), ("Oskar", "oskar"),
    ("Priya", "priya"), ("Quinn", "quinn"), ("Rasmus", "rasmus"), ("Søren", "soren"), ("Tuuli", "tuuli"),
    ("Ulla", "ulla"), ("Väinö", "vaino"), ("Ελένη", "eleni"),
];
#[rustfmt::skip]
pub const LAST_NAMES: &[(&str, &str)] = &[
    ("Virtanen", "virtanen"), ("Lindström", "lindstrom"), ("Nielsen", "nielsen"), ("O'Brien", "obrien"),
    ("García", "garcia"), ("Kowalski", "kowalski"), ("Tanaka", "tanaka"), ("Iyer", "iyer"), ("Haugen", "haugen"),
    ("Müller", "muller"), ("Rossi", "rossi"), ("Smith", "smith"), ("Dubois", "dubois"), ("Nowak", "nowak"),
    ("Ærø", "aero"), ("Okafor", "okafor"),
];
