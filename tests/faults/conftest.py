"""One stand for all faults of a test process: each test leaves it whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stand import Stand, eventually, standing


@pytest.fixture(scope="session")
def whole_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("faults")) as stand:
        yield stand


@pytest.fixture
def stand(whole_stand: Stand) -> Stand:
    """The stand, with all of its processes up and a relay that leads."""
    eventually(lambda: whole_stand.leader() is not None and len(whole_stand.workers()) == 2)
    return whole_stand
