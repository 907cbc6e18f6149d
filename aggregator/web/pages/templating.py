"""The Jinja2 templates. All values are escaped, and an undefined name in a template is an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from aggregator import __version__
from aggregator.monitoring.overview import title_of
from aggregator.redaction import mask_password
from aggregator.web.pages import filters as words
from aggregator.web.pages.sentences import why_doubtful, why_one
from aggregator.web.public_address import root


@cache
def environment() -> Environment:
    """Return the Jinja2 environment of all templates, with their filters."""
    made = Environment(
        loader=PackageLoader("aggregator.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.without_bidi_controls,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (words.moment, words.stated, words.span, words.size, words.weblink, words.paragraphs, words.xml_text)
    for filter_ in (*filters, words.line_of_xml, words.host, why_one, why_doubtful, title_of, mask_password):
        made.filters[filter_.__name__] = filter_
    made.globals["version"] = __version__
    made.globals["root"] = root
    return made


def render(template: str, *, code: int = 200, **facts: Any) -> Response:  # Any: whatever the template shows
    """Return the answer with the page that `template` makes of `facts`. `code` is its status."""
    return HTMLResponse(environment().get_template(template).render(**facts), code)
