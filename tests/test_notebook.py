"""docs/first-hour.ipynb runs from its first cell to its last, in a kernel of its own; it trains less."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "first-hour.ipynb"
SMALL = {"TRAINING_STEPS": 2, "TEST_IMAGES": 6}
"""Values for the names of the cell that is tagged `parameters`."""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if cell.outputs or cell.execution_count] == []


def test_it_runs(notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    for name, value in SMALL.items():
        parameters.source, changes = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value}", parameters.source)
        assert changes == 1
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):  # nothing is left in the user's folders
        monkeypatch.setenv(variable, str(tmp_path / variable))
    (folder := tmp_path / "work").mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    pictures = [
        name for name, made in outputs.items() if any("image/png" in each.get("data", {}) for each in made)
    ]
    assert pictures == ["show", "show-test", "shipped"]
    said = "".join(each["text"] for each in outputs["training"])
    assert re.fullmatch(r"(step +\d+  loss \d\.\d{3}\n){2}", said)
    assert list(folder.iterdir()) == []
