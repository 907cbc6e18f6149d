"""Writes raw responses to a WARC file (ISO 28500:2017, WARC 1.1). Only this module uses warcio."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import BinaryIO, Final
from uuid import NAMESPACE_URL, uuid5

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from aggregator import __version__
from aggregator.models.articles import Article
from aggregator.models.pages import RawResponse

logger = logging.getLogger(__name__)

# These headers describe the transfer. The stored bytes are decompressed.
_BODY_HEADERS: Final = frozenset({"content-encoding", "transfer-encoding", "content-length"})
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the first record of a file belongs to no response


class WarcFile:
    """A WARC file that is being written.

    Its ids and times come from the responses, so the same pages give the same bytes.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Write the file's first record, with `name` as its file name."""
        self._writer = WARCWriter(stream, gzip=True, warc_version="WARC/1.1")
        software = {"software": f"aggregator/{__version__}", "format": "WARC File Format 1.1"}
        record = self._writer.create_warcinfo_record(name, software)
        record.rec_headers.replace_header("WARC-Record-ID", _record_id(name))
        record.rec_headers.replace_header("WARC-Date", _warc_time(_NO_TIME))
        self._writer.write_record(record)

    def add(self, article: Article, pages: Iterable[tuple[RawResponse, bytes]]) -> int:
        """Write a `response` record for each page of the article; return how many."""
        count = 0
        for raw, body in pages:
            self._writer.write_record(_response(self._writer, raw, body))
            count += 1
        if not count:
            logger.info("no raw page", extra={"article": article.id, "url": article.url})
        return count


def _response(writer: WARCWriter, raw: RawResponse, body: bytes) -> object:
    headers = [(name, value) for name, value in raw.headers.items() if name not in _BODY_HEADERS]
    headers.append(("content-length", str(len(body))))
    return writer.create_warc_record(
        raw.final_url,
        "response",
        payload=BytesIO(body),
        length=len(body),
        http_headers=StatusAndHeaders(f"{raw.status} OK", headers, protocol="HTTP/1.1"),
        warc_headers_dict={
            "WARC-Record-ID": _record_id(f"{raw.final_url} {_warc_time(raw.fetched_at)} {raw.content_hash}"),
            "WARC-Date": _warc_time(raw.fetched_at),
        },
    )


def _record_id(name: str) -> str:
    return f"<urn:uuid:{uuid5(NAMESPACE_URL, name)}>"


def _warc_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
