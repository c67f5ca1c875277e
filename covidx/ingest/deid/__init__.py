"""Copies of DICOM without identity (PS3.15 annex E)."""
