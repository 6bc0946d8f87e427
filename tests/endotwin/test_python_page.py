"""docs/python.md: every example runs, through a proxy that cuts every third stream."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cutting_proxy import running_cutting_proxy
from documentation import python_blocks, run_block
from live_server import LiveServer
from tiny_checkpoints import TINY_LABELLED, make_card, save_tiny

import endotwin

PAGE = "python.md"
ADDRESS = "http://127.0.0.1:3000"


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
def test_every_example_runs(server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for that of jobs, which is run where there is storage to write to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "ENDOTWIN_CHECKPOINT_DIR", str(tmp_path)
    )  # tiny ones of the names of those that ship
    save_tiny(tmp_path, make_card("compact"))
    save_tiny(tmp_path, make_card("labelled", architecture=TINY_LABELLED))
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")  # else it asks the network for its newest version
    blocks = [block for block in python_blocks(PAGE) if "start_job" not in block]
    assert len(blocks) >= 8
    names: dict[str, Any] = {"__name__": "example"}
    with running_cutting_proxy(server.port) as proxy:
        for block in blocks:
            run_block(block.replace(ADDRESS, f"http://127.0.0.1:{proxy.port}"), PAGE, names)
        assert proxy.streams >= 5
    assert (tmp_path / "images.tar").is_file()


def test_the_page_names_everything() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / PAGE).read_text()
    described = set(endotwin.__all__) - {"Sample"}  # by what it has
    assert {name for name in described if not re.search(rf"`(endotwin\.)?{name}\b", page)} == set()
