"""Countries by their ISO 3166 number, which the outlines of the map carry."""

from functools import lru_cache

import pycountry

# What people write and ISO does not know.
_ALSO = {
    "uk": "GBR",
    "great britain": "GBR",
    "england": "GBR",
    "usa": "USA",
    "eire": "IRL",
    "holland": "NLD",
    "south korea": "KOR",
    "uae": "ARE",
}


@lru_cache(maxsize=1000)
def number(name: str) -> int | None:
    """The number of a country by its name or code; None where it is none, such as Unknown."""
    try:
        return int(pycountry.countries.lookup(_ALSO.get(name.strip().lower(), name)).numeric)
    except LookupError:
        return None
