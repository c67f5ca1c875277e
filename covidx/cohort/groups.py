"""Groups that a split never divides: one patient, one source, one cluster of near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from covidx.cohort.duplicates import Duplicate


def group_images(manifest: pd.DataFrame, duplicates: Iterable[Duplicate] = ()) -> pd.DataFrame:
    """Join the manifest's groups wherever they share a patient or hold near-duplicates.

    Parameters
    ----------
    manifest : DataFrame
        With image_id, patient_id and group_id (a source, or the patient again).
    duplicates : iterable of Duplicate
        Pairs of images that must stay together.

    Returns
    -------
    DataFrame
        The manifest with group_id replaced by the smallest group_id of each joined cluster.
    """
    n = len(manifest)
    place = {image: row for row, image in enumerate(manifest["image_id"])}
    edges = [(place[pair.image_a], place[pair.image_b]) for pair in duplicates]
    for column in ("patient_id", "group_id"):
        for rows in manifest.reset_index(drop=True).groupby(column).indices.values():
            edges += [(int(rows[0]), int(row)) for row in rows[1:]]
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    cluster = pd.Series(connected_components(graph, directed=False)[1], index=manifest.index)
    return manifest.assign(group_id=manifest["group_id"].groupby(cluster).transform("min"))
