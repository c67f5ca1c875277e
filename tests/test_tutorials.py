"""Tutorials do what they say: commands, Python and notebooks are run, and outputs compared."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import Run
from tests.pages import run_page

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
TRAINING = {"radiologist.md", "developer.md"}
"""Pages that take minutes."""


def run_notebook(notebook: nbformat.NotebookNode, place: Path) -> None:
    """Run a notebook's cells in a folder."""
    where = {"metadata": {"path": str(place)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow) if page.name in TRAINING else page
        for page in sorted(TUTORIALS.glob("*.md"))
    ],
    ids=lambda page: page.name,
)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_is_kept_without_output(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs or cell.execution_count for cell in code)
    run_notebook(notebook, tmp_path)
    assert all(output.output_type != "error" for cell in code for output in cell.outputs)


def test_five_lines_from_a_study_to_a_score_a_heatmap_and_a_figure(
    trained: Run, tmp_path: Path
) -> None:
    study = sorted((trained.phantom / "dicom").iterdir())[0]
    cell = f"""\
import covidx
found = covidx.predict({str(trained.bundle)!r}, {str(study)!r})
heat, = covidx.heatmaps({str(trained.bundle)!r}, {str(study)!r})
heat.save("heat.nii.gz")
display(found, heat, heat.plot())"""
    assert len(cell.splitlines()) == 5
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    run_notebook(notebook, tmp_path)
    outputs = notebook.cells[0].outputs
    assert {one.output_type for one in outputs} == {"display_data"}, outputs  # no warning, no log
    score, shown, figure = (one.data for one in outputs)
    assert "Research use only" in score["text/html"] and "img" in shown["text/html"]
    assert "image/png" in figure and (tmp_path / "heat.nii.gz").is_file()
