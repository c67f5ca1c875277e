"""Files to `Volume` or a refusal with a reason: DICOM, NIfTI, PNG and JPEG."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.ingest.account import IngestResult
    from covidx.ingest.deid.confidentiality import DEFAULT_RETAIN, Retain, options_of
    from covidx.ingest.deid.copies import Copies, deidentify
    from covidx.ingest.exchange import from_highdicom, from_metatensor, to_highdicom, to_metatensor
    from covidx.ingest.find.scan import need_files
    from covidx.ingest.identity import Identities
    from covidx.ingest.linkage import read_linkage
    from covidx.ingest.nifti import from_nibabel, to_nibabel
    from covidx.ingest.reader import ImageReader, read_images, read_series
    from covidx.ingest.receipt import Receipt
    from covidx.ingest.records import ReadImage
    from covidx.ingest.rules import Rules
    from covidx.ingest.store import ingest, load_image
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)
