"""The audit reads what pages hold: data in scripts too, and not the voxels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.audit.run.texts import texts_of
from covidx.report.viewer import write_case_page
from covidx.report.viewer.worklist import write_list
from tests.report.viewer_cases import case, heat


def test_a_case_page_is_read_with_its_data_and_without_its_voxels(tmp_path: Path) -> None:
    one = replace(
        case(),
        unit_id="unit of someone@example.org",
        heat=[replace(heat(4, "passed"), reason="as Doe^Jane says")],
        facts=[("Scanner", "in the hall")],
    )
    row = write_case_page(one, tmp_path / "cases" / "001")
    write_list([row], tmp_path)
    texts = list(texts_of(tmp_path))
    assert not [text for text in texts if text[1] in ("another format", "unreadable")]

    def places(words: str) -> set[str]:
        return {place.split(" ")[0] for place, _, text in texts if words in text}

    assert places("someone@example.org") == {"cases/001/index.html", "cases/cases.js"}
    assert places("Doe^Jane") == {"cases/001/layers.js"}
    assert places("in the hall") == {"cases/001/index.html"}
    assert max(len(text) for place, _, text in texts if "viewer.js" not in place) < 3000
