"""The keys of `[[feeds]]` about the feed's articles: titles, language, selectors for its pages. Reads no file."""

from __future__ import annotations

from aggregator.config.values import Language, Section, Texts, TitleParts


class ArticleSettings(Section):
    """Keys for the articles of one feed. Its selectors are written as in publisher rules, and override theirs."""

    title_strip: TitleParts = ()
    """Texts that are removed from the beginning or end of titles, and patterns after "re:"."""
    language: Language = ""
    """The language of its articles, as in "de" or "pt-BR"; "": page, feed and text decide."""
    content: Texts = ()
    """Selectors of the element with the article. The first selector that finds an element is used."""
    strip: Texts = ()
    """Selectors of elements that are not part of the article. All selectors are used."""
    author: Texts = ()
    """Selectors of the author's name."""
    date: Texts = ()
    """Selectors of the date of publication."""
