"""Of the tests of the API that change the house: the voices are made once a file, each test has a copy of its own."""

from pathlib import Path

import pytest

from tests.api_house import ApiHouse, copy_of, furnished


@pytest.fixture(scope="module")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> ApiHouse:
    return furnished(tmp_path_factory.mktemp("api"))


@pytest.fixture
def house(furniture: ApiHouse, tmp_path: Path) -> ApiHouse:
    return copy_of(furniture, tmp_path)
