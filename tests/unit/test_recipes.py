"""Every recipe file is valid, none is forgotten, and the arms of the comparison differ only in what they compare."""

from pathlib import Path

import pytest

from voicekit.errors import UsageError
from voicekit.specs import PrepareSpec, Recipe, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = ["full", "lora", "smoke"]
ARMS = ["harvest", "masked_held", "pseudo_masked", "pseudo_text", "tts"]


def arm(name: str) -> Recipe:
    return read_recipe(RECIPES / "decoupling" / f"{name}.toml")


def test_every_recipe_file_is_valid_and_counted() -> None:
    found = [*RECIPES.glob("*.toml"), *(RECIPES / "decoupling").glob("*")]
    files = sorted(p.relative_to(RECIPES).with_suffix("").as_posix() for p in found)
    assert files == sorted([*SHIPPED, *(f"decoupling/{name}" for name in ARMS)])
    assert all(read_recipe(RECIPES / f"{name}.toml").name == Path(name).name for name in files)


def test_the_arms_differ_in_strategy_harvest_and_what_is_held_alone() -> None:
    compared = {"strategy", "harvest", "new_name_per_epoch"}
    plain = [arm(name).train.model_dump(exclude=compared) for name in ARMS]
    assert all(other == plain[0] for other in plain)
    assert {name: arm(name).train.strategy for name in ARMS[2:]} == {name: name for name in ARMS[2:]}
    assert [name for name in ARMS if arm(name).train.harvest.enabled] == ["harvest"]


def test_the_default_recipe_is_the_winning_arm() -> None:
    assert read_recipe(RECIPES / "lora.toml").train == Recipe().train


@pytest.mark.parametrize("text", ["[train]\nstepz = 3\n", "[train]\nsteps = 0\n", "[train.method]\nkind = 'qlora'\n", "[train\n"])
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.toml is not valid"):
        read_recipe(path)


def test_digests_of_prepare_settings_stay_what_they_were() -> None:
    """A job's id hashes them: the same command must find its finished voice after an update."""
    assert PrepareSpec().digest() == "022254a56fdd9325a61c3f7207e83508e8440c5164449a14bffbbf6ddc8efcda"
    assert PrepareSpec(transcriber="embedded").digest() == "4a44843ec61dcc462fddd1b86fff07f2d07eee0cc9b351eefd70104a12c38d56"
