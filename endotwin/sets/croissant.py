"""croissant.json: the set as MLCommons Croissant 1.0 describes data sets, for tools and search engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from endotwin.generator.card import Card
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import LABELS
from endotwin.sets.manifest import ShardEntry
from endotwin.sets.spec import SetSpec

_METHOD = (
    "Dussy Lachaud, Caunes, Thuret and Gavet, Digital twins of human corneal endothelium from generative "
    "adversarial networks, QCAV 2021"
)

# Prescribed by the specification.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(spec: SetSpec, card: Card, shards: Sequence[ShardEntry], description: str) -> bytes:
    """Return the file. Its addresses are relative, so it holds for copies of the set, too.

    Args:
        spec: the set.
        card: of its checkpoint.
        shards: all shards in order.
        description: of the set, one paragraph.
    """
    media_type = FORMATS[spec.format].media_type
    files = [
        {
            "@type": "cr:FileObject",
            "@id": entry.key,
            "name": entry.key.rsplit("/", 1)[-1],
            "contentUrl": entry.key,
            "contentSize": f"{entry.bytes} B",
            "encodingFormat": media_type,
            "sha256": entry.sha256,
        }
        for entry in shards
    ]
    size = spec.labelling.size.words
    # The pattern must not match labels, such as 7-00000042.borders.png.
    pattern = "*[0-9].png" if spec.labelling.image_labels else "*.png"
    images = _file_set("images", f"one 8-bit grey PNG file of {size} pixels per image", pattern, shards)
    labels = [
        _file_set(
            label,
            f"one grey PNG file of {size} pixels per image: {LABELS[label]}",
            f"*.{label}.png",
            shards,
        )
        for label in spec.labelling.image_labels
    ]
    # A record set for each: readers do not join more than two sets of files in one record.
    records = [
        _record_set("samples", "images", "one record per image", "image", "the image"),
        *(
            _record_set(f"{label}-labels", label, f"the label {label} of each image", label, LABELS[label])
            for label in spec.labelling.image_labels
        ),
    ]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": spec.name,
        "description": description,
        "url": f"urn:sha256:{spec.digest}",
        "license": card.data.terms,
        "version": "1.0.0",
        "datePublished": card.created,
        "creator": {"@type": "sc:Organization", "name": "Endotwin"},
        "citeAs": "; ".join(filter(None, [_METHOD, *(source.citation for source in card.data.sources)])),
        "distribution": [*files, images, *labels],
        "recordSet": records,
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _file_set(name: str, description: str, includes: str, shards: Sequence[ShardEntry]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "containedIn": [{"@id": entry.key} for entry in shards],
        "encodingFormat": "image/png",
        "includes": includes,
    }


def _record_set(name: str, files: str, description: str, field: str, meaning: str) -> dict[str, Any]:
    """Return a set of records, each of one file's name and its pixels."""

    def describe(field: str, kind: str, description: str, extract: str) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"{name}/{field}",
            "name": f"{name}/{field}",
            "description": description,
            "dataType": kind,
            "source": {"fileSet": {"@id": files}, "extract": {"fileProperty": extract}},
        }

    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            describe("name", "sc:Text", "seed and index, such as 7-00000042", "filename"),
            describe(field, "sc:ImageObject", meaning, "content"),
        ],
    }
