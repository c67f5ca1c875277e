"""covidx: from DICOM to audited COVID-19 classifiers. Research use only."""

__version__ = "0.1.0"
__all__ = ["__version__"]
