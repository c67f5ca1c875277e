"""A data card as Croissant 1.1 (mlcommons.org/croissant), JSON-LD that others' tools can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from covidx.cards.card import Column, DataCard, load_card
from covidx.errors import ConfigError
from covidx.files import make_folder, read_json, sha256_file, write_json

CONTEXT = Path(__file__).with_name("croissant-context.json")
"""The context of the Croissant 1.1 specification, in full; validators warn of any other."""

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]

FORMATS = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
    ".zip": "application/zip",
}
"""Of tables that are no plain CSV."""

TYPES = {
    "text": "sc:Text",
    "number": "sc:Float",
    "integer": "sc:Integer",
    "flag": "sc:Integer",  # 0, 1 or empty; sc:Boolean has no empty
    "date": "sc:Date",
    "category": "sc:Text",
}


def to_croissant(card: DataCard, root: Path | None = None) -> dict[str, Any]:
    """Write a card as a Croissant 1.1 object.

    Parameters
    ----------
    card : DataCard
        What is written.
    root : Path, optional
        Folder of the data. Tables found there are hashed, where the card does not give a hash.

    Returns
    -------
    dict
        Tables as file objects with their SHA-256 where it is known, pictures as a file set, a
        record set a table, and what the card says of origin and bias in the RAI vocabulary. A set
        that is generated, so that some table has no fixed hash, is marked as a live data set.

    References
    ----------
    https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html,
    https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html
    """
    tables = _tables(card)
    hashes = {name: _hash(card, root, name) for name in tables}
    record: dict[str, Any] = {
        "@context": read_json(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": card.title,
        "identifier": card.identifier,
        "description": card.description,
        "version": _version(card.version),
        "license": card.licence_url or card.licence,
        "usageInfo": card.licence,
        "creator": [{"@type": "sc:Person", "name": name} for name in card.creators],
        "citeAs": card.citation,
        "keywords": ["COVID-19", "radiology", card.domain, *card.classes],
        **({"url": card.url} if card.url else {}),
        **({"datePublished": card.published} if card.published else {}),
        **({} if all(hashes.values()) else {"isLiveDataset": True}),
        **_responsible(card),
        "distribution": [_file_object(name, digest) for name, digest in hashes.items()],
        "recordSet": [_record_set(name, columns) for name, columns in tables.items()],
    }
    if card.images is not None:
        record["distribution"].append(_pictures(card))
    return record


def export_croissant(card_path: Path, out_path: Path, root: Path | None = None) -> Path:
    """Read a card and write it as Croissant.

    Parameters
    ----------
    card_path : Path
        A card, or the name of one that comes with covidx.
    out_path : Path
        JSON file to write.
    root : Path, optional
        As for `to_croissant`.

    Returns
    -------
    Path
        `out_path`.

    Raises
    ------
    ConfigError
        ``CARD_DRAFT``, or if the card cannot be read.
    StoreError
        If the folder of `out_path` cannot be written to.
    """
    card = load_card(card_path)
    if card.unstated:
        raise ConfigError(
            "CARD_DRAFT",
            "The card leaves out what others need to find, judge and cite the data set.",
            path=card_path,
            actual=f"not stated: {', '.join(card.unstated)}",
            hint="Fill these fields in, and export it again.",
        )
    record = to_croissant(card, root)
    make_folder(out_path.parent)
    write_json(out_path, record)
    return out_path


def _version(version: str) -> str:
    """Three numbers, as Croissant recommends: 1 becomes 1.0.0."""
    parts = version.split(".")
    if len(parts) < 3 and all(part.isdigit() for part in parts):
        return ".".join([*parts, *["0"] * (3 - len(parts))])
    return version


def _tables(card: DataCard) -> dict[str, list[Column]]:
    """Table -> its columns, in the card's order."""
    tables: dict[str, list[Column]] = {}
    for column in card.columns:
        described = card.images or card.clinical
        name = column.table or (described.table if described else None)
        if name is not None:
            tables.setdefault(name, []).append(column)
    return tables


def _hash(card: DataCard, root: Path | None, table: str) -> str | None:
    if table in card.hashes:
        return card.hashes[table]
    if root is not None and (root / table).is_file():
        return sha256_file(root / table)
    return None


def _responsible(card: DataCard) -> dict[str, Any]:
    """What the card says of origin and bias, in the RAI vocabulary."""
    simulated = card.domain == "simulated"
    digests = "; ".join(f"{name}: {digest}" for name, digest in card.hashes.items())
    return {
        "rai:dataCollection": card.provenance,
        "rai:dataCollectionType": "Others" if simulated else "Secondary Data analysis",
        "rai:dataAnnotationProtocol": card.label_origin,
        "rai:dataBiases": card.known_biases,
        "rai:dataLimitations": card.population,
        "rai:dataUseCases": "Research on methods. Not for diagnosis or care of any patient.",
        "rai:personalSensitiveInformation": (
            "None: simulated."
            if simulated
            else "Health data of real persons, as published by the source; identify no one."
        ),
        "rai:dataReleaseMaintenancePlan": (
            f"Version {card.version}" + (f"; SHA-256 of {digests}" if digests else "")
        ),
    }


def _file_object(name: str, digest: str | None) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": FORMATS.get(Path(name).suffix, "text/csv"),
        **({"sha256": digest} if digest else {}),
    }


def _pictures(card: DataCard) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": "pictures",
        "name": "pictures",
        "description": f"The files named in {card.images.table}." if card.images else "",
        "encodingFormat": "image/png",
        "includes": "**/*.png",
    }


def _record_set(table: str, columns: list[Column]) -> dict[str, Any]:
    key = Path(table).stem
    return {
        "@type": "cr:RecordSet",
        "@id": key,
        "name": key,
        "description": f"Rows of {table}.",
        "field": [_field(table, key, column) for column in columns],
    }


def _field(table: str, key: str, column: Column) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{key}/{column.name.replace(' ', '_')}",  # validators refuse spaces
        "name": column.name,
        "description": _meaning(column),
        "dataType": TYPES[column.type],
        "source": {"fileObject": {"@id": table}, "extract": {"column": column.name}},
    }


def _meaning(column: Column) -> str:
    """Meaning with unit, range and timing, since Croissant has no words for them."""
    parts = [column.meaning]
    if column.unit is not None:
        parts.append(f"unit {column.unit}")
    if column.source_unit is not None:
        parts.append(f"given in {column.source_unit}")
    if column.codes is not None:
        parts.append("coded " + ", ".join(f"{k} as {v}" for k, v in column.codes.items()))
    if column.low is not None or column.high is not None:
        parts.append(f"range {column.low} to {column.high}")
    if column.timing is not None:
        parts.append(f"measured: {column.timing}")
    return "; ".join(parts)
