"""The training benchmark compares like with like, and runs where only the training stack is installed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench.training_sides import SIZES, build, flops_a_step, make_examples, ours, settings, stock
from tests.tiny_llm import weights
from voicekit.specs import TrainSpec
from voicekit.train.batches import plan

ROOT = Path(__file__).parents[2]
ON_THE_MACHINE = {"torch", "transformers", "peft", "accelerate", "numpy", "safetensors"}
ACCELERATE_NEEDS = {"psutil"}
IF_THERE = {"flash_attn", "wandb"}
SIZE = SIZES["tiny"]


def imported_when_run(path: Path) -> set[str]:
    """Top-level packages that a file imports outside `if TYPE_CHECKING`."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(name.name.split(".")[0] for name in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text()))
    return found


def test_it_needs_the_training_stack_alone() -> None:
    script = "import sys, bench.training\nfor m in list(sys.modules.values()): print(getattr(m, '__file__', '') or '')"
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = [Path(line) for line in printed.splitlines() if Path(line).is_relative_to(ROOT / "voicekit") or "/bench/" in line]
    assert len([path for path in own if path.is_relative_to(ROOT / "voicekit" / "train")]) > 5
    needed = set[str]().union(*(imported_when_run(path) for path in own if path.is_relative_to(ROOT)))
    others = needed - set(sys.stdlib_module_names) - {"voicekit", "bench"} - IF_THERE
    assert others <= ON_THE_MACHINE | ACCELERATE_NEEDS


def test_its_recipe_is_one_that_voicekit_takes() -> None:
    given = vars(settings(SIZE, on_gpu=False))
    del given["model_dump_json"]
    read = TrainSpec.model_validate(given | {"method": vars(given["method"])})
    assert all(getattr(read, name) == value for name, value in given.items() if name != "method")


@pytest.mark.parametrize("name", sorted(SIZES))
def test_steps_hold_the_same_examples_on_every_side(name: str) -> None:
    size = SIZES[name]
    made = make_examples(size, 48)
    steps = plan(made, size.tokens, 0, size.steps)
    assert [sorted(step) for step in steps] == [[*range(i * size.rows, (i + 1) * size.rows)] for i in range(size.steps)]
    assert all(sum(len(made[i].ids) for i in step) == size.tokens for step in steps)
    assert flops_a_step(size, made) > 0


def test_all_sides_learn_the_same() -> None:
    llm = build(SIZE, torch.device("cpu"), torch.float32)
    before = weights(llm)
    examples = make_examples(SIZE, 48)
    expected = ours(llm, SIZE, examples, False, lambda _: None).losses
    assert len(expected) == SIZE.steps
    assert all(torch.equal(before[name], value) for name, value in weights(llm).items())
    for packed in (False, True):
        other = build(SIZE, torch.device("cpu"), torch.float32)
        assert stock(other, SIZE, examples, False, packed).losses == pytest.approx(expected, abs=1e-5)
