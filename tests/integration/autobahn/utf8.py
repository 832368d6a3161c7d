"""Octets that are UTF-8, and such that are not: Markus Kuhn's stress test as groups 6.5 to 6.23 of the suite take it.

Source: https://www.cl.cam.ac.uk/~mgk25/ucs/examples/UTF-8-test.txt
"""

from __future__ import annotations

import codecs

GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

Sequences = list[tuple[bool, bytes]]


def valid(*texts: bytes) -> Sequences:
    return [(True, text) for text in texts]


def invalid(*texts: bytes) -> Sequences:
    return [(False, text) for text in texts]


def _whole(octets: bytes) -> bool:
    return codecs.getincrementaldecoder("utf-8")().decode(octets).encode() == octets


_LONELY = [(0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)]
_CUT = (
    b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
    b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf",
)  # fmt: skip
_SURROGATES = (
    b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf",
)  # fmt: skip
_PLANES = [
    (plane << 16 | last).to_bytes(4, "big").decode("utf-32-be").encode()
    for plane in range(17)
    for last in (0xFFFE, 0xFFFF)
]
"""Code points that stand for no character, and are valid none the less."""

SEQUENCES: list[Sequences] = [
    valid(b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello𤭢world".encode(), GREEK),
    [(_whole(GREEK[:end]), GREEK[:end]) for end in range(1, len(GREEK) + 1)],
    valid(b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"),
    invalid(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),
    valid(b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"),
    invalid(b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    valid(b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf")
    + invalid(b"\xf4\x90\x80\x80"),
    invalid(
        b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:length] for length in range(2, 7)), bytes(range(0x80, 0xBF))
    ),
    invalid(*(b" ".join(bytes([octet]) for octet in range(*span)) + b" " for span in _LONELY)),
    invalid(*_CUT),
    invalid(b"".join(_CUT)),
    invalid(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),
    invalid(
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
    ),
    invalid(
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
    ),
    invalid(
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf8\x80\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80\x80",
    ),
    invalid(*_SURROGATES),
    invalid(*(high + low for high in _SURROGATES[:4] for low in (_SURROGATES[4], _SURROGATES[6]))),
    valid(*_PLANES),
    valid(*(chr(code).encode() for code in range(0xFFF9, 0x10000))),
]
