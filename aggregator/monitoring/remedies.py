"""The table of remedies: for each cause of a failure, a sentence on what an operator can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aggregator.models.fetching import Cause

_RULE = "a publisher rule may help, or `full_text = false`."

REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.DNS: "The host's name does not resolve: check its spelling, or whether the publisher moved.",
    Cause.CONNECT: "The host takes no connections: it is retried automatically; if it lasts, look for a new address.",
    Cause.TLS: "The certificate or the encryption is not acceptable: open the address in a browser; the publisher "
    "has to renew it.",
    Cause.TIMEOUT: "The host answers too slowly: it is retried automatically; if it lasts, raise `[http] timeout`.",
    Cause.PROXY: "The proxy failed: check `[http] proxy`.",
    Cause.PROTOCOL: "The server does not speak HTTP correctly: check scheme and port of the address.",
    Cause.TRUNCATED: "The answer was cut off: it is retried automatically.",
    Cause.BAD_ENCODING: "The server compresses wrongly; tell the publisher.",
    Cause.TOO_LARGE: "The answer is larger than allowed: raise `[http] max_feed_size` (feeds) or `max_page_size`.",
    Cause.BAD_URL: "This is no http(s) address: correct `url`.",
    Cause.FORBIDDEN_ADDRESS: "The name leads to a private address: if that is meant, list its network in "
    "`[http] allow_private_networks`.",
    Cause.TOO_MANY_REDIRECTS: "The server redirects us again and again: find the feed's own address in a browser.",
    Cause.REDIRECT_LOOP: "The server redirects us in a circle: find the feed's own address in a browser.",
    Cause.ROBOTS: "robots.txt forbids it: respect that and set `full_text = false`, or ask the publisher.",
    Cause.ROBOTS_UNREACHABLE: "robots.txt cannot be read, so nothing is fetched: it is retried automatically.",
    Cause.UNAUTHORIZED: "The server wants a login: use an address that carries one (https://user:password@...), or "
    "unsubscribe.",
    Cause.FORBIDDEN: "The server refuses us: set `[http] contact` so that it knows who asks, or ask the publisher.",
    Cause.NOT_FOUND: "Nothing is there: find the new address with `aggregator feeds discover <site>`.",
    Cause.GONE: "The publisher says that it is gone for good, so it is no longer polled: remove it, or find its "
    "successor with `aggregator feeds discover <site>` and edit `url`.",
    Cause.RATE_LIMITED: "The server wants fewer requests; they are fewer already: raise `interval` or "
    "`[http] per_host_interval` if it lasts.",
    Cause.UNAVAILABLE: "The server is overloaded or in maintenance: it is retried automatically.",
    Cause.CLIENT_ERROR: "The server does not accept the request: open the address in a browser.",
    Cause.SERVER_ERROR: "The server has an error: it is retried automatically; if it lasts, tell the publisher.",
    Cause.EMPTY: "The answer is empty: it is retried automatically; if it lasts, tell the publisher.",
    Cause.NOT_A_FEED: "The feed's address is a web page now: find the feed with `aggregator feeds discover <site>`.",
    Cause.NO_LINKS: "No entries were found in the page: its form may have changed; correct `select`, which "
    "`aggregator feeds test <url>` tries.",
    Cause.PROGRAM: "The program of this feed does not work: run it by hand as the user of the service, or correct "
    "`command`.",
    Cause.UNREADABLE: "The answer cannot be read as a feed: `aggregator parse <url>` says why; tell the publisher.",
    Cause.NOT_TEXT: "The entries lead to pictures, sound or files, not to pages: set `full_text = false`.",
    Cause.NO_TEXT: "The pages have no article text: set `full_text = false`, or write a publisher rule.",
    Cause.LOW_QUALITY: "The pages show something else than the article (a consent or pay wall, a listing): set "
    "`full_text = false`, or write a publisher rule.",
    Cause.WALL: "The site answers different articles with one text (a subscription wall, a bot check, a holding page): "
    "they are retried automatically; set `full_text = false` if it lasts.",
    Cause.EXTRACTION_TIMEOUT: "The pages take too long to extract: raise `[extraction] timeout`.",
    Cause.EXTRACTION_CRASHED: "The extraction crashed on these pages: please report one of them to the project.",
    Cause.EXTRACTION_MEMORY: "The pages need too much memory to extract: lower `[http] max_page_size`.",
    Cause.EXTRACTION_FAILED: "The extraction failed on these pages: please report one of them to the project.",
    Cause.RAW_MISSING: "The stored bytes of the pages are gone: check `[storage] raw_dir`; they are fetched again.",
}

PAGE_REMEDIES: Final[Mapping[Cause, str]] = {  # where a page needs another remedy than a feed
    **REMEDIES,
    Cause.DNS: "The entries lead to names that do not resolve: look at one in a browser; tell the publisher.",
    Cause.BAD_URL: "The entries link to no http(s) addresses: tell the publisher, or set `full_text = false`.",
    Cause.TOO_MANY_REDIRECTS: f"The pages redirect again and again, often to a login or consent page: {_RULE}",
    Cause.REDIRECT_LOOP: f"The pages redirect in a circle, often because they want a cookie: {_RULE}",
    Cause.UNAUTHORIZED: "The pages want a login: give the feed one (`username`, `bearer`, `cookies`), or set "
    "`full_text = false`.",
    Cause.NOT_FOUND: "The feed announces pages that are not there: open one in a browser; tell the publisher, or set "
    "`full_text = false`.",
    Cause.GONE: "The publisher removed the pages; stored articles stay. Nothing to do.",
    Cause.NOT_A_FEED: "The pages are no articles: set `full_text = false`.",
    Cause.UNREADABLE: "The pages cannot be read: `aggregator extract URL` says why; tell the publisher.",
}
