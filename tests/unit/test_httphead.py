import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.httphead import read_head


def read(data: bytes) -> bytes:
    return read_head(io.BufferedReader(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\nA:b\n\nbody", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA : b \t\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\t c\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b c\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n c\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n folded\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: b\rc\0d\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b cd\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA:\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: \r\n\r\n"),
        (b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nA: b\r\n\r\nHTTP/1.1 200\r\n\r\n", b"HTTP/1.1 200\r\n\r\n"),
        (b"HTTP/1.1 101 Switch\r\n\r\n", b"HTTP/1.1 101 Switch\r\n\r\n"),
        (b"HTTP/1.1 1000 X\r\n\r\n", b"HTTP/1.1 1000 X\r\n\r\n"),
    ],
)
def test_a_head_is_made_well_formed(sent: bytes, read_as: bytes) -> None:
    assert read(sent) == read_as


def test_the_body_stays_in_the_stream() -> None:
    stream = io.BufferedReader(io.BytesIO(b"HTTP/1.1 200 OK\r\n\r\nbody"))
    read_head(stream)
    assert stream.read() == b"body"


def test_of_too_many_headers_those_that_mean_something_stay() -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(2000))
    head = read(b"HTTP/1.1 200 OK\r\n" + lines + b'ETag: "x"\r\nLOCATION: /y\r\n\r\n')
    assert head == b'HTTP/1.1 200 OK\r\nETag: "x"\r\nLOCATION: /y\r\n\r\n'


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"HTTP/1.1 200 OK\r\n", http.client.IncompleteRead),
        (b"HTTP/1.1 200 OK\r\nA: b", http.client.IncompleteRead),
        (b"HTTP/1.1 2", http.client.IncompleteRead),
        (b"SSH-2.0-x\r\n", http.client.HTTPException),
        (b"nonsense", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 300_000, http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000, http.client.HTTPException),
        (b"HTTP/1.1 102 Wait\r\n\r\n" * 100, http.client.HTTPException),
        (b"\r\n" * 200_000, http.client.HTTPException),
    ],
)
def test_what_is_no_head(sent: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(sent)


@given(st.binary(max_size=500))
def test_any_bytes_are_a_head_or_an_error(data: bytes) -> None:
    try:
        head = read(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n")
    except http.client.HTTPException:
        return
    assert head.endswith(b"\r\n\r\n")
    assert b"\0" not in head
    for line in head.split(b"\r\n")[1:-2]:
        assert b": " in line
