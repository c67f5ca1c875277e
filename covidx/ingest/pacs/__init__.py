"""Studies from a PACS by DICOMweb."""
