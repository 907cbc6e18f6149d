import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.compression import zstd
from aggregator.http.causes import NetworkError
from aggregator.http.content_coding import inflate
from aggregator.models.fetching import Cause

LIMIT = 1 << 20
FEED = b"<?xml version='1.0'?><rss><channel>" + b"<item><title>News</title></item>" * 4000 + b"</channel></rss>"


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


CODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def cause_of(chunks: list[bytes], coding: str, limit: int = LIMIT) -> Cause:
    with pytest.raises(NetworkError) as caught:
        inflate(chunks, coding, limit)
    assert caught.value.detail
    return caught.value.cause


@pytest.mark.parametrize("coding", CODERS)
@given(body=st.binary(max_size=5000), size=st.integers(1, 5000))
def test_round_trip_in_any_pieces(coding: str, body: bytes, size: int) -> None:
    assert inflate(pieces(CODERS[coding](body), size), coding, LIMIT) == body


@given(st.binary(max_size=3000), st.lists(st.sampled_from(sorted(CODERS)), min_size=1, max_size=3), st.integers(1, 900))
def test_stacked_codings_are_undone_in_reverse(body: bytes, codings: list[str], size: int) -> None:
    packed = body
    for coding in codings:
        packed = CODERS[coding](packed)
    assert inflate(pieces(packed, size), ", ".join(codings), LIMIT) == body


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br", "x", "", "UTF-8"]))
def test_any_bytes_give_a_body_or_a_cause(body: bytes, coding: str) -> None:
    with contextlib.suppress(NetworkError):
        assert len(inflate([body], coding, 1000)) <= 1000


@pytest.mark.parametrize("coding", CODERS)
@given(data=st.data())
def test_a_cut_body_is_never_taken_for_whole(coding: str, data: st.DataObject) -> None:
    packed = CODERS[coding](FEED)
    cut = packed[: data.draw(st.integers(16, len(packed) - 1))]
    assert cause_of([cut], coding) is Cause.TRUNCATED


def test_raw_deflate_is_understood_even_byte_by_byte() -> None:
    assert inflate(pieces(raw_deflate(FEED), 1), "deflate", LIMIT) == FEED
    assert inflate([raw_deflate(FEED)], "x-deflate", LIMIT) == FEED


def test_a_lone_byte_of_deflate_is_cut_off() -> None:
    assert cause_of([b"\x78"], "deflate") is Cause.TRUNCATED


def test_gzip_members_are_joined_and_junk_behind_them_is_ignored() -> None:
    packed = gzip.compress(FEED[:100]) + gzip.compress(FEED[100:])
    for size in (1, 7, len(packed)):
        assert inflate(pieces(packed, size), "gzip", LIMIT) == FEED
        assert inflate(pieces(packed + bytes(50) + b"junk", size), "gzip", LIMIT) == FEED
        assert cause_of(pieces(packed + b"\x1f\x8b", size), "gzip") is Cause.TRUNCATED


def test_bytes_behind_the_end_of_the_other_codings() -> None:
    assert inflate([zlib.compress(FEED), b"junk"], "deflate", LIMIT) == FEED
    assert inflate([brotli.compress(FEED), b"junk"], "br", LIMIT) == FEED
    assert inflate([zstd.compress(FEED[:9]), zstd.compress(FEED[9:])], "zstd", LIMIT) == FEED


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "utf-8", "none", "compress", "gzip, br"])
def test_a_coding_that_was_not_applied_is_forgiven(coding: str) -> None:
    assert inflate([FEED], coding, LIMIT) == FEED


@pytest.mark.parametrize("coding", ["", "identity", "utf-8"])
def test_gzip_that_was_not_declared_is_undone(coding: str) -> None:
    assert inflate([gzip.compress(FEED)], coding, LIMIT) == FEED


def test_text_without_marks_is_plain() -> None:
    robots = b"User-agent: *\nDisallow: /private/\n"
    for coding in CODERS:
        assert inflate([robots], coding, LIMIT) == robots


def test_an_empty_body_is_empty_in_every_coding() -> None:
    for coding in (*CODERS, "", "unknown"):
        assert inflate([], coding, LIMIT) == b""


@pytest.mark.parametrize("coding", ["compress", "dcb", "gzip, compress"])
def test_an_unknown_coding_is_refused(coding: str) -> None:
    assert cause_of([b"\x1f\x9d\x90\x00\x01\x02"], coding) is Cause.BAD_ENCODING


def test_an_unknown_coding_below_gzip_is_refused() -> None:
    assert cause_of([gzip.compress(FEED)], "compress, gzip") is Cause.BAD_ENCODING


def test_more_than_three_codings_are_refused() -> None:
    assert cause_of([gzip.compress(FEED)], "gzip, gzip, gzip, gzip") is Cause.BAD_ENCODING


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_corrupt_bytes_are_refused(coding: str) -> None:
    packed = bytearray(CODERS[coding](FEED))
    packed[len(packed) // 2 :] = bytes(255 - byte for byte in packed[len(packed) // 2 :])
    assert cause_of([bytes(packed)], coding) in (Cause.BAD_ENCODING, Cause.TRUNCATED)


def test_the_limit_holds_on_the_wire_and_inflated() -> None:
    assert inflate([bytes(100)], "", 100) == bytes(100)
    assert cause_of([bytes(50), bytes(51)], "", 100) is Cause.TOO_LARGE
    assert cause_of([gzip.compress(bytes(101))], "gzip", 100) is Cause.TOO_LARGE


def test_a_longer_body_can_be_cut() -> None:
    assert inflate([FEED], "", 100, cut=True) == FEED[:100]
    assert inflate([gzip.compress(FEED)], "gzip", 1000, cut=True) == FEED[:1000]
    assert inflate([FEED], "", LIMIT, cut=True) == FEED
    with pytest.raises(NetworkError):
        inflate([gzip.compress(FEED)[:-9]], "gzip", LIMIT, cut=True)


def bomb(coding: str) -> bytes:
    zeros = bytes(1 << 20)
    if coding == "br":
        compressor = brotli.Compressor(quality=3)
        return b"".join(compressor.process(zeros) for _ in range(64)) + bytes(compressor.finish())
    if coding == "zstd":
        return zstd.compress(zeros) * 64
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    return b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "gzip, br", "zstd, gzip"])
def test_a_bomb_costs_no_more_than_its_limit(coding: str) -> None:
    first, _, second = coding.partition(", ")
    packed = bomb(first) if not second else CODERS[second](bomb(first))
    assert len(packed) < 200_000
    tracemalloc.start()
    assert cause_of(pieces(packed, 65_536), coding) is Cause.TOO_LARGE
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20
