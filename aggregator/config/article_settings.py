"""The keys of `[[feeds]]` about the feed's articles: titles, language, selectors for its pages. Reads no file."""

from __future__ import annotations

from aggregator.config.values import Language, Section, Texts, TitleParts


class ArticleSettings(Section):
    """Keys for the articles of one feed. Its selectors are written as in publisher rules, and override theirs."""

    title_strip: TitleParts = ()
    """What is taken out of titles: texts at their beginning or end, patterns after "re:"."""
    language: Language = ""
    """The language of its articles, as in "de" or "pt-BR"; "" is what page, feed and text say."""
    content: Texts = ()
    """Selectors of what holds the article: the first that finds anything."""
    strip: Texts = ()
    """Selectors of what is no part of it; all hold."""
    author: Texts = ()
    """Selectors of who wrote it."""
    date: Texts = ()
    """Selectors of when it was published."""
