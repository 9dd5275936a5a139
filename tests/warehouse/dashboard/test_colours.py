"""The colours of charts stay apart for everybody, by the simulation of colour blindness of Machado, Oliveira, Fernandes, 2009.

Their matrices are for people who lack one kind of cone altogether; most who are colour-blind have some of it, and see more.
How far two colours are apart is ΔE of CIE 1976, a distance in L*a*b*, of which people see 2.3 at all (Mahy and others, 1994),
side by side and at leisure. A legend and a thin line are neither: 15 is six times as much.
"""

from itertools import combinations

import pytest

from warehouse.dashboard import charts

APART = 15.0
LIGHT, DARK = "#FFFFFF", "#171614"  # the backgrounds of Streamlit's pages
Row = tuple[float, float, float]
SEEN: dict[str, tuple[Row, Row, Row]] = {
    "every cone": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
# sRGB to XYZ, and the white of its light.
XYZ: tuple[Row, Row, Row] = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE: Row = (0.95047, 1.0, 1.08883)


@pytest.mark.parametrize("eyes", SEEN)
def test_any_two_colours_are_apart(eyes: str) -> None:
    assert min(_apart(one, other, eyes) for one, other in combinations(charts.COLOURS, 2)) >= APART


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("background", [LIGHT, DARK])
def test_each_colour_is_seen_on_both_backgrounds(background: str, eyes: str) -> None:
    assert min(_apart(colour, background, eyes) for colour in charts.COLOURS) >= 2 * APART


def test_the_measure_is_the_known_one() -> None:
    assert _apart("#000000", "#FFFFFF", "every cone") == pytest.approx(100, abs=0.01)
    assert _lab(_linear("#FF0000")) == pytest.approx((53.24, 80.09, 67.20), abs=0.02)
    assert _apart("#E69F00", "#B8A800", "protanopia") < 2.3  # the pair that made this test


def _apart(one: str, other: str, eyes: str) -> float:
    first, second = (_lab(_times(SEEN[eyes], _linear(colour))) for colour in (one, other))
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def _linear(colour: str) -> Row:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return _of_light(red), _of_light(green), _of_light(blue)


def _of_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _times(rows: tuple[Row, Row, Row], light: Row) -> Row:
    first, second, third = (sum(a * b for a, b in zip(row, light, strict=True)) for row in rows)
    return first, second, third


def _lab(light: Row) -> Row:
    red, green, blue = (min(1.0, max(0.0, part)) for part in light)
    x, y, z = (_root(part / white) for part, white in zip(_times(XYZ, (red, green, blue)), WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _root(part: float) -> float:
    return part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
