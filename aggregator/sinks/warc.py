"""Raw responses as a WARC file (ISO 28500:2017, WARC 1.1), for archivists; the only user of warcio."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import BinaryIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from aggregator import __version__
from aggregator.models.records import Article, RawResponse

logger = logging.getLogger(__name__)

_BODY_HEADERS = frozenset({"content-encoding", "transfer-encoding", "content-length"})  # true of the wire, not of ours


def write_warc(
    found: Iterable[tuple[Article, Sequence[RawResponse]]], read: Callable[[str], bytes | None], stream: BinaryIO
) -> int:
    """Write a `response` record for each page of an article that is kept; return how many.

    Bodies are stored inflated, so headers that spoke of the transfer are left out.
    """
    writer = WARCWriter(stream, gzip=True, warc_version="WARC/1.1")
    software = {"software": f"aggregator/{__version__}", "format": "WARC File Format 1.1"}
    writer.write_record(writer.create_warcinfo_record("aggregator.warc.gz", software))
    count = 0
    for article, responses in found:
        kept = [(raw, body) for raw in responses if (body := read(raw.content_hash)) is not None]
        if not kept:
            logger.info("no raw page", extra={"article": article.id, "url": article.url})
        for raw, body in kept:
            headers = [(name, value) for name, value in raw.headers.items() if name not in _BODY_HEADERS]
            headers.append(("content-length", str(len(body))))
            writer.write_record(
                writer.create_warc_record(
                    raw.final_url,
                    "response",
                    payload=BytesIO(body),
                    length=len(body),
                    http_headers=StatusAndHeaders(f"{raw.status} OK", headers, protocol="HTTP/1.1"),
                    warc_headers_dict={"WARC-Date": raw.fetched_at.strftime("%Y-%m-%dT%H:%M:%SZ")},
                )
            )
        count += len(kept)
    return count
