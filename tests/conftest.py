"""`--full` (make test-all) runs the long forms of tests that have a short one."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tinygrad_ce.registry import registry

settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms of the tests")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "default")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long form was asked for."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(autouse=True)
def own_ops() -> Iterator[None]:
    """Ops that a test registers go with it, so that tests of the whole registry are the same in any order."""
    before = set(registry.ops)
    yield
    for key in set(registry.ops) - before:
        if ":" in key:
            del registry.ops[key]
