"""The notebook is executed as a reader would, from its own folder."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "colabs" / "demo.ipynb"


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """The notebook after a run whose temporary files lie in the test's folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # an install would be a fault of the environment
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=500,
        kernel_name="python3",
        resources={"metadata": {"path": NOTEBOOK.parent}},
    )
    return client.execute()


def outputs_of(cell: nbformat.NotebookNode) -> tuple[str, set[str]]:
    """What a cell printed, and the MIME types of what it showed."""
    text = "".join(item.text for item in cell.outputs if item.output_type == "stream")
    kinds = {kind for item in cell.outputs for kind in item.get("data", {})}
    return text, kinds


def test_the_notebook_runs_from_the_first_cell_to_the_last(executed: nbformat.NotebookNode):
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    printed = [outputs_of(cell)[0] for cell in code]
    pictures = sum("image/png" in outputs_of(cell)[1] for cell in code)
    assert pictures == 3
    assert "space group 136 (P42/mnm)" in printed[2]
    assert any("prior" in text for text in printed)
    small, trained = (printed[-2].splitlines()[-6:], printed[-1].splitlines())
    assert (trained[0], trained[7]) == ("bravais", "space_group")
    for header, *ranks in (small, trained[1:7], trained[8:]):
        assert header.split() == ["rank", "class", "probability"]
        assert [row.split()[0] for row in ranks] == ["1", "2", "3", "4", "5"]
        assert sum(float(row.split()[-1].rstrip("%")) for row in ranks) <= 100.5
    assert [rows[2].split()[1] for rows in (trained, trained[7:])] == ["tP", "136"]


def test_the_notebook_is_kept_without_outputs():
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
