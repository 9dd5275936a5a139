"""MySQL's binary JSON: bytes that a MySQL 9.7 wrote into its log, and the text that it printed of the same values."""

import struct

import pytest

from lake.sources.mysql.json import json_text


# ruff: noqa: E501  (one value a line reads best)
@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ('020a003e0005010005ffff072200072600072a00092e000a360004010004020004000000800000ff7fffffffff00000000008000000000ffffffffffffffff', '[1, -1, 32768, -32769, 65535, 2147483648, 18446744073709551615, true, false, null]'),
        ('020b007d000b25000b2d000b35000b3d000b45000b4d000b55000b5d000b65000b6d000b75009a9999999999b93f000000000000f03f7dc39425ad49b25448afbc9af2d77a3e0000000000000080f168e388b5f8e43e0000901ec4bcd64200003426f56b0c43a7374d12ee1e17430000901ec4bc16430100000000000000', '[0.1, 1.0, 1e100, 0.0000001, -0.0, 0.00001, 100000000000000.0, 1e15, 1626983080611305.8, 1.6e15, 5e-324]'),
        ('00040067002000040024000400280007002f0008000f37000f41000f4b000f5d006461746574696d65646563696d616c6461746574696d650a08000000000044a5190b080000000591cbfffff6101f047ffffff3eb655bcaf204c72dfb310c08f55b0a053144a519', '{"date": "2020-01-02", "time": "-838:59:59.000000", "decimal": -12345678901234567890.1230, "datetime": "2020-01-02 03:04:05.678901"}'),
        ('0004003800200001002100010022000200240003000027000c2b000c2d000c34006162c3a971225c00000400017806c3bcf09f9880037a0a09', '{"a": {}, "b": "x", "é": "ü😀", "q\\"\\\\": "z\\n\\t"}'),
        ('02010045000f07000f3c6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b', '["base64:type15:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr\\na2tr"]'),
        ('0affffffffffffffff', '18446744073709551615'),
        ('0f0c080000004641c6a819', '"2021-02-03 04:05:06.000000"'),
        ("", "null"),
    ],
)  # fmt: skip
def test_text_is_as_the_server_prints_it(stored: str, text: str) -> None:
    assert json_text(bytes.fromhex(stored)) == text


@pytest.mark.parametrize("stored", ["03", "0e00", "0501", "020100ff000c"])
def test_what_is_no_json_is_refused(stored: str) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        json_text(bytes.fromhex(stored))
