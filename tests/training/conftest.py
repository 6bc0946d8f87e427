"""What tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from endotwin.segmentation import network


@pytest.fixture(scope="module")
def small_segmenters() -> Iterator[None]:
    """Give segmenters few channels: all around them stays as it is, and training takes less long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "FEATURES", (2, 4, 4, 4, 4, 2))
        yield


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trials draw no figures; those of a fixture of the module are drawn before."""
    for name in ("plot_scores", "plot_curve", "plot_validation"):
        monkeypatch.setattr(f"training.trial.run.{name}", lambda *_: None)
