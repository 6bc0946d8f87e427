"""A made-up evaluation that several tests look at."""

from __future__ import annotations

import pytest
from made_up_evaluation import MadeUp, evaluate_made_up


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    return evaluate_made_up(tmp_path_factory)
