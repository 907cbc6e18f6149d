"""Bytes to text: who decides the encoding, and that no text is ever garbled."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.text.encoding import codec_of, decode, detect, html_declaration, is_utf8, xml_declaration

GERMAN = "Das Ministerium erklärte, alle Truppen hätten die südukrainische Stadt „geräumt“. "
FRENCH = "Le ministère a déclaré vendredi que toutes ses troupes s’étaient retirées l’été dernier. "
RUSSIAN = "Министерство обороны заявило в пятницу, что все его войска покинули город. "
GREEK = "Η κυβέρνηση ανακοίνωσε ότι τα στρατεύματα αποχώρησαν από την πόλη την Παρασκευή. "
POLISH = "Rosyjskie ministerstwo obrony poinformowało w piątek, że wszystkie wojska opuściły miasto. "
TURKISH = "Savunma Bakanlığı cuma günü bütün birliklerin şehirden çekildiğini açıkladı. "
ARABIC = "أعلنت وزارة الدفاع يوم الجمعة أن جميع القوات انسحبت من المدينة. "
HEBREW = "משרד ההגנה הודיע ביום שישי כי כל הכוחות נסוגו מהעיר. "
JAPANESE = "国防省は金曜日、南部の都市から全軍が撤退したと発表した。"
CHINESE = "国防部周五表示，其所有部队已从南部城市撤出，具体情况仍在核实之中。"
TAIWANESE = "國防部週五表示，其所有部隊已從南部城市撤出，具體情況仍在核實之中。"
KOREAN = "국방부는 금요일 남부 도시에서 모든 병력이 철수했다고 밝혔다. "

MARKUP = "<html><body>" + '<div class="a"><p>' * 40


@pytest.mark.parametrize("markup", ["", MARKUP])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (FRENCH, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "iso8859-5"),
        (GREEK, "iso8859-7"),
        (POLISH, "iso8859-2"),
        (POLISH, "cp1250"),
        (TURKISH, "cp1254"),
        (ARABIC, "cp1256"),
        (HEBREW, "cp1255"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (CHINESE, "gb18030"),
        (TAIWANESE, "big5"),
        (KOREAN, "euc_kr"),
        (GERMAN + RUSSIAN, "utf-8"),
    ],
)
def test_undeclared_text_is_read_by_its_bytes(text: str, encoding: str, markup: str) -> None:
    page = markup + text * 5
    assert decode(page.encode(encoding)) == page


@pytest.mark.parametrize(
    ("body", "content_type", "declared", "text"),
    [
        pytest.param(b"plain", "", "", "plain", id="ASCII"),
        pytest.param(b"", "text/html; charset=koi8-r", "", "", id="nothing"),
        pytest.param(codecs.BOM_UTF8 + b"caf\xc3\xa9", "text/xml; charset=latin1", "", "café", id="BOM"),
        pytest.param("é<".encode("utf-16"), "", "", "é<", id="UTF-16 BOM"),
        pytest.param("é<".encode("utf-32"), "", "", "é<", id="UTF-32 BOM"),
        pytest.param("<é".encode("utf-16-le"), "", "", "<é", id="UTF-16 without mark"),
        pytest.param("<é".encode("utf-16-be"), "", "", "<é", id="UTF-16BE without mark"),
        pytest.param("a<é".encode("utf-16-le"), "a/b;charset=utf-16le", "", "a<é", id="UTF-16"),
        pytest.param("é".encode(), "text/html;charset=UTF-8", "", "é", id="UTF-8 header"),
        pytest.param("é".encode(), "", "utf-16", "é", id="a readable declaration of UTF-16 is a lie"),
        pytest.param("é".encode(), "text/html; charset=iso-8859-1", "", "é", id="bytes over header"),
        pytest.param(b"\x93caf\xe9\x94", 'a/b; charset="latin1"', "", "“café”", id="latin-1"),
        pytest.param(b"\x93caf\xe9\x94", "", "ascii", "“café”", id="ASCII is cp1252"),
        pytest.param(b"x\x92s", "a/b; charset=utf-8", "", "x’s", id="UTF-8 claimed, cp1252 sent"),
        pytest.param(b"\xcf\xf0", "a/b; charset=cp1251", "koi8-r", "Пр", id="header over document"),
        pytest.param(b"\xcf\xf0", "a/b; charset=nonsense", "cp1251", "Пр", id="unknown label"),
        pytest.param(b"caf\x81", "", "windows-1252", "caf\ufffd", id="undefined byte"),
    ],
)
def test_who_decides(body: bytes, content_type: str, declared: str, text: str) -> None:
    assert decode(body, content_type=content_type, declared=declared) == text


def test_a_servers_default_gives_way_when_document_and_bytes_agree() -> None:
    body = (RUSSIAN * 5).encode("koi8-r")
    assert decode(body, content_type="text/html; charset=iso-8859-1", declared="koi8-r") == RUSSIAN * 5
    french = (FRENCH * 5).encode("cp1252")
    assert decode(french, content_type="text/html; charset=iso-8859-1", declared="koi8-r") == FRENCH * 5


def test_a_claim_that_the_bytes_refute_is_not_believed() -> None:
    assert decode((GERMAN * 5).encode("cp1252"), declared="utf-8") == GERMAN * 5
    assert decode((RUSSIAN * 5).encode("cp1251"), declared="euc-jp") == RUSSIAN * 5


def test_single_broken_bytes_do_not_cost_the_page_its_encoding() -> None:
    body = (RUSSIAN * 20).encode() + b"\xff" + (RUSSIAN * 20).encode()
    assert decode(body, content_type="text/html; charset=utf-8") == RUSSIAN * 20 + "\ufffd" + RUSSIAN * 20
    assert decode(body) == RUSSIAN * 20 + "\ufffd" + RUSSIAN * 20


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("gbk", "市议会周二决定，河上的大桥将从明年春天起关闭两年。"),
        ("big5", "市議會週二決定，河上的大橋將從明年春天起關閉兩年。"),
        ("shift_jis", "市議会は火曜日、橋を来春から二年間閉鎖することを決めた。"),
        ("euc-jp", "市議会は火曜日、橋を来春から二年間閉鎖することを決めた。"),
        ("euc-kr", "시의회는 화요일에 다리를 내년 봄부터 이 년 동안 폐쇄하기로 했다."),
        ("windows-1251", RUSSIAN),
    ],
)
def test_two_stray_bytes_in_a_short_text_do_not_cost_it_its_declared_encoding(label: str, text: str) -> None:
    body = b"<p>\xff</p>" + text.encode(label) + b"<p>\xff</p>"
    for decoded in (decode(body, declared=label), decode(body, content_type=f"text/html; charset={label}")):
        assert text in decoded


def test_a_declaration_that_the_bytes_break_yields_to_an_encoding_that_they_do_not() -> None:
    chinese = "市议会周二决定，河上的大桥将从明年春天起关闭两年。两岸的商人担心失去顾客，渡船还没有来。" * 20
    for label in ("euc-jp", "big5"):
        assert decode(chinese.encode("gbk"), declared=label) == chinese
    assert decode(RUSSIAN.encode("cp1251"), declared="gbk") == RUSSIAN


def test_bytes_that_are_mostly_ascii_are_not_utf8_for_that() -> None:
    text = ("The ministry said nothing. " * 50) + "It’s over, the café is closed."
    assert decode(text.encode("cp1252")) == text
    assert not is_utf8(text.encode("cp1252"))


def test_nothing_known_about_random_bytes_is_cp1252() -> None:
    assert detect(b"\x80\x81") == "cp1252"
    assert decode(b"\xff" * 9) == "ÿ" * 9


def test_a_long_text_is_detected_by_a_part_of_it() -> None:
    text = "\n".join([RUSSIAN] * 3000)
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("UTF-8", "utf-8"),
        (" 'latin-1' ", "cp1252"),
        ("gb2312", "gb18030"),
        ("x-sjis", "cp932"),
        ("ks_c_5601-1987", "cp949"),
        ("iso-8859-9", "cp1254"),
        ("rot13", ""),
        ("utf-7", ""),
        ("unicode_escape", ""),
        ("\0", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_labels(label: str, codec: str) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("html", "label"),
    [
        (b'<html><meta charset="koi8-r">', "koi8-r"),
        (b"<META CHARSET=windows-1251>", "windows-1251"),
        (b'<meta name="viewport"><meta http-equiv="Content-Type" content="text/html; charset=gbk">', "gbk"),
        (b'<!-- <meta charset="koi8-r"> --><meta charset="utf-8">', "utf-8"),
        (b'<?xml version="1.0" encoding="iso-8859-2"?><html>', "iso-8859-2"),
        (b"<meta name=x>", ""),
        (b"<!-- " * 9000, ""),
    ],
)
def test_a_page_declares_its_charset(html: bytes, label: str) -> None:
    assert html_declaration(html) == label


@pytest.mark.parametrize(
    ("xml", "label"),
    [
        (b"<?xml version='1.0' encoding='Windows-1252' standalone='yes'?>", "Windows-1252"),
        (b'\n <?xml version="1.0" encoding = "gb2312"?>', "gb2312"),
        (b'<?xml version="1.0"?><a encoding="x"/>', ""),
        (b"<rss/>", ""),
    ],
)
def test_a_feed_declares_its_encoding(xml: bytes, label: str) -> None:
    assert xml_declaration(xml) == label


@given(st.binary(), st.text(max_size=30), st.text(max_size=20))
def test_never_raises(body: bytes, charset: str, declared: str) -> None:
    assert isinstance(decode(body, content_type=f"text/html; charset={charset}", declared=declared), str)
    html_declaration(body)
    xml_declaration(body)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_utf8_is_always_read_back(text: str) -> None:
    if not text.startswith("\ufeff") and "\x1b$B" not in text and not text.startswith(("<\0", "\0<")):
        assert decode(text.encode()) == text


def test_one_foreign_byte_in_a_short_title_is_no_character_of_east_asia() -> None:
    body = b"<rss><title>It\x92s</title><description>" + b"The ferry was late again. " * 40 + b"</description></rss>"
    assert "It\u2019s" in decode(body, declared="utf-8")
