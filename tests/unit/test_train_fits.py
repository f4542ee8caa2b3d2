"""What is predicted is what is taken: sizes, ranks and lengths; nothing is disturbed by asking; what cannot fit is refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.optim import AdamW
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from tests.tiny_llm import IDS, TEXT_IDS, examples, tiny_llm, weights
from voicekit.errors import ResourceError
from voicekit.records import TrainingExample
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import fits, loop
from voicekit.train.batches import collate, micro_batches

LORA = TrainSpec(method=Lora(rank=4))


def llm_of(hidden: int, layers: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=3 * hidden,
        tie_word_embeddings=False,
    )
    llm: Any = Qwen2ForCausalLM(config)
    return llm.to(dtype=dtype).eval()


def foreseen(
    llm: Qwen2ForCausalLM, spec: TrainSpec, some: Sequence[TrainingExample], steps: Sequence[Sequence[int]]
) -> fits.Forecast:
    work = fits.work_of(steps, some, spec.micro_tokens)
    return fits.forecast(llm, spec, some, work, loop._attached, TEXT_IDS)


def taken_bytes(llm: Qwen2ForCausalLM, spec: TrainSpec, some: Sequence[TrainingExample], steps: Sequence[Sequence[int]]) -> int:
    """The peak beside the weights of really doing these steps twice, by the allocator's own account."""

    def run() -> None:
        with loop._attached(llm, spec, TEXT_IDS) as trainable:
            optimizer = AdamW(trainable.parameters(), fused=True)
            for step in [*steps, *steps]:
                optimizer.zero_grad(set_to_none=True)
                for piece in micro_batches(step, some, spec.micro_tokens):
                    batch = collate([some[i] for i in piece], llm.device, TEXT_IDS)
                    assert batch is not None
                    fits.one_pass(trainable, batch)
                optimizer.step()

    return fits.measured(llm.device, run).num_bytes


@pytest.mark.parametrize(
    ("size", "spec", "lengths", "kl"),
    [
        ((64, 2, 500), LORA, [60] * 8, False),
        ((64, 6, 500), TrainSpec(method=Lora(rank=32, dropout=0.1)), [200, 220, 180], True),
        ((128, 3, 4000), TrainSpec(method=Lora(rank=16)), [30] * 20, True),
        ((128, 3, 4000), TrainSpec(method=Lora(rank=16), precision="bf16"), [400], False),
        ((96, 4, 1000), TrainSpec(method=Full()), [50] * 8, True),
        ((96, 4, 1000), TrainSpec(method=Full(), micro_tokens=150), [50] * 8, False),
        ((96, 4, 1000), TrainSpec(method=Lora(rank=8), micro_tokens=120), [50, 60, 20, 110, 40], True),
        ((96, 6, 500), TrainSpec(method=Lora(rank=8), gradient_checkpointing=True), [120] * 4, True),
        ((96, 3, 500), TrainSpec(method=Lora(rank=8, dora=True, audio_embeddings=True)), [60] * 6, False),
        ((160, 2, 200), TrainSpec(method=Lora(rank=64, targets=("q_proj", "v_proj"))), [90, 100, 70], False),
    ],
)
def test_the_memory_foreseen_is_the_memory_taken(
    size: tuple[int, int, int], spec: TrainSpec, lengths: list[int], kl: bool
) -> None:
    llm, some, steps = llm_of(*size), examples(lengths, kl=kl), [tuple(range(len(lengths)))]
    expected = foreseen(llm, spec, some, steps)
    taken = taken_bytes(llm, spec, some, steps)
    assert expected.weights_bytes == sum(p.nbytes for p in llm.parameters())
    assert expected.added_bytes == pytest.approx(taken, rel=0.10)


def test_a_model_in_bfloat16_too() -> None:
    llm, some, steps = llm_of(96, 3, 800, torch.bfloat16), examples([120] * 3), [(0, 1, 2)]
    assert foreseen(llm, LORA, some, steps).added_bytes == pytest.approx(taken_bytes(llm, LORA, some, steps), rel=0.10)


@pytest.mark.parametrize("spec", [LORA, TrainSpec(method=Full()), TrainSpec(method=Lora(rank=4), micro_tokens=60)])
def test_the_probe_takes_what_was_foreseen_for_it(spec: TrainSpec) -> None:
    llm, some, steps = llm_of(64, 4, 900), examples([50] * 6, kl=True), [tuple(range(6))]
    work = fits.work_of(steps, some, spec.micro_tokens)
    expected = fits.forecast(llm, spec, some, work, loop._attached, TEXT_IDS)
    with loop._attached(llm, spec, TEXT_IDS) as trainable:
        tried = fits.probed(expected, trainable, work.batch(some, llm.device, TEXT_IDS), work)
    assert tried.measured_bytes == pytest.approx(expected.pass_bytes, rel=0.10)
    assert tried.seconds > 0


def test_more_of_anything_takes_more() -> None:
    def added(size: tuple[int, int, int], spec: TrainSpec, lengths: list[int]) -> int:
        return foreseen(llm_of(*size), spec, examples(lengths), [tuple(range(len(lengths)))]).added_bytes

    usual = added((64, 2, 500), LORA, [60] * 4)
    assert usual < added((64, 4, 500), LORA, [60] * 4)
    assert usual < added((64, 2, 500), TrainSpec(method=Lora(rank=64)), [60] * 4)
    assert usual < added((64, 2, 500), LORA, [60] * 8)
    assert usual < added((64, 2, 500), TrainSpec(method=Full()), [60] * 4)
    assert usual > added((64, 2, 500), LORA.model_copy(update={"micro_tokens": 60}), [60] * 4)


def test_asking_changes_neither_weights_nor_gradients_nor_random_numbers() -> None:
    llm, some = tiny_llm(), examples([20, 30])
    before = weights(llm)
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    work = fits.work_of([(0, 1)], some, 0)
    expected = fits.forecast(llm, LORA, some, work, loop._attached)
    with loop._attached(llm, LORA, TEXT_IDS) as trainable:
        fits.probed(expected, trainable, work.batch(some, llm.device, 0), work)
        assert all(p.grad is None for p in trainable.parameters())
        torch.manual_seed(5)
        fits.probed(expected, trainable, work.batch(some, llm.device, 0), work)
        assert torch.equal(torch.rand(1), wanted)
    after = weights(llm)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_too_large_for_any_memory_is_weighed_without_being_made() -> None:
    """The released shape's width and vocabulary on a CPU: two layers of it would be several GB."""
    config = Qwen2Config(
        vocab_size=168_055,
        hidden_size=3584,
        num_hidden_layers=2,
        num_attention_heads=28,
        num_key_value_heads=4,
        intermediate_size=18_944,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        llm: Any = Qwen2ForCausalLM(config)
        llm = llm.to(dtype=torch.bfloat16)
    llm.model.rotary_emb = Qwen2RotaryEmbedding(config)
    some = examples([900] * 2)
    work = fits.work_of([(0, 1)], some, 0)
    spec = TrainSpec(method=Lora(rank=16))
    expected = fits.forecast(llm, spec, some, work, loop._attached, TEXT_IDS, torch.device("cpu"))
    assert expected.weights_bytes == 2 * sum(p.numel() for p in llm.parameters())
    kept_by_mlps = 2 * 3 * 1800 * 18_944 * 2  # layers, inputs of the products, ids, width, bytes
    assert expected.pass_bytes > kept_by_mlps


@contextmanager
def free_memory(monkeypatch: pytest.MonkeyPatch, num_bytes: float) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(fits, "free_bytes", lambda _: num_bytes)
        yield


def test_what_does_not_fit_is_done_in_smaller_pieces_and_what_cannot_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    llm, some, steps = llm_of(64, 2, IDS), examples([30] * 16), [tuple(range(16))]

    def fit(share: float, spec: TrainSpec = LORA) -> fits.Fit:
        with free_memory(monkeypatch, whole.added_bytes * share):
            return fits.fit_in(llm, spec, some, steps, loop._attached)

    whole = foreseen(llm, LORA, some, steps)
    assert fit(1.2).micro_tokens == 0
    smaller = fit(0.6)
    assert 30 <= smaller.micro_tokens < 480
    assert smaller.expected.added_bytes <= fits.SAFE_SHARE * 0.6 * whole.added_bytes
    with pytest.raises(ResourceError, match=r"train\.method\.rank") as refused:
        fit(0.01, TrainSpec(method=Lora(rank=16)))
    assert "GB" in refused.value.problem
    with pytest.raises(ResourceError, match="LoRA"):
        fit(0.01, TrainSpec(method=Full()))


def test_the_free_memory_is_what_the_machine_says() -> None:
    free = fits.free_bytes(torch.device("cpu"))
    assert 2**20 < free < 2**50


def test_time_goes_with_the_work() -> None:
    llm, some = tiny_llm(), examples([30] * 8)
    one, four = (foreseen(llm, LORA, some, [tuple(range(8))] * n).seconds for n in (1, 4))
    assert four == pytest.approx(4 * one)


def test_processes_have_their_share_of_a_step_and_sharded_ones_their_part_of_what_rests() -> None:
    some, steps = examples([50, 40, 30, 20], kl=True), [(0, 1, 2, 3)]
    alone, two = (fits.work_of(steps, some, 0, processes) for processes in (1, 2))
    assert (two.micro_tokens, alone.micro_tokens) == (70, 140)
    assert two.all_tokens <= alone.all_tokens / 2 + 1
    llm, spec = llm_of(64, 4, 900), TrainSpec(method=Full())
    whole = fits.forecast(llm, spec, some, two, loop._attached, TEXT_IDS, processes=2)
    dealt = fits.forecast(llm, spec.model_copy(update={"sharded": True}), some, two, loop._attached, TEXT_IDS, processes=2)
    weights = whole.weights_bytes
    assert dealt.optimizer_bytes == pytest.approx(whole.optimizer_bytes / 2, rel=0.01)
    assert (dealt.gradient_bytes, whole.copies_bytes) == pytest.approx((weights / 2, weights), rel=1e-3)
    # Half of the weights, half of their frozen copy; a copy has a few buffers too.
    assert dealt.weights_bytes + dealt.copies_bytes == pytest.approx(weights, rel=1e-3)
    resting = [found.total_bytes - found.pass_bytes for found in (dealt, whole)]
    assert resting[0] < 0.75 * resting[1], "what a pass gathers comes on top"
