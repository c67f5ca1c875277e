"""Which file each pseudonymous place in a file of predictions is: kept beside the key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from covidx.inference.prediction import Prediction
from covidx.ingest.identity import Identities
from covidx.ingest.linkage import write_linkage


@dataclass
class Links:
    """The originals of predictions that are written under pseudonyms.

    Parameters
    ----------
    identities : Identities
        Of the inputs; public ones need no linkage.
    out : Path, optional
        The file or folder of the predictions; None where they are only shown.
    rows : dict
        (image, place) -> path of the file or folder in full.
    """

    identities: Identities
    out: Path | None
    rows: dict[tuple[str | None, str], str] = field(default_factory=dict, repr=False)

    def noting(self, found: Iterator[Prediction]) -> Iterator[Prediction]:
        """The predictions as they come, while their files are noted.

        Parameters
        ----------
        found : iterator of Prediction
            Of one call.
        """
        for one in found:
            if one.source.path and self.out is not None and self.identities.key is not None:
                key = (one.source.image_id, one.source.place)
                self.rows[key] = str(Path(one.source.path).absolute())
            yield one

    def write(self) -> None:
        """Write the linkage of the predictions, where there is something to link.

        Raises
        ------
        StoreError
            ``UNWRITABLE``.
        """
        if self.rows and self.out is not None:
            rows: list[dict[str, object]] = [
                {"image_id": image, "path": place, "source_path": path}
                for (image, place), path in self.rows.items()
            ]
            write_linkage(rows, self.out, self.identities)
