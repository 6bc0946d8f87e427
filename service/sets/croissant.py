"""croissant.json: the set in the vocabulary of MLCommons Croissant 1.0, for tools and search engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from service.archives import FORMATS
from service.sets.manifest import ShardEntry
from service.sets.spec import SetSpec
from training.card import Card

_METHOD = (
    "Dussy Lachaud, Caunes, Thuret and Gavet, Digital twins of human corneal endothelium from generative "
    "adversarial networks, QCAV 2021"
)

# What the specification prescribes word for word.
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
    """Return the file. Addresses are relative: the file describes the set wherever it is copied to.

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
    images = {
        "@type": "cr:FileSet",
        "@id": "images",
        "name": "images",
        "description": "one 8-bit grey PNG file of 128 x 128 pixels per image",
        "containedIn": [{"@id": entry.key} for entry in shards],
        "encodingFormat": "image/png",
        "includes": "*.png",
    }
    fields = [
        _field("name", "sc:Text", "seed and index, such as 7-00000042", {"fileProperty": "filename"}),
        _field("image", "sc:ImageObject", "the image", {"fileProperty": "content"}),
    ]
    records = {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "one record per image",
        "field": fields,
    }
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
        "distribution": [*files, images],
        "recordSet": [records],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _field(name: str, kind: str, description: str, extract: dict[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"samples/{name}",
        "name": f"samples/{name}",
        "description": description,
        "dataType": kind,
        "source": {"fileSet": {"@id": "images"}, "extract": extract},
    }
