"""The words in which streams are refused."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from endotwin.settings import Settings
from service.access.caller import Caller
from service.admission import Admission
from service.errors import ApiError


@pytest.mark.parametrize(
    ("most", "of_caller", "words"),
    [
        (1, 9, "the only stream of this service is in use; "),
        (2, 9, "all 2 streams of this service are in use; "),
        (9, 1, "1 stream of yours is open, "),
        (9, 2, "2 streams of yours are open, "),
    ],
)
def test_one_and_several(most: int, of_caller: int, words: str) -> None:
    admission = Admission(Settings(max_streams=most, max_streams_per_caller=of_caller, small_streams=0))
    caller = Caller("192.0.2.1")
    with ExitStack() as held:
        for _ in range(min(most, of_caller)):
            held.enter_context(admission.place(caller, 1))
        with pytest.raises(ApiError) as refused, admission.place(caller, 1):
            pass
    assert str(refused.value).startswith(words)
