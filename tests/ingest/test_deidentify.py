"""One data set: what the profile removes, shifts, cleans and keeps, by hand."""

from __future__ import annotations

import importlib
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import DicomDictionary, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from covidx.errors import InvalidInputError
from covidx.ingest import DEFAULT_RETAIN, Identities, Retain, options_of
from covidx.ingest.deid.confidentiality import action_on, basic_action
from covidx.ingest.deid.dataset import deidentify_dataset, identity_words

from .conftest import chest_values, plane, save
from .leaks import leaks

ORIGINAL = "MRN-4711"


def read(tmp_path: Path, **changes: object) -> FileDataset:
    return dcmread(save(plane(0, **changes), tmp_path / "slice", chest_values(1)[0]))


def treated(
    ds: FileDataset, retain: frozenset[Retain] = DEFAULT_RETAIN
) -> tuple[FileDataset, Identities]:
    """De-identified, written and read back."""
    ids = Identities.keyed()
    deidentify_dataset(ds, ids, retain)
    stream = BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream), ids


def tag(keyword: str) -> int:
    found = tag_for_keyword(keyword)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("keyword", "vr", "basic", "with_options"),
    [  # by hand from PS3.15 table E.1-1
        ("PatientName", "PN", "empty", "empty"),
        ("PatientBirthDate", "DA", "empty", "empty"),
        ("PatientSex", "CS", "empty", "keep"),
        ("PatientAge", "AS", "remove", "keep"),
        ("StudyDate", "DA", "empty", "shift"),
        ("AcquisitionDateTime", "DT", "dummy", "shift"),
        ("StudyDescription", "LO", "remove", "clean"),
        ("PatientComments", "LT", "remove", "remove"),
        ("InstitutionName", "LO", "dummy", "dummy"),
        ("StationName", "SH", "dummy", "keep"),
        ("DeviceSerialNumber", "LO", "dummy", "keep"),
        ("SOPInstanceUID", "UI", "uid", "uid"),
        ("SourceImageSequence", "SQ", "keep", "keep"),
        ("OtherPatientIDsSequence", "SQ", "remove", "remove"),
        ("DateOfLastCalibration", "DA", "remove", "remove"),
        ("TimezoneOffsetFromUTC", "SH", "remove", "remove"),
        # not in the table
        ("Rows", "US", "keep", "keep"),
        ("PixelSpacing", "DS", "keep", "keep"),
        ("ConvolutionKernel", "SH", "keep", "keep"),
        ("PositionReferenceIndicator", "LO", "dummy", "dummy"),
        ("ICCProfile", "OB", "remove", "remove"),
    ],
)
def test_actions(keyword: str, vr: str, basic: str, with_options: str) -> None:
    assert action_on(tag(keyword), vr, frozenset()) == basic
    assert action_on(tag(keyword), vr, DEFAULT_RETAIN) == with_options


def test_the_table_is_that_of_its_source() -> None:
    name = "dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c"
    pytest.importorskip("dicomanonymizer")
    source = importlib.import_module(name)
    expected = {"D_TAGS": "dummy", "Z_TAGS": "empty", "X_TAGS": "remove", "U_TAGS": "uid"}
    seen = 0
    for table, action in expected.items():
        for place in getattr(source, table):
            if len(place) == 2 and place[0] != 0xFFFC:
                code = place[0] << 16 | place[1]
                vr = "UI" if action == "uid" else "LO"
                assert basic_action(code, vr) == action, keyword_for_tag(code)
                seen += 1
    assert seen > 550


def test_options_are_named_or_refused() -> None:
    assert options_of("dates, device") == {"dates", "device"}
    assert options_of("none") == frozenset()
    with pytest.raises(InvalidInputError) as caught:
        options_of("dates,faces")
    assert caught.value.code == "OPTION_UNKNOWN"


def test_what_is_said_about_it(key: Path, tmp_path: Path) -> None:
    ds, ids = treated(read(tmp_path))
    assert ds.PatientID == ds.PatientName == ids.patient(ORIGINAL)
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113105", "113109", "113108", "113111"]
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == ids.uid("1.2.3.1.2.1")
    assert ds.preamble == bytes(128)
    bare, _ = treated(read(tmp_path), frozenset())
    assert [item.CodeValue for item in bare.DeidentificationMethodCodeSequence] == ["113100"]
    assert bare.LongitudinalTemporalInformationModified == "REMOVED"
    assert (bare.StudyDate, bare.PatientSex, "PatientAge" in bare) == ("", "", False)


def test_dates_move_together_and_times_stay(key: Path, tmp_path: Path) -> None:
    ds, ids = treated(
        read(
            tmp_path,
            StudyDate="20200301",
            AcquisitionDateTime="20200311081530.25+0100",
            StudyTime="081500.5",
            PatientBirthDate="19500401",
            DateOfLastCalibration="20200101",
            SeriesDate="2020",
        )
    )
    assert date.fromisoformat(ds.StudyDate).isoformat() == ids.date("2020-03-01", ORIGINAL)
    moved = ds.AcquisitionDateTime
    apart = date.fromisoformat(moved[:8]) - date.fromisoformat(ds.StudyDate)
    assert (apart.days, moved[8:]) == (10, "081530.25")
    assert ds.StudyTime == "081500.5"
    assert ds.PatientBirthDate == ""
    assert "DateOfLastCalibration" not in ds
    assert ds.SeriesDate == "19000101"  # X/D: malformed, and so a dummy


def test_ages_above_89_are_one(key: Path, tmp_path: Path) -> None:
    assert treated(read(tmp_path, PatientAge="089Y"))[0].PatientAge == "089Y"
    assert treated(read(tmp_path, PatientAge="104Y"))[0].PatientAge == "090Y"


def test_descriptors_keep_what_names_nobody(key: Path, tmp_path: Path) -> None:
    changes = {"StudyDescription": "CT Thorax^Doe (Mercy)", "SeriesDescription": "Lung 1.5mm B70f"}
    ds, _ = treated(read(tmp_path, **changes, ProtocolName="Roe"))
    assert ds.StudyDescription == "CT Thorax"
    assert ds.SeriesDescription == "Lung 1.5mm B70f"
    assert ds.ProtocolName == "REMOVED"  # X/D


def test_a_patient_called_chest(key: Path, tmp_path: Path) -> None:
    changes = {"PatientName": "Chest^Ax", "InstitutionName": "Chest Clinic"}
    ds, _ = treated(read(tmp_path, **changes, StudyDescription="CHEST AX lung"))
    assert ds.StudyDescription == "AX lung"  # two letters are no name
    assert ds.Modality == "CT"


def test_a_name_in_a_kept_attribute_goes_with_it(key: Path, tmp_path: Path) -> None:
    changes = {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Zoë"}
    changes["Manufacturer"] = "Mueller GmbH"
    ds, _ = treated(read(tmp_path, **changes, BodyPartExamined="ZOE", ConvolutionKernel="B30f"))
    assert ds.Manufacturer == ds.BodyPartExamined == "REMOVED"
    assert ds.ConvolutionKernel == "B30f"


def test_uids_agree_and_those_of_the_standard_stay(key: Path, tmp_path: Path) -> None:
    referenced = Dataset()
    referenced.ReferencedSOPClassUID = plane(0).SOPClassUID
    referenced.ReferencedSOPInstanceUID = "1.2.3.1.2.2"
    ds, ids = treated(read(tmp_path, SourceImageSequence=Sequence([referenced])))
    [item] = ds.SourceImageSequence
    assert item.ReferencedSOPClassUID == plane(0).SOPClassUID == ds.SOPClassUID
    assert item.ReferencedSOPInstanceUID == ids.uid("1.2.3.1.2.2")


def test_codes_of_a_hospital_go(key: Path, tmp_path: Path) -> None:
    region, own = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "51185008", "SCT", "Chest"
    own.CodeValue, own.CodingSchemeDesignator, own.CodeMeaning = "D1", "99MERCY", "Ward 3"
    ds, _ = treated(
        read(
            tmp_path,
            AnatomicRegionSequence=Sequence([region]),
            ProcedureCodeSequence=Sequence([own]),
        )
    )
    assert ds.AnatomicRegionSequence[0].CodeMeaning == "Chest"
    assert "ProcedureCodeSequence" not in ds


def test_private_numbers_of_the_list_stay(key: Path, tmp_path: Path) -> None:
    ds = read(tmp_path)
    block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "800")
    block.add_new(0x0F, "SH", "Doe")
    ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"Doe ")
    kept, _ = treated(ds)
    assert kept.private_block(0x0019, "SIEMENS MR HEADER")[0x0C].value == 800
    assert len([element for element in kept if element.tag.is_private]) == 2
    assert not [e for e in treated(ds, DEFAULT_RETAIN - {"private"})[0] if e.tag.is_private]


def test_pixels_stay_and_what_is_behind_them_does_not(key: Path, tmp_path: Path) -> None:
    ds = read(tmp_path)
    ds.PixelData += b"Doe^Jane"
    kept, _ = treated(ds)
    np.testing.assert_array_equal(kept.pixel_array, chest_values(1)[0])
    assert not leaks(kept.PixelData, ["Doe"])


SECRETS = ("Zwiebelfisch", "Rosamunde", "4711-0815-42", "Waldkrankenhaus")
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
DEVICES = ("DeviceUID", "ManufacturerDeviceClassUID")  # kept with the device
DEEP = ("AnatomicRegionSequence", "RequestAttributesSequence")
"""One that is kept and one that is cleaned, with all that the dictionary has in them."""
STRUCTURE = (0x0028, 0x7FE0, 0x0002, 0x0000)
"""Groups that say how to read the pixels, or are no part of a data set."""


USED = set(plane(0).dir())


def planted(item: Dataset, deep: bool = True) -> None:
    """Put a name into every attribute of the dictionary that can hold one."""
    for code, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = code >> 16
        if group in STRUCTURE or keyword in USED or not keyword or code in item:
            continue
        if vr in TEXT_VRS:
            value: object = SECRETS[code % 2]
        elif vr in ("OB", "OW", "OF", "OD", "OL", "OV", "UN", "OB or OW"):
            value = f"{SECRETS[code % 2]:<16}".encode()
        elif vr == "UI" and keyword not in DEVICES:
            value = "1.2.276.4711.0815.42"
        elif vr == "SQ":
            nested = Dataset()
            nested.PatientName = nested.CodeMeaning = nested.SeriesDescription = SECRETS[0]
            if deep and keyword in DEEP:
                planted(nested, deep=False)
            value = Sequence([nested])
        elif vr in ("DS", "IS", "DA", "DT", "TM", "AS"):
            value = SECRETS[0].encode()
        else:
            continue
        vr = "OW" if vr == "OB or OW" else vr
        if isinstance(value, bytes) and vr[0] != "O" and vr != "UN":
            item[code] = RawDataElement(Tag(code), vr, len(value), value, 0, False, True)
        else:
            item.add(DataElement(code, vr, value, validation_mode=0))
    block = item.private_block(0x0033, SECRETS[3], create=True)
    block.add_new(1, "LO", SECRETS[0])
    block.add_new(2, "UN", SECRETS[1].encode("utf-16-le"))


@pytest.mark.parametrize("retain", [DEFAULT_RETAIN, frozenset()])
def test_a_name_in_every_attribute(key: Path, tmp_path: Path, retain: frozenset[Retain]) -> None:
    ds = read(tmp_path, PatientName="Zwiebelfisch^Rosamunde", PatientID="4711-0815-42")
    ds.InstitutionName = "Waldkrankenhaus"
    planted(ds)
    ds.add_new(0x60003000, "OW", b"Zwiebelfisch")
    ds.add_new(0x60004000, "LT", "Zwiebelfisch")
    ds.file_meta.SourceApplicationEntityTitle = "ROSAMUNDE"
    ds.preamble = b"Rosamunde".ljust(128)
    before = BytesIO()
    kept, _ = treated(ds, retain)
    kept.save_as(before)
    assert not leaks(before.getvalue(), [*SECRETS, "1.2.276.4711"])
    assert {"Rows", "ImagePositionPatient", "PixelSpacing"} <= set(kept.dir())


def test_identity_words_come_from_any_depth(tmp_path: Path) -> None:
    request = Dataset()
    request.RequestingPhysician = "Roe^Richard"
    ds = read(tmp_path, RequestAttributesSequence=Sequence([request]))
    assert {"doe", "jane", "roe", "richard", "mrn4711", "4711", "mercy"} <= identity_words(ds)
    assert "hospital" not in identity_words(ds)


def test_a_name_among_numbers_is_found_before_it_is_written(key: Path, tmp_path: Path) -> None:
    ds = read(tmp_path, PatientName="Zwiebelfisch")
    ds.add_new("TableOfXBreakPoints", "UL", list(np.frombuffer(b"Zwiebelfisch", np.uint32)))
    with pytest.raises(InvalidInputError) as caught:
        treated(ds)
    assert caught.value.code == "IDENTITY_LEFT"
    assert "wiebel" not in str(caught.value)
