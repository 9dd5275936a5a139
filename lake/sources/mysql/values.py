"""Single values of the binary log as text, written exactly as the server itself writes them."""

import socket
import uuid
from collections.abc import Callable
from functools import lru_cache

# Charsets whose Python codec gives what the server's conversion to utf8mb4 gives (compared for every character). One-byte
# charsets that are not here are asked of the server; any other is refused, not guessed.
CODECS = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii",
    "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
    "latin2": "iso8859_2", "latin5": "iso8859_9", "latin7": "iso8859_13", "cp850": "cp850", "cp852": "cp852",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257",
    "sjis": "shift_jis", "cp932": "cp932", "ujis": "euc_jp", "euckr": "cp949",
    "gbk": "gbk", "gb2312": "gb2312", "gb18030": "gb18030",
}  # fmt: skip
_FRACTION_BYTES = (0, 1, 1, 2, 2, 3, 3)


class UnknownCharset(Exception):
    """Text in a charset that is not decoded here."""


def text_decoder(charset: str, letters: str = "") -> Callable[[bytes], str]:
    """Bytes of a charset to text. `letters` are the 256 characters of a one-byte charset, as the server converts them."""
    if letters:
        table = {i: letter for i, letter in enumerate(letters) if ord(letter) != i}
        return lambda value: value.decode("latin1").translate(table)
    codec = CODECS.get(charset)
    if codec is None:
        raise UnknownCharset(f"text in the charset {charset} cannot be read from the binary log; convert the table to utf8mb4")
    if codec == "utf-8":
        return bytes.decode
    if charset in ("sjis", "ujis"):
        return lambda value: value.decode(codec).replace("＼", "\\")  # the one character where server and Python differ
    return lambda value: value.decode(codec)


def forgiving_decoder(charset: str) -> Callable[[bytes], str]:
    """Text in which U+FFFD stands for what no character of the charset is."""
    codec = CODECS.get(charset, "utf-8")
    return lambda value: value.decode(codec, "replace")


def decimal_groups(precision: int, scale: int) -> list[tuple[int, int]]:
    """(bytes, digits) of each part that a DECIMAL is stored in: nine digits in four bytes, the rest in fewer."""
    whole, left = precision - scale, scale % 9
    digits = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), left]
    return [((count + 1) // 2 if count < 9 else 4, count) for count in digits if count]


@lru_cache(maxsize=100)
def decimal_decoder(precision: int, scale: int) -> tuple[int, Callable[[bytes], str]]:
    """(bytes of a stored DECIMAL, the function that gives its digits)."""
    groups = decimal_groups(precision, scale)
    total = sum(size for size, _ in groups)

    def decode(raw: bytes) -> str:
        negative = raw[0] < 0x80
        raw = bytes([raw[0] ^ 0x80]) + raw[1:]
        if negative:
            raw = bytes(byte ^ 0xFF for byte in raw)
        at, number = 0, 0
        for size, digits in groups:
            number = number * 10**digits + int.from_bytes(raw[at : at + size], "big")
            at += size
        text = f"{number:0{scale + 1}}"
        return ("-" if negative else "") + (f"{text[:-scale]}.{text[-scale:]}" if scale else text)

    return total, decode


def time_text(raw: bytes, digits: int) -> str:
    """A TIME value with `digits` fractional digits, such as -838:59:59.999."""
    size = _FRACTION_BYTES[digits]
    packed = int.from_bytes(raw, "big") - (0x800000 << 8 * size)
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    clock = packed >> 8 * size
    text = f"{sign}{clock >> 12 & 0x3FF:02}:{clock >> 6 & 63:02}:{clock & 63:02}"
    if not digits:
        return text
    return f"{text}.{packed & (1 << 8 * size) - 1:0{size * 2}}"[: len(text) + 1 + digits]


def address_decoder(data_type: str) -> Callable[[bytes], str]:
    """UUID, INET6 and INET4 of MariaDB."""
    if data_type == "inet4":
        return lambda value: socket.inet_ntop(socket.AF_INET, value.ljust(4, b"\0"))
    if data_type == "inet6":
        return lambda value: socket.inet_ntop(socket.AF_INET6, value.ljust(16, b"\0"))
    return lambda value: str(uuid.UUID(bytes=value.ljust(16, b"\0")))
