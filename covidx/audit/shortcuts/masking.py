"""Whether the figures are valid: lungs that were not found, images that the model learned from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from scipy.stats import fisher_exact

from covidx.audit.finding import Finding
from covidx.audit.run.provenance import SEEN
from covidx.audit.shortcuts.scoring import Scored
from covidx.cohort import Splits
from covidx.evaluate.significance import PValue
from covidx.inference import ImageBundle
from covidx.tables import MANIFEST, SPLITS, read_table, table_digest
from covidx.wording import counted

ALPHA = 0.05


def masking_finding(scored: Scored, positive: str, masker: str | None) -> Finding:
    """Does it depend on the class whether the lungs are found?

    Parameters
    ----------
    scored : Scored
        Every image under every condition.
    positive : str
        The positive class.
    masker : str or None
        What finds the lungs, in words; None where nothing does.
    """
    name, title = "lungs_found", "Finding the lungs"
    rows = scored.rows
    lost = (rows["prepared"] != "") | (rows["masked"] != "")
    counts = pd.crosstab(rows["label"], lost).reindex(columns=[False, True], fill_value=0)
    codes = sorted({*rows["prepared"], *rows["masked"]} - {""})
    evidence = [
        {"class": label, "images": int(found + failed), "lungs not found": int(failed)}
        for label, found, failed in counts.itertuples()
    ]
    of_patients = lost.groupby(rows["group_id"]).any()
    truth = rows["truth"].groupby(rows["group_id"]).any()
    table = pd.crosstab(truth, of_patients).reindex(columns=[False, True], fill_value=0)
    p = float(fisher_exact(table.to_numpy()).pvalue)
    differs = p < ALPHA
    counted = ", ".join(f"{e['lungs not found']} of {e['images']} {e['class']}" for e in evidence)
    why = f" ({', '.join(codes)})" if codes else ""
    found = f"Not found in {counted}{why}."
    if masker is None:
        return Finding(name, title, "not looked at", "", "Nothing finds the lungs here.", "")
    return Finding(
        name,
        title,
        "note" if differs else "pass",
        f"images whose lungs the masker ({masker}) does not find, by class: they are left out, and "
        "masks of one class alone would be a shortcut themselves",
        found,
        f"Fisher's exact test, {positive} against the rest, by group: p = {p:.2g}.",
        "The figures without lungs are of the patients whose lungs were found. Look at the others, "
        "and use a masker that finds theirs."
        if differs
        else "",
        evidence,
        test=PValue(p, int(table.to_numpy().sum()), "Fisher's exact test"),
    )


def unseen_finding(
    folder: Path,
    bundle: ImageBundle,
    manifest: pd.DataFrame,
    rows: pd.DataFrame,
    splits: Path | None,
) -> Finding:
    """Did the model learn from these images?

    By the run around the bundle, where there is one; else by whether manifest and splits are those
    that the bundle names.

    Parameters
    ----------
    folder : Path
        Of the bundle.
    bundle : Bundle
        Names what it was trained on.
    manifest : DataFrame
        All images.
    rows : DataFrame
        Those that are audited.
    splits : Path or None
        Roles of the images.
    """
    name, title = "patients_unseen", "Patients that the model was not trained on"
    looked = "whether the model was trained or its threshold chosen on these images"
    trained = bundle.trained_on
    learned = _learned_from(folder, trained.manifest_sha256)
    if learned is not None:
        n = int(rows["sha256"].isin(learned).sum())
        sure = "Certain: by SHA-256 of the images of the run beside the bundle."
    elif _digest(manifest) == trained.manifest_sha256:
        own = splits is not None and (
            Splits(read_table(splits, SPLITS), 0).sha256 == trained.split_sha256
        )
        n = 0 if own else len(rows)
        sure = "The manifest is the one that the bundle names."
    else:
        why = "The run of the bundle is not beside it, and this is not the manifest it names."
        return Finding(name, title, "not looked at", looked, why, "")
    return Finding(
        name,
        title,
        "note" if n else "pass",
        looked,
        f"{n or 'None'} of {counted(len(rows), 'image')}.",
        sure,
        "Name the run's splits (--splits), so that test patients alone count: scores of patients "
        "that were trained on are uninformative, with or without lungs."
        if n
        else "",
    )


def _learned_from(folder: Path, digest: str | None) -> set[str] | None:
    """SHA-256 of the images that trained or validated, where the run lies around the bundle."""
    for run in list(folder.resolve().parents)[:2]:  # bundle, or bundle/image of a fusion
        if not ((run / "manifest.parquet").is_file() and (run / "splits.parquet").is_file()):
            continue
        manifest = read_table(run / "manifest.parquet", MANIFEST)
        if _digest(manifest) != digest:
            continue
        roles = Splits(read_table(run / "splits.parquet", SPLITS), 0).assign(manifest, fold=0)
        return set(roles.loc[roles["role"] != "test", "sha256"])
    return None


def _digest(manifest: pd.DataFrame) -> str:
    """As a bundle has it: of what its training took from the manifest."""
    return table_digest(manifest[SEEN])
