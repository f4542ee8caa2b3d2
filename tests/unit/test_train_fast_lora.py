"""The fast LoRA layers compute what PEFT's do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear

from tests.tiny_llm import TEXT_IDS, TinyModel, examples, tiny_llm
from voicekit.specs import Full, Lora, TrainSpec
from voicekit.train import lean, loop
from voicekit.train.batches import collate
from voicekit.train.fast_lora import install
from voicekit.train.loss import losses_of
from voicekit.train.precision import product_type
from voicekit.train.trainable import ADAPTER_FILE, Trainable, attach

pytestmark = pytest.mark.usefixtures("nothing_foreseen")

CPU = torch.device("cpu")


def trained_a_little(dtype: torch.dtype = torch.float32) -> Trainable:
    trainable = attach(tiny_llm().to(dtype), Lora(rank=4))  # pyright: ignore[reportArgumentType]
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainable


def gradients(trainable: Trainable) -> tuple[float, float, torch.Tensor]:
    batch = collate(examples([20, 27], kl=True), CPU, TEXT_IDS)
    assert batch is not None
    terms = losses_of(trainable, batch, 1.0, 50.0)
    terms.loss.backward()
    flat = torch.cat([p.grad.flatten() for p in trainable.parameters() if p.grad is not None])
    return float(terms.sums[0]), float(terms.sums[1]), flat


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 8e-2)])
def test_losses_and_gradients_are_pefts(dtype: torch.dtype, tolerance: float) -> None:
    expected_ce, expected_kl, expected = gradients(trained_a_little())
    fast = trained_a_little()
    assert install(fast.llm, dtype) == 14
    ce, kl, found = gradients(fast)
    assert expected_kl > 0.01
    assert ce == pytest.approx(expected_ce, rel=tolerance)
    assert kl == pytest.approx(expected_kl, rel=tolerance)
    assert float((found - expected).norm() / expected.norm()) < tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_untrained_adapter_has_no_divergence_in_either_type(dtype: torch.dtype) -> None:
    trainable = attach(tiny_llm(), Lora(rank=4))
    install(trainable.llm, dtype)
    batch = collate(examples([20], kl=True), CPU)
    assert batch is not None
    assert float(losses_of(trainable, batch).sums[1]) == pytest.approx(0.0, abs=1e-6)


def test_only_what_it_can_do_is_replaced_and_detaching_removes_it() -> None:
    assert install(attach(tiny_llm(), Lora(rank=4, dropout=0.1)).llm, torch.float32) == 0
    assert install(attach(tiny_llm(), Full()).llm, torch.float32) == 0
    assert install(attach(tiny_llm(), Lora(rank=4, dora=True)).llm, torch.float32) == 0
    trainable = attach(tiny_llm(), Lora(rank=4))
    install(trainable.llm, torch.bfloat16)
    ids = torch.arange(9)[None]
    with torch.no_grad():
        assert torch.equal(trainable.detach()(input_ids=ids).logits, tiny_llm()(input_ids=ids).logits)


def test_the_type_of_products_is_chosen_by_machine_or_by_hand() -> None:
    assert product_type("fp32", CPU) == torch.float32
    assert product_type("bf16", CPU) == torch.bfloat16
    assert product_type("auto", torch.device("meta")) == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_and_resumed_is_bit_for_bit_in_either_type(tmp_path: Path, precision: str) -> None:
    spec = TrainSpec(method=Lora(rank=4), precision=precision, steps=4, batch_tokens=80, checkpoint_every=2)  # type: ignore[arg-type]
    some = examples([15, 20, 25] * 3, kl=True)

    def stop(progress: object) -> None:
        if (tmp_path / "killed" / "checkpoint.pt").exists():
            raise KeyboardInterrupt

    whole = loop.fit(TinyModel(), some, spec, tmp_path / "whole", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(TinyModel(), some, spec, tmp_path / "killed", stop)
    resumed = loop.fit(TinyModel(), some, spec, tmp_path / "killed", lambda _: None)
    assert (resumed.adapter / ADAPTER_FILE).read_bytes() == (whole.adapter / ADAPTER_FILE).read_bytes()


def test_half_precision_weights_stay_as_they_are_and_adapters_are_learned_in_float32() -> None:
    """As near to float32 as PEFT's own layers on the same weights; no copy of the base's weights is made."""
    precise = trained_a_little(torch.bfloat16)
    precise.llm.float()
    expected_ce, _, expected = gradients(precise)
    peft_ce, _, of_peft = gradients(trained_a_little(torch.bfloat16))
    fast = trained_a_little(torch.bfloat16)
    assert install(fast.llm, torch.float32) == 14
    layer: Any = next(m for m in fast.llm.modules() if isinstance(m, Linear))
    assert layer.forward.converted[0].data_ptr() == layer.base_layer.weight.data_ptr()
    ce, _, found = gradients(fast)
    assert found.dtype == torch.float32
    assert abs(ce - expected_ce) < 2 * abs(peft_ce - expected_ce) + 0.01 * expected_ce
    assert float((found - expected).norm()) < 1.5 * float((of_peft - expected).norm())


def test_lean_layers_are_transformers_own_in_losses_and_gradients_and_come_off() -> None:
    expected_ce, expected_kl, expected = gradients(trained_a_little())
    thin = trained_a_little()
    lean.install(thin.llm)
    ce, kl, found = gradients(thin)
    assert (ce, kl) == pytest.approx((expected_ce, expected_kl), rel=1e-5)
    assert float((found - expected).norm() / expected.norm()) < 1e-5
    lean.remove(thin.llm)
    assert not any("forward" in module.__dict__ for module in thin.llm.modules())
