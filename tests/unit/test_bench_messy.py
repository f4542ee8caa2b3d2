"""Where a synthesiser says each word: by the phones that the word has by itself."""

from bench.messy_truth import likest


def test_each_phone_goes_with_the_one_that_it_stands_for() -> None:
    alone = "w ao t er f ao l ey k y uh r".split()
    assert likest("w ao t er f ao l ax k y uh r".split(), alone) == list(range(12)), "an a before a noun is another vowel"
    assert likest("w ao t er f ao l t ax k uh r".split(), alone) == [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 10, 11]
    assert likest([], alone) == []
