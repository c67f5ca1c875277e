"""An example of each verb, shown below its help."""

from __future__ import annotations

_MAKER = "--mode pseudonymous --algorithm covidx --algorithm-version 0.2.0"
_MODELS = "--bundle runs/train_ct/latest/bundle --segmenter runs/train_segmentation/latest/bundle"
EXAMPLES = {
    "phantom": "covidx phantom cohort/ --patients 50",
    "ingest": "covidx ingest dicoms/ --out store/",
    "deidentify": "covidx deidentify dicoms/ --out copies/",
    "linkage": "covidx linkage store/ --of P-0123456789ab",
    "pacs find": "covidx pacs find --modality CT --since 2020-03-01 --out studies.csv",
    "pacs fetch": "covidx pacs fetch --studies studies.csv --out dicoms/",
    "pacs send": "covidx pacs send seg.dcm sr.dcm",
    "card init": "covidx card init --data dicoms/ --labels labels.csv --out card.yaml",
    "card export": "covidx card export covid-ct --out covid-ct.json",
    "train ct": "covidx train ct --data dicoms/ --labels labels.csv",
    "train cxr": "covidx train cxr --data radiographs/ --labels labels.csv --set modality=CXR",
    "train clinical": "covidx train clinical --data rows.csv --card card.yaml",
    "train fusion": "covidx train fusion --data dicoms/ --labels labels.csv --clinical rows.csv "
    "--card card.yaml",
    "train segmentation": "covidx train segmentation --data scans/ --card card.yaml",
    "train detection": "covidx train detection --data scans/ --card card.yaml",
    "train radiograph-severity": "covidx train radiograph-severity --data radiographs/ "
    "--card card.yaml",
    "runs list": "covidx runs list",
    "runs show": "covidx runs show runs/train_ct/latest",
    "runs rm": "covidx runs rm runs/train_ct/20200401T120000-1",
    "runs mlflow": "covidx runs mlflow",
    "sync": "covidx sync runs/train_ct/latest",
    "reproduce": "covidx reproduce runs/train_ct/latest",
    "bundle upgrade": "covidx bundle upgrade old/ new/",
    "models list": "covidx models list 'resnet*'",
    "models show": "covidx models show resnet50 --size 224",
    "predict": "covidx predict runs/train_ct/latest/bundle study/ --out predictions.csv",
    "report": f"covidx report study/ {_MODELS} --out pages/",
    "view": "covidx view runs/train_ct/latest",
    "explain": "covidx explain runs/train_ct/latest/bundle study/ --out maps/",
    "segment": "covidx segment ct/ --bundle runs/train_segmentation/latest/bundle --out masks/",
    "detect": "covidx detect ct/ --bundle runs/train_detection/latest/bundle --out boxes/",
    "opacity-burden": "covidx opacity-burden ct/ --opacities opacity.nii.gz --lungs lung.nii.gz",
    "export seg": "covidx export seg lung.nii.gz --segment 1=right-lung --segment 2=left-lung "
    f"--series ct/ {_MAKER} --out seg.dcm",
    "export map": f"covidx export map share.nii.gz --of opacity --series ct/ {_MAKER} "
    "--out map.dcm",
    "export heatmap": f"covidx export heatmap heat.nii.gz --of covid-19 --series ct/ {_MAKER} "
    "--out map.dcm",
    "export sr": "covidx export sr seg.dcm --measures burden.csv --out sr.dcm",
    "export nifti": "covidx export nifti mask.nii.gz --series ct/ --out scanner.nii.gz",
    "evaluate": "covidx evaluate predictions.csv --positive covid-19 --out evaluation/",
    "compare": "covidx compare ours.csv theirs.csv --out comparison/",
    "external-test": "covidx external-test runs/train_ct/latest --data dicoms/ --labels labels.csv",
    "audit data": "covidx audit data images.csv --out audit/",
    "audit run": "covidx audit run runs/train_ct/latest",
    "audit shortcuts": "covidx audit shortcuts runs/train_ct/latest/bundle "
    "runs/train_ct/latest/manifest.parquet --out audit/",
    "audit all": "covidx audit all runs/train_ct/latest",
    "info": "covidx info --json",
}
"""Verb, or group and verb -> a call; a test holds each against the options that there are."""


def epilog(verb: str) -> str | None:
    """What stands below the help of a verb; None for one without an example.

    Parameters
    ----------
    verb : str
        As in `EXAMPLES`.
    """
    return f"Example: `{EXAMPLES[verb]}`" if verb in EXAMPLES else None
