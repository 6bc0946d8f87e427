from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from endotwin.cli.interruption import noted_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Begin with Python's usual handlers, and put back those there were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_a_signal_nothing_happens() -> None:
    with noted_signals() as stop_if_asked:
        stop_if_asked()


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_stops_at_the_next_safe_place(number: signal.Signals, error: type[BaseException]) -> None:
    with noted_signals() as stop_if_asked:
        signal.raise_signal(number)  # raises nothing here
        with pytest.raises(error):
            stop_if_asked()


def test_a_second_signal_stops_at_once() -> None:
    with noted_signals():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with noted_signals() as stop_if_asked:
        signal.raise_signal(signal.SIGINT)
        stop_if_asked()


def test_handlers_are_put_back() -> None:
    with noted_signals():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
