"""Which tokens are learned, named one by one, and the interleave."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_base import FORMAT, FakeBase
from voicekit import conversations as talk
from voicekit.errors import BaseModelError, RecordingsError
from voicekit.ports import BaseMaterial
from voicekit.prompt import PromptFormat
from voicekit.records import Conversation, Question, TrainingExample, Turn
from voicekit.specs import HarvestSpec, TrainSpec

SPECIAL = {900: "<start>", 901: "<end>", 902: "<eot>"}
PROMPT = PromptFormat("speak as {speaker}", 1000, 50, 900, 901, 902, 903, 904, 905, text_block=2, audio_block=3)
WORDS: list[str] = []


def encode_text(text: str) -> list[int]:
    """One id a word; a line break is a word."""
    words = text.replace("\n", " \n ").split(" ")
    for word in words:
        if word and word not in WORDS:
            WORDS.append(word)
    return [WORDS.index(w) for w in words if w]


def name(token_id: int) -> str:
    if PROMPT.is_audio(token_id):
        return f"a{token_id - PROMPT.audio_offset}"
    return SPECIAL.get(token_id) or WORDS[token_id]


def names(example: TrainingExample) -> str:
    return " ".join(name(int(i)) for i in example.ids)


def learned(example: TrainingExample) -> list[str]:
    return [name(int(i)) for i, w in zip(example.ids, example.loss_weight, strict=True) if w > 0]


def held(example: TrainingExample) -> list[str]:
    return [name(int(i)) for i, w in zip(example.ids, example.kl_weight, strict=True) if w > 0]


ITEM = talk.Item("c1", "rain fell all night", (1, 2, 3, 4, 5, 6, 7))
QUESTION = Question("who are you", "a bird")
REPLY = "rain fell a1 a2 a3 all night a4 a5 a6 a7 <end>"
PSEUDO = f"<start> system \n speak as ann <end> \n <start> user \n who are you <end> \n <start> assistant \n {REPLY}"
AUDIO = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"]
WHOLE = REPLY.split(" ")


def of(conversation: Conversation, weights: talk.Weights) -> TrainingExample:
    return talk.encode(conversation, weights, PROMPT, encode_text)


def test_masked_learns_the_speech_tokens_of_the_reply_and_nothing_else() -> None:
    example = of(talk.pseudo_masked(ITEM, "ann", QUESTION), talk.item_weights("pseudo_masked", TrainSpec()))
    assert names(example) == PSEUDO
    assert learned(example) == AUDIO
    assert held(example) == []


def test_masked_with_text_kl_holds_exactly_the_recorded_text() -> None:
    spec = TrainSpec(text_kl=0.3, audio_weight=2.0)
    example = of(talk.pseudo_masked(ITEM, "ann", QUESTION), talk.item_weights("pseudo_masked", spec))
    assert learned(example) == AUDIO
    assert held(example) == ["rain", "fell", "all", "night"]
    assert set(example.loss_weight[example.loss_weight > 0]) == {2.0}
    assert example.kl_weight.max() == pytest.approx(0.3)


def test_unmasked_learns_the_whole_reply_and_no_question() -> None:
    example = of(talk.pseudo_text(ITEM, "ann", QUESTION), talk.item_weights("pseudo_text", TrainSpec()))
    assert names(example) == PSEUDO
    assert learned(example) == WHOLE


def test_tts_asks_for_its_own_text_and_learns_the_whole_reply() -> None:
    example = of(talk.tts(ITEM, "ann"), talk.item_weights("tts", TrainSpec()))
    asked = PSEUDO.replace("who are you", "read this: rain fell all night")
    assert names(example) == asked
    assert learned(example) == WHOLE


def test_rehearsal_learns_every_answer_under_the_bases_own_name() -> None:
    turns = (
        Turn("user", "one ?"),
        Turn("assistant", "yes", speech=(8, 9)),
        Turn("user", "two ?"),
        Turn("assistant", "no", speech=(10,)),
    )
    example = of(talk.replayed("bob", turns), talk.Weights(text=1, audio=1, end=1))
    assert names(example) == (
        "<start> system \n speak as bob <end> \n <start> user \n one ? <end> \n <start> assistant \n yes a8 a9 <end> \n "
        "<start> user \n two ? <end> \n <start> assistant \n no a10 <end>"
    )
    assert learned(example) == ["yes", "a8", "a9", "<end>", "no", "a10", "<end>"]


def test_old_dialogues_under_the_new_name_hold_text_and_learn_no_speech() -> None:
    example = of(
        talk.under_new_name((Turn("user", "one ?"), Turn("assistant", "yes", speech=(8,))), "ann", "bob"),
        talk.Weights(text_kl=1),
    )
    assert "speak as ann" in names(example)
    # A name the base has never met may take its wits away: it is asked under the name whose dialogue this was.
    assert " ".join(name(int(i)) for i in example.seen_by_base) == names(example).replace("ann", "bob")
    assert learned(example) == []
    assert held(example) == ["yes"]


def test_a_harvested_answer_teaches_speech_and_holds_text() -> None:
    spec = TrainSpec(replay_per_epoch=0, new_name_per_epoch=0)
    (conversation, weights), *_ = talk.refining_lessons(
        [talk.Kept("one ?", "yes", (3, 4))], [], [ITEM], BaseMaterial((QUESTION,), (), (), (), "bob"), "ann", spec, 0
    )
    example = of(conversation, weights)
    assert example.kind == "harvest"
    assert learned(example) == ["a3", "a4"]
    assert held(example) == ["yes"]
    assert " ".join(name(int(i)) for i in example.seen_by_base) == names(example).replace("ann", "bob")


def test_of_an_answer_not_said_well_only_the_text_is_held() -> None:
    spec = TrainSpec(replay_per_epoch=0, new_name_per_epoch=0)
    badly = [talk.Kept("one ?", "yes", (3, 4))]
    material = BaseMaterial((QUESTION,), (), (), (), "bob")
    lessons = talk.refining_lessons([], badly, [ITEM], material, "ann", spec, 0)
    (example,) = [of(c, weights) for c, weights in lessons if c.strategy == "held"]
    assert learned(example) == []
    assert held(example) == ["yes"]


MATERIAL = FakeBase().material
ITEMS = [talk.Item(f"c{i}", f"text {i}", (i, i)) for i in range(7)]


def test_an_epoch_has_every_recording_once_in_a_context_drawn_anew() -> None:
    spec = TrainSpec(replay_per_epoch=5, new_name_per_epoch=4, seed=3)
    epochs = [[c for c, _ in talk.voice_lessons(ITEMS, MATERIAL, "ann", spec, e)] for e in (0, 1, 0)]
    assert epochs[0] == epochs[2]
    contexts = [{c.turns[1].clip_id: c.turns[0].text for c in epoch if c.strategy == "pseudo_masked"} for epoch in epochs]
    assert set(contexts[0]) == {i.clip_id for i in ITEMS}
    assert contexts[0] != contexts[1]
    assert {*contexts[0].values(), *contexts[1].values()} <= {q.text for q in MATERIAL.train}
    assert [c.strategy for c in epochs[0]].count("replay") == 5
    assert {c.speaker for c in epochs[0] if c.strategy == "replay"} <= set(FakeBase().info.speakers)
    assert {c.speaker for c in epochs[0] if c.strategy == "new_name"} == {"ann"}


def test_a_share_of_the_recordings_is_read_out_with_the_same_mask() -> None:
    spec = TrainSpec(read_share=0.5, replay_per_epoch=0)
    lessons = [lesson for e in range(20) for lesson in talk.voice_lessons(ITEMS, MATERIAL, "ann", spec, e)]
    read = [weights for c, weights in lessons if c.strategy == "tts"]
    assert 40 < len(read) < 100
    assert set(read) == {talk.Weights(audio=1.0)}


def test_answers_for_the_second_phase_are_spread_over_questions() -> None:
    kept = [talk.Kept("often", "yes", (i,)) for i in range(30)] + [talk.Kept(f"q{i}", "no", (i,)) for i in range(5)]
    spec = TrainSpec(harvest=HarvestSpec(kept_per_epoch=6, narrative_per_epoch=2, replay_per_epoch=1, new_name_per_epoch=1))
    lessons = talk.refining_lessons(kept, [], ITEMS, MATERIAL, "ann", spec, 0)
    asked = [c.turns[0].text for c, _ in lessons if c.strategy == "harvest"]
    assert sorted(asked) == ["often", "q0", "q1", "q2", "q3", "q4"]
    assert sorted(c.strategy for c, _ in lessons if c.strategy != "harvest") == [
        "new_name",
        "pseudo_masked",
        "pseudo_masked",
        "replay",
    ]


def test_examples_go_on_until_there_are_enough_tokens() -> None:
    base = FakeBase()
    spec = TrainSpec(replay_per_epoch=0, new_name_per_epoch=0)

    def lessons(epoch: int) -> list[talk.Lesson]:
        return talk.voice_lessons(ITEMS, MATERIAL, "ann", spec, epoch)

    examples = talk.examples_for(lessons, 1500, base.prompt, base.encode_text)
    one_epoch = talk.examples_for(lessons, 1, base.prompt, base.encode_text)
    assert len(one_epoch) == len(ITEMS)
    assert sum(len(e.ids) for e in examples) >= 1500
    assert sorted({e.epoch for e in examples}) == list(range(len(examples) // len(ITEMS)))


def test_nothing_to_learn_from_is_said_plainly() -> None:
    base = FakeBase()
    with pytest.raises(RecordingsError):
        talk.examples_for(lambda _: [], 10, base.prompt, base.encode_text)
    with pytest.raises(BaseModelError):
        talk.voice_lessons(ITEMS, replace(MATERIAL, train=()), "ann", TrainSpec(), 0)


@settings(max_examples=200)
@given(
    text=st.lists(st.integers(0, 255), max_size=40),
    codes=st.lists(st.integers(0, FORMAT.num_codes - 1), max_size=120),
    blocks=st.tuples(st.integers(1, 7), st.integers(1, 20)),
)
def test_interleave_round_trips_and_keeps_its_rhythm(text: list[int], codes: list[int], blocks: tuple[int, int]) -> None:
    prompt = replace(FORMAT, text_block=blocks[0], audio_block=blocks[1])
    ids = prompt.interleave(text, codes)
    assert prompt.split(ids) == (text, codes)
    assert prompt.split([*ids, prompt.im_end]) == (text, codes)
    alternating = min(len(text) // blocks[0], len(codes) // blocks[1]) * sum(blocks)
    for position, token_id in enumerate(ids[:alternating]):
        assert prompt.is_audio(token_id) == (position % sum(blocks) >= blocks[0])


@settings(max_examples=60)
@given(text=st.text("abc d'", min_size=1, max_size=30), codes=st.lists(st.integers(0, 255), min_size=1, max_size=60))
def test_masked_learns_as_many_tokens_as_there_are_codes(text: str, codes: list[int]) -> None:
    base = FakeBase()
    conversation = talk.pseudo_masked(talk.Item("c", text, tuple(codes)), "ann", MATERIAL.train[0])
    example = talk.encode(conversation, talk.Weights(audio=1.0), base.prompt, base.encode_text)
    supervised = example.ids[example.loss_weight > 0] - base.prompt.audio_offset
    assert supervised.tolist() == codes
    assert len(example.ids) == len(example.loss_weight) == len(example.kl_weight)
