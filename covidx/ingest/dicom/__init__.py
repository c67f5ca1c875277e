"""DICOM headers and pixels to a volume whose geometry and units are proven, or a refusal."""
