"""Tables of the closed world: what is true in it. Rows are separated by semicolons, fields by commas."""

Rows = tuple[tuple[str, ...], ...]


def rows(table: str) -> Rows:
    """The fields of each row of a table."""
    return tuple(tuple(field.strip() for field in row.split(",")) for row in table.replace("\n", " ").split(";") if row.strip())


_BELOW_TWENTY = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
# 0 to 99 in words
NUMBERS = (*_BELOW_TWENTY, *(f"{ten} {one}".removesuffix(" zero") for ten in _TENS for one in _BELOW_TWENTY[:10]))

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = tuple(
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]
)
ORDINALS = tuple(
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
)
SEASON_OF_MONTH = ("winter",) * 2 + ("spring",) * 3 + ("summer",) * 3 + ("autumn",) * 3 + ("winter",)
DAYS_OF_MONTH = ("thirty one", "twenty eight", *("thirty one", "thirty") * 2, *("thirty one",) * 2, *("thirty", "thirty one") * 2)

OPPOSITES = rows("""
hot, cold; big, small; fast, slow; old, new; high, low; long, short; hard, soft; wet, dry; dark, light; happy, sad; good, bad;
early, late; rich, poor; strong, weak; near, far; up, down; left, right; day, night; first, last; black, white; push, pull;
buy, sell; win, lose; safe, dangerous; always, never; love, hate; laugh, cry; true, false; easy, difficult; top, bottom""")

# country, capital, continent, language
COUNTRIES = rows("""
france, paris, europe, french; spain, madrid, europe, spanish; italy, rome, europe, italian; germany, berlin, europe, german;
england, london, europe, english; portugal, lisbon, europe, portuguese; greece, athens, europe, greek;
norway, oslo, europe, norwegian; sweden, stockholm, europe, swedish; denmark, copenhagen, europe, danish;
poland, warsaw, europe, polish; russia, moscow, europe, russian; egypt, cairo, africa, arabic; japan, tokyo, asia, japanese;
china, beijing, asia, chinese; korea, seoul, asia, korean; cuba, havana, america, spanish; peru, lima, america, spanish;
canada, ottawa, america, english; brazil, brasilia, america, portuguese; ireland, dublin, europe, english;
australia, canberra, australia, english; mexico, mexico city, america, spanish; india, new delhi, asia, hindi""")

COLOURS = rows("""
grass, green; the sky, blue; snow, white; coal, black; a lemon, yellow; milk, white; a carrot, orange; a banana, yellow;
a crow, black; a swan, white; a frog, green; a pig, pink; a leaf, green; gold, yellow; silver, grey; coffee, brown;
a strawberry, red; a cherry, red; a plum, purple; a pea, green; the sea, blue; an elephant, grey; a mouse, grey; a fox, red;
a bear, brown; cotton, white; butter, yellow; a cloud, white; bread, brown; a potato, brown; corn, yellow; a wolf, grey;
rain, clear; water, clear; glass, clear; wood, brown; a tree, green; night, black; a shark, grey; honey, gold; a lion, gold;
a peach, pink; a grape, purple; cheese, yellow; a bat, black; a whale, blue; ice, clear; a sheep, white; a monkey, brown;
a turtle, green""")

SOUNDS = rows("""
a cow, moos; a dog, barks; a cat, meows; a lion, roars; a duck, quacks; a wolf, howls; an owl, hoots; a bee, buzzes;
a pig, grunts; a frog, croaks; a bird, sings; a hen, clucks; a bear, growls; a crow, caws""")

YOUNG = rows("""
a dog, a puppy; a cow, a calf; a horse, a foal; a sheep, a lamb; a pig, a piglet; a hen, a chick; a lion, a cub; a goat, a kid;
a deer, a fawn; a seal, a pup; an elephant, a calf; a bear, a cub; a whale, a calf; a wolf, a pup""")

LEGS = rows("""
a cow, four; a dog, four; a cat, four; a spider, eight; a bee, six; an ant, six; a hen, two; a duck, two; a horse, four;
a snake, no; a fish, no; an owl, two; a frog, four; a pig, four; a butterfly, six; a person, two; a table, four; a worm, no;
a whale, no; a goat, four; a fly, six; a swan, two; a lion, four; an eagle, two; a shark, no""")

HOMES = rows("""
a bird, in a nest; a bee, in a hive; a cow, in a field; a fish, in water; a lion, in the grass; a spider, in a web;
a king, in a castle; a monkey, in a tree; a whale, in the sea; a rabbit, in a hole; a bat, in a cave; a frog, in a pond;
a farmer, on a farm; a shark, in the sea; a pig, on a farm; a penguin, on the ice""")

# verb phrase, then who can, or who cannot
CAN = {
    "fly": "a duck; an owl; a bee; an eagle; a bat; a butterfly; a crow; a swan",
    "swim": "a fish; a duck; a frog; a whale; a shark; a dog; a seal; a penguin; a turtle",
    "climb a tree": "a cat; a monkey; a squirrel; a bear",
    "jump": "a frog; a rabbit; a cat; a dog; a horse; a kangaroo; a goat",
    "lay eggs": "a hen; a duck; a snake; a frog; an owl; a turtle; a crow; a fish; a penguin",
}
CANNOT = {
    "fly": "a cow; a dog; a horse; a pig; a sheep; a snake; a frog; a fish; an elephant; a lion; a mouse",
    "swim": "a butterfly; a bee; a hen; a spider; a crow",
    "climb a tree": "a cow; a horse; a whale; a fish; a pig; an elephant; a duck; a sheep",
    "jump": "a snail; a snake; an elephant; a whale; a worm",
    "lay eggs": "a cow; a dog; a cat; a lion; a sheep; a wolf; a horse; a pig; a whale",
}

# Each row in rising order: any thing is more than those before it.
BIGGER = ("an ant", "a bee", "a mouse", "a frog", "a cat", "a dog", "a lion", "a horse", "an elephant", "a whale")
FASTER = ("a snail", "a person", "a dog", "a horse", "a car", "a train", "a plane", "a rocket")
HEAVIER = ("a feather", "a letter", "an apple", "a book", "a chair", "a car", "a ship")

COUNTS = rows("""
seconds, a minute, sixty; minutes, an hour, sixty; hours, a day, twenty four; days, a week, seven; months, a year, twelve;
weeks, a year, fifty two; seasons, a year, four; years, a century, one hundred; years, a decade, ten; eggs, a dozen, twelve;
letters, the alphabet, twenty six; pennies, a pound, one hundred; minutes, half an hour, thirty; days, a weekend, two;
hours, two days, forty eight; minutes, two hours, one hundred and twenty; days, two weeks, fourteen;
months, two years, twenty four; seconds, two minutes, one hundred and twenty; people, a pair, two; singers, a trio, three;
months, half a year, six; hours, half a day, twelve; minutes, a quarter of an hour, fifteen; days, three weeks, twenty one;
years, half a century, fifty; eggs, half a dozen, six; eggs, two dozen, twenty four""")

PARTS = rows("""
wheels, a car, four; sides, a triangle, three; sides, a square, four; eyes, a face, two; strings, a guitar, six;
strings, a violin, four; wings, a bird, two; ears, a rabbit, two; corners, a square, four; corners, a triangle, three;
wheels, a train, many; leaves, a tree, many; teeth, a shark, many; keys, a piano, eighty eight; wings, a plane, two;
wings, a bee, four""")

PLURALS = rows("""
mouse, mice; tooth, teeth; man, men; woman, women; sheep, sheep; fish, fish; deer, deer; leaf, leaves; wolf, wolves;
wife, wives; life, lives; calf, calves; person, people; city, cities; baby, babies; fox, foxes; box, boxes; bus, buses;
dish, dishes; cat, cats; dog, dogs; cow, cows; bird, birds; book, books; house, houses; tree, trees; car, cars; train, trains;
apple, apples; table, tables; hand, hands; eye, eyes; ear, ears; song, songs; game, games; key, keys; shoe, shoes; coat, coats;
king, kings; letter, letters; ship, ships; star, stars""")

RHYMES = rows("""
cat, hat; dog, frog; house, mouse; tree, bee; light, night; ring, king; star, car; cake, lake; train, rain; boat, coat;
fish, dish; book, cook; bed, red; sing, spring; snow, low; chair, bear; goat, boat; hen, pen; fox, box; day, play; blue, shoe;
cold, gold; face, race; mine, nine; sky, fly; sea, pea; top, shop; pig, big; five, hive; six, sticks; ten, men; pink, drink;
white, kite; plum, drum; sheep, sleep; cow, now; snake, lake; lamb, jam; stone, phone; year, ear; glass, grass; funny, honey""")

MAKERS = rows("""
a baker, bakes bread; a cook, makes soup; a farmer, grows corn; a pilot, flies a plane; a driver, drives a bus;
a singer, sings songs; a tailor, makes coats; a teacher, teaches children; a doctor, helps ill people;
a dentist, looks after teeth; a gardener, looks after plants; a nurse, cares for the ill; a judge, decides in court;
a sailor, sails a ship; a fisherman, catches fish; a postman, brings letters; a barber, cuts hair; a waiter, brings food;
a miner, digs for coal; a potter, makes pots; a clown, makes people laugh; a king, rules a country""")

PLACES = rows("""
a doctor, a hospital; a baker, a bakery; a farmer, a farm; a cook, a kitchen; a judge, a court; a pilot, a plane;
a sailor, a ship; a miner, a mine; a gardener, a garden; a clown, a circus; a driver, a bus; a butcher, a shop;
a king, a palace; a barber, a shop; a nurse, a hospital; a fisherman, a boat""")

MADE_FROM = rows("""
bread, wheat; cheese, milk; butter, milk; wine, grapes; jam, fruit; honey, nectar; paper, wood; a ring, gold; cream, milk;
a shirt, cotton; a coin, metal; cider, apples; a table, wood; a cake, eggs; a castle, stone; juice, fruit; a cloud, water;
a nest, sticks; a violin, wood; popcorn, corn""")

FOOD_KINDS = rows("""
an apple, fruit; a carrot, vegetable; a banana, fruit; a potato, vegetable; a cherry, fruit; a peach, fruit; a lemon, fruit;
a pea, vegetable; a grape, fruit; a plum, fruit; an orange, fruit; a strawberry, fruit; a melon, fruit; a mango, fruit;
a fig, fruit; a lime, fruit; milk, drink; tea, drink; coffee, drink; juice, drink; water, drink; wine, drink""")

KINDS = rows("""
a dog, an animal; a chair, a piece of furniture; a piano, an instrument; red, a colour; france, a country; paris, a city;
monday, a day; june, a month; winter, a season; seven, a number; gold, a metal; a coat, a piece of clothing; an eagle, a bird;
a shark, a fish; an ant, an insect; a doctor, a job; english, a language; a triangle, a shape; milk, a drink; an apple, a fruit;
a carrot, a vegetable; a violin, an instrument; silver, a metal; a table, a piece of furniture; a bed, a piece of furniture;
a shirt, a piece of clothing; a hat, a piece of clothing; a crow, a bird; an owl, a bird; a bee, an insect; a fly, an insect;
a cow, an animal; a lion, an animal; blue, a colour; green, a colour; spain, a country; rome, a city; friday, a day;
august, a month; summer, a season; twelve, a number; a square, a shape; french, a language; a nurse, a job; tea, a drink;
a drum, an instrument; a guitar, an instrument; asia, a continent; europe, a continent""")
