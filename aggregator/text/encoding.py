"""Decodes the bytes of pages and feeds; decides the encoding and never raises. It parses only declarations.

The order is: byte order mark; the bytes of UTF-16 or ISO-2022-JP; valid UTF-8, whatever is declared; the header; the
document's own declaration; detection. Labels mean the encodings that browsers use for them (WHATWG Encoding Standard,
4.2): `latin-1` is cp1252, `gb2312` is gb18030.
"""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes
from resiliparse.parse.encoding import detect_encoding

from aggregator.text.tables import read_table

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The first bytes of an XML or HTML document in UTF-16 without a mark (XML 1.0, appendix F).
_UNMARKED_UTF16 = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))

_TABLE = read_table("encodings")
_LABELS: dict[str, str] = _TABLE["labels"]
_SUPERSETS: dict[str, str] = _TABLE["supersets"]
_EAST_ASIAN: list[str] = _TABLE["detection"]["east_asian"]
_LATIN: list[str] = _TABLE["detection"]["latin"]
_MULTI_BYTE = frozenset(_TABLE["codecs"]["multi_byte"])
_SINGLE_BYTE = frozenset(_TABLE["codecs"]["single_byte"])
_KNOWN = _MULTI_BYTE | _SINGLE_BYTE | {"utf-8"}
_ASCII = bytes(range(128))

_DECLARATION_BYTES = 8192  # where a declaration is looked for; the standard says 1024, real pages put it later
_SAMPLE_BYTES = 64 * 1024  # how much text decides a detection

_META = re.compile(rb"<meta\b([^>]{1,1000})>", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:+-]{1,40})", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_XML = re.compile(rb"\s{0,99}<\?xml\b[^>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:+-]{1,40})[\"']")
_BREAK = re.compile(rb"[<>\r\n]+")  # no byte of a character in any encoding that is detected
_BAD_BYTE = re.compile("[\udc80-\udcff]")
_BROKEN = "\ufffd"
_GOOD_SIGN = re.compile("[^\x00-\x7f\udc80-\udcff]")


def decode(body: bytes, *, content_type: str = "", declared: str = "") -> str:
    """Return the text of `body` without byte order mark; undecodable bytes become U+FFFD.

    `content_type` is the value of the header, `declared` the charset label that the document itself states.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding)
    for start, encoding in _UNMARKED_UTF16:
        if body.startswith(start):
            return _decoded(body, encoding)
    header, document = codec_of(_charset_of(content_type)), codec_of(declared)
    if b"\x1b$B" in body and body.isascii():  # ISO-2022-JP escapes, in bytes that would pass for UTF-8
        return _decoded(body, "iso2022_jp")
    if header.startswith("utf-16") and b"\0" in body[:200]:
        return _decoded(body, header)
    if is_utf8(body, claimed="utf-8" in (header, document)):
        return _decoded(body, "utf-8")
    return _legacy(body, header, document)


def codec_of(label: str) -> str:
    """Return the Python codec for a charset label; `""`: the label is unknown or its encoding is unsafe (UTF-7).

    >>> codec_of("ISO-8859-1"), codec_of("x-sjis"), codec_of("utf-7")
    ('cp1252', 'cp932', '')
    """
    label = label.strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
    except (LookupError, ValueError):
        return ""
    name = _SUPERSETS.get(name, name)
    return name if name in _KNOWN else ""


def html_declaration(body: bytes) -> str:
    """Return the charset that a page's `meta`, else its XML declaration, states; `""`: there is none.

    >>> html_declaration(b'<meta http-equiv="content-type" content="text/html; charset=koi8-r">')
    'koi8-r'
    """
    head = _COMMENT.sub(b"", body[:_DECLARATION_BYTES])
    for meta in _META.finditer(head):
        if found := _CHARSET.search(meta.group(1)):
            return found.group(1).decode("ascii")
    return xml_declaration(body)  # XHTML


def xml_declaration(body: bytes) -> str:
    """Return the encoding that an XML declaration states; `""`: there is none.

    >>> xml_declaration(b'<?xml version="1.0" encoding="windows-1251"?>')
    'windows-1251'
    """
    found = _XML.match(body[:500])
    return found.group(1).decode("ascii") if found else ""


def is_utf8(body: bytes, *, claimed: bool = False) -> bool:
    """Return whether `body` is UTF-8, except for a few broken bytes: at most one byte in a hundred.

    For each broken byte there must be more than three valid characters that are not ASCII, or at least one if UTF-8 was
    declared (`claimed`). ASCII characters do not count, since an English page in cp1252 has them, too.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", "surrogateescape")
        bad, good = len(_BAD_BYTE.findall(text)), len(_GOOD_SIGN.findall(text))
        return bad * 100 <= len(body) and (good >= bad if claimed else good > bad * 3)
    return True


def _legacy(body: bytes, header: str, document: str) -> str:
    """Decode bytes that are not UTF-8: by the header, else by the document's declaration, else by detection.

    A header with cp1252 is often a server's default: if declaration and detection agree on another encoding, that one
    is used. A declared encoding with several bytes per character may break one character in a hundred. If it breaks
    more, it is used only if it is likelier than the detected encoding (`_is_likelier`).
    """
    detected = ""
    if header == "cp1252" and document not in ("", "utf-8", header):
        # A server's default, set for all its files; believed unless document and bytes agree on another.
        detected = detect(body)
        if detected == document:
            return _decoded(body, document)
    doubtful = []
    for encoding in (header, document):
        if encoding and encoding != "utf-8" and not encoding.startswith("utf-16"):
            text = _decoded(body, encoding)
            if encoding in _SINGLE_BYTE or text.count(_BROKEN) * 100 <= len(text):
                return text
            doubtful.append(text)
    detected = detected or detect(body)
    found = _decoded(body, detected)
    return next((claim for claim in doubtful if _is_likelier(claim, found, detected)), found)


def _is_likelier(claim: str, found: str, detected: str) -> bool:
    """Return whether a declared East Asian encoding that breaks some characters is likelier than the detected one.

    `claim` is the text in the declared encoding, `found` in the detected one. The declaration is wrong if more than one
    in nine of the characters of `claim` that are not ASCII is broken. It is also wrong if `found` has fewer broken
    ones, unless `detected` is a single-byte encoding, which never breaks a character.
    """
    broken = claim.count(_BROKEN)
    if broken * 8 > len(_GOOD_SIGN.findall(claim)) - broken:
        return False
    return detected in _SINGLE_BYTE or found.count(_BROKEN) >= broken


def detect(body: bytes) -> str:
    """Return the likeliest legacy encoding of `body`; cp1252 if no other is likely.

    uchardet (in Resiliparse) detects the encodings of alphabets. charset-normalizer detects those of East Asia, where
    uchardet takes Big5 for GB 18030 and EUC-KR for UTF-8. For a text that is mostly ASCII, charset-normalizer tries
    only the encodings of Latin letters.
    """
    sample = _foreign_text(body)
    foreign = len(sample.translate(None, _ASCII))
    is_sparse = foreign * 4 < len(sample)
    if foreign < 2 or (is_sparse and foreign < 4):
        return "cp1252"  # a word or two with an accent, or one "It's" in a title: every detector guesses
    guess = codec_of(detect_encoding(sample) or "")
    if guess in _SINGLE_BYTE:
        return guess
    candidates = _LATIN if is_sparse else _EAST_ASIAN
    best = from_bytes(sample, steps=5, chunk_size=2048, cp_isolation=candidates, enable_fallback=False).best()
    return (codec_of(best.encoding) if best else "") or "cp1252"


def _foreign_text(body: bytes) -> bytes:
    """Return the lines and text nodes that are not plain ASCII, up to about 64 KiB. Markup would dilute the sample."""
    pieces, size = [], 0
    for piece in _BREAK.split(body[: 16 * _SAMPLE_BYTES]):
        if not piece.isascii():
            pieces.append(piece)
            size += len(piece)
            if size >= _SAMPLE_BYTES:
                break
    return b"\n".join(pieces)


def _charset_of(content_type: str) -> str:
    found = _CHARSET.search(content_type[:1000].encode("ascii", "replace"))
    return found.group(1).decode("ascii") if found else ""


def _decoded(body: bytes, encoding: str) -> str:
    return body.decode(encoding, "replace").removeprefix("\ufeff")
