"""The pages about articles: the list, one article with its evidence, two articles compared, the raw page."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from aggregator.identity.fingerprint import compare, fingerprint
from aggregator.models.articles import Article
from aggregator.ports.readings import ArticleSearch
from aggregator.sinks.records import document
from aggregator.text.encoding import decode
from aggregator.web.article_search import find, query_string, read_search
from aggregator.web.pages.differences import compare_lines, differences
from aggregator.web.pages.structure import structured
from aggregator.web.pages.templating import render
from aggregator.web.public_address import root
from aggregator.web.state import Site

_ARTICLES_A_PAGE: Final = 50
_SCORED: Final = 5  # duplicates that are compared for the page
_WHOLE: Final = 10**6  # lines beside a change: all of them
# A raw page may show its own style and nothing else: no script, no picture, nothing from elsewhere.
_RAW_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)


def add_articles(router: APIRouter, site: Site) -> None:
    """Add the pages about articles to `router`."""

    @router.get("/articles")
    def articles(wanted: Annotated[ArticleSearch, Depends(read_search)]) -> Response:
        """Show the articles that match the search, or the newest articles if there is no search."""
        wanted = replace(wanted, limit=_ARTICLES_A_PAGE)
        page = find(site, wanted)
        more = query_string(wanted, after=page.next) if page.next else ""
        titles = site.store.feed_titles({one.article.feed for one in page.found})
        return render("articles.html", wanted=wanted, page=page, more=more, start=query_string(wanted), titles=titles)

    @router.get("/articles/{article_id}")
    def article(article_id: str) -> Response:
        """Show an article: its text, the feeds and addresses it came from, its revisions, its near duplicates.

        The id of a merged article redirects to the article that it was merged into.
        """
        found = site.article(article_id)
        if found.id != article_id:
            return RedirectResponse(f"{root()}/articles/{found.id}", status_code=302)
        return _show(site, found)

    @router.get("/articles/{article_id}/text")
    def text(article_id: str, layout: Annotated[Literal["seed", "body", "markdown"], Query()] = "seed") -> Response:
        """Return the text of an article as a file to download."""
        found = site.article(article_id)
        name = f"{found.id}.{'md' if layout == 'markdown' else 'txt'}"
        return PlainTextResponse(
            document(found.content, layout) + "\n", headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )

    @router.get("/articles/{article_id}/raw")
    def raw(article_id: str) -> Response:
        """Show the raw page from which an article was extracted. Its scripts do not run, and it loads nothing."""
        found = site.article(article_id)
        body = site.raw_page(found)
        response = next(iter(site.store.raw_of(found.id)), None)
        headers = {} if response is None else {name.lower(): value for name, value in response.headers.items()}
        page = decode(body, content_type=headers.get("content-type", ""))
        answer = render("raw.html", article=found, page=page)
        answer.headers["Content-Security-Policy"] = _RAW_POLICY
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
        return answer

    @router.get("/articles/{article_id}/beside/{other_id}")
    def beside(article_id: str, other_id: str) -> Response:
        """Show two articles side by side. Passages that only one of them has are marked."""
        one, other = site.article(article_id), site.article(other_id)
        prints = [fingerprint(each.content.body).hashes for each in (one, other)]
        return render(
            "beside.html",
            one=one,
            other=other,
            similarity=compare(*prints) if all(prints) else None,
            lines=tuple(compare_lines(_lines(one), _lines(other), context=_WHOLE)),
            titles=site.store.feed_titles({one.feed, other.feed}),
        )


def _show(site: Site, found: Article) -> Response:
    duplicates = _duplicates(site, found)
    trace = site.store.trace(found.urls, (found.key,))
    feeds = {*found.feeds, *(one.feed for one, _ in duplicates), *(one.feed for one in trace.entries)}
    return render(
        "article.html",
        article=found,
        body=structured(found.content),
        text=document(found.content, "seed"),
        differences=differences(site.store.revisions(found.id)),
        duplicates=duplicates,
        merged=[one for one in trace.articles if one.merged_into == found.id],
        trace=trace,
        has_raw=bool(found.raw),
        titles=site.store.feed_titles(feeds),
    )


def _duplicates(site: Site, found: Article) -> list[tuple[Article, float | None]]:
    """Return the near duplicates of an article, each with the share of passages that both texts have.

    The share is computed for the first five only; for the others it is None.
    """
    ids = (found.near_duplicate_of, *site.store.near_duplicates(found.id))
    others = [other for one in ids if one is not None and (other := site.store.article(one)) is not None]
    own = fingerprint(found.content.body).hashes if others else frozenset()
    scores = [compare(own, fingerprint(other.content.body).hashes).resemblance for other in others[:_SCORED]]
    return list(zip(others, [*scores, *[None] * len(others[_SCORED:])], strict=True))


def _lines(article: Article) -> list[str]:
    return [article.content.title, *(line for line in article.content.body.split("\n") if line.strip())]
