"""A second grammar: narrative statements in other words than the closed world's, read out by speakers as recordings."""

from random import Random


def _phrases(table: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in table.replace("\n", " ").split(";"))


_WHO = _phrases("""
the old sailor; my grandmother; a tired traveller; the young artist; our neighbour; the village blacksmith; a curious boy;
the quiet librarian; the tall stranger; a lonely shepherd; the mayor; her younger brother; the museum guide;
an elderly couple; the orchestra; the mountain rescuers; a careful mechanic; the ferry captain; our cousin margaret;
the beekeeper
""")
_DID = _phrases("""
carried a heavy lantern; repaired the broken fence; discovered a forgotten diary; painted an enormous portrait;
followed the muddy footprints; gathered driftwood and shells; polished the brass candlesticks; described the journey;
remembered an ancient melody; delivered twelve wooden barrels; collected dusty photographs; borrowed a wheelbarrow;
watched the fishing boats; planted rows of lavender; unfolded a faded chart; studied the strange machine;
whispered a gentle prayer; balanced seven porcelain plates; photographed the thunderstorm; sketched the harbour
""")
_WHERE = _phrases("""
beside the frozen river; across the wooden bridge; behind the railway station; near the lighthouse;
under the chestnut trees; along the narrow valley; outside the courthouse; between the vineyards; beyond the orchard;
around the marketplace; among the ruins; through the misty meadow; inside the greenhouse; above the waterfall;
towards the distant island
""")
_WHEN = _phrases("""
one foggy evening; early last autumn; before the festival began; while everybody slept; after the long voyage;
during the heavy snowfall; shortly before sunrise; as the church bells rang; without saying a word;
with remarkable patience; for almost an hour; when the visitors arrived
""")


def narratives(seed: int, n: int) -> tuple[str, ...]:
    """`n` distinct statements of five to fourteen words."""
    random = Random(f"narratives-{seed}")
    said: dict[str, None] = {}
    while len(said) < n:
        said[_statement(random)] = None
    return tuple(said)


def _statement(random: Random) -> str:
    who, did = random.choice(_WHO), random.choice(_DID)
    where, when = random.choice(_WHERE), random.choice(_WHEN)
    core = f"{who} {did}"
    shapes = (f"{core}.", f"{core} {where}.", f"{core} {when}.", f"{when}, {core}.", f"{where}, {core}.")
    statement = random.choice(shapes)
    return statement if 5 <= len(statement.split()) <= 14 else f"{core}."
