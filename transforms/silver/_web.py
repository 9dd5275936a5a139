"""What a line of a web log says: which kind of page, whether a program asked, and where a visit came from.

Shops do not agree on paths either: these are the usual ones (Shopify's, WooCommerce's, and those of the simulated shop).
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

# The first that fits counts. Without look-around, which not every engine's expressions have.
_PAGES = {
    "robots": r"^/robots\.txt$",
    "asset": r"\.(css|js|mjs|map|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|eot|mp4|webm|pdf|xml|txt|json)$",
    "order": r"^/(checkouts?|orders?)/([^/]+/)*(complete|completed|success|confirmation|order-received|thank[-_]?you)/?$",
    "checkout": r"^/checkouts?(/|$)",
    "cart": r"^/(cart|basket|bag)(/|$)",
    "product": r"^/(products?|p|item)/[^/]",
    "category": r"^/(category|categories|collections?|c)/[^/]",
    "search": r"^/search(/|$)",
    "home": r"^/(index\.[a-z]+)?$",
}
_BOTS = (
    r"(?i)bot\b|bots\b|bot/|crawl|spider|slurp|scrapy|scraper|archiver|facebookexternalhit|mediapartners|lighthouse|headless"
    r"|phantomjs|selenium|monitor|uptime|pingdom|feedfetcher|curl|wget|python-|aiohttp|httpx|httpclient|okhttp|go-http|java/|libwww"
    r"|perl|ruby|axios|node-fetch"
)
_SEARCH_ENGINES = r"(^|\.)(google|bing|duckduckgo|yahoo|ecosia|baidu|yandex|qwant|startpage|search)\."
_SOCIAL = (
    r"(^|\.)(facebook|instagram|twitter|linkedin|pinterest|reddit|tiktok|youtube|snapchat|social)\."
    r"|(^|\.)(t\.co|x\.com|lnkd\.in)$"
)

TRAFFIC = ("direct", "organic search", "paid search", "social", "email", "referral", "campaign")


def page(path: str) -> Column:
    """The kind of page: product, cart … or other."""
    bare = F.lower(F.regexp_extract(path, r"^([^?#]*)", 1))
    kind = F.lit("other")
    for name, pattern in reversed(_PAGES.items()):
        kind = F.when(bare.rlike(pattern), F.lit(name)).otherwise(kind)
    return kind


def asks_as_program(agent: str) -> Column:
    """Whether the user agent says that no person asked; each browser sends one. Cubot makes phones."""
    return F.col(agent).isNull() | F.regexp_replace(agent, "(?i)cubot", "").rlike(_BOTS)


def parameter(path: str, *names: str) -> Column:
    """The value of the first query parameter with one of these names, decoded; null where there is none.

    One that is not well encoded stays as it is.
    """
    raw = _nothing_to_null(F.regexp_extract(path, rf"[?&](?:{'|'.join(names)})=([^&#]*)", 1))
    decoded = F.try_url_decode(raw)
    return F.when(decoded.contains("\ufffd"), raw).otherwise(F.coalesce(decoded, raw))


def matched(text: str, pattern: str) -> Column:
    """The first group of a pattern; null where it does not fit."""
    return _nothing_to_null(F.regexp_extract(text, pattern, 1))


def traffic(landing: str, referer: str) -> Column:
    """The channel of a visit from its first request: what the link's utm parameters say, else the page that linked here."""
    medium = F.lower(parameter(landing, "utm_medium"))
    tagged = F.coalesce(medium, parameter(landing, "utm_source", "utm_campaign")).isNotNull()
    clicked = parameter(landing, "gclid", "msclkid").isNotNull()
    host = F.lower(F.regexp_extract(referer, r"^[A-Za-z]+://(?:[^@/]*@)?([^/:?#]+)", 1))
    return (
        F.when(clicked | F.coalesce(medium, F.lit("")).rlike(r"^(cpc|ppc|cpm|paid.*)$"), F.lit("paid search"))
        .when(medium.isin("email", "e-mail", "newsletter"), F.lit("email"))
        .when(medium.rlike(r"^social"), F.lit("social"))
        .when(tagged, F.lit("campaign"))
        .when(host.rlike(_SEARCH_ENGINES), F.lit("organic search"))
        .when(host.rlike(_SOCIAL), F.lit("social"))
        .when(host != "", F.lit("referral"))
        .otherwise(F.lit("direct"))
    )


def _nothing_to_null(text: Column) -> Column:
    return F.nullif(text, F.lit(""))
