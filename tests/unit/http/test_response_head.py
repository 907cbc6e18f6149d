import http.client
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.http.response_head import LenientResponse, read_head


def read(data: bytes) -> bytes:
    return b"\r\n".join([*read_head(io.BufferedReader(io.BytesIO(data))), b"", b""])


class Received:
    """What http.client asks of a socket."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.data))


def facts(kind: type[http.client.HTTPResponse], data: bytes) -> tuple[object, ...]:
    response = kind(Received(data))  # type: ignore[arg-type] # no socket, but all that is used of one
    try:
        response.begin()
    except http.client.HTTPException as error:
        return (type(error),)
    shape = (response.chunked, response.length, response.will_close, response.read())
    return response.version, response.status, response.reason, response.headers.items(), *shape


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


LINES = st.lists(
    st.binary(max_size=60) | st.sampled_from([b"Age: 1", b" folded", b"ETag :\0x", b"Vary:\rz", b""]), max_size=9
)


@given(LINES)
def test_any_lines_are_a_head_or_an_error(lines: list[bytes]) -> None:
    try:
        head = read(b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", b"")))
    except http.client.HTTPException:
        return
    assert head.endswith(b"\r\n\r\n")
    assert b"\0" not in head
    for line in head.split(b"\r\n")[1:-2]:
        assert b": " in line


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 3",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close",
        "HTTP/1.1 200",
        "HTTP/1.1  404   Not  Found ",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 3",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 101 Switching",
        "HTTP/1.1 200 OK\r\nContent-Length: -1",
        "HTTP/1.1 200 OK\r\nContent-Length: x",
        "HTTP/1.1 200 OK\r\nContent-Length: " + "9" * 5000,
        "HTTP/1.1 200 OK\r\nContent-Length:",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.0 200 OK\r\nContent-Length: 3",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nProxy-Connection: keep-alive",
        "HTTP/0.9 200 OK",
        "HTTP/1.7 200 OK",
        "HTTP/2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 1000 OK",
        "HTTP/1.1 ok",
        "HTTP/1.1",
        "HTTX/1.1 200 OK",
        'HTTP/1.1 200 \xe4\r\nA: \xe4\x85b\x0bc\r\nETag: "x"',
    ],
)
def test_a_sound_head_says_what_it_says_to_the_standard_library(head: str) -> None:
    data = head.encode("iso-8859-1") + b"\r\n\r\n" + b"3\r\nabc\r\n0\r\n\r\n"
    assert facts(LenientResponse, data) == facts(http.client.HTTPResponse, data)


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z-]{1,9}", fullmatch=True), st.text("aä1 :;,\t\x85\x0b", max_size=9))))
def test_any_headers_are_those_of_the_standard_library(headers: list[tuple[str, str]]) -> None:
    lines = "".join(f"{name}: {value.strip(chr(32) + chr(9))}\r\n" for name, value in headers)
    data = f"HTTP/1.1 200 OK\r\n{lines}\r\nabc".encode("iso-8859-1")
    assert facts(LenientResponse, data) == facts(http.client.HTTPResponse, data)
