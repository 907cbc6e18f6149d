"""Sites whose pages are easily taken for one article, or for a wall: a table. No test of its own.

Each trap is a site with a feed, the pages behind it, and which of its addresses are one article.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.citizen import story

DAYS = ("Monday", "Tuesday", "Wednesday")
TOWNS = ("Aston", "Brigg", "Corby")
NAMES = ("Anna Berg", "Carl Dahl", "Emil Falk")
TITLES = ("Council opens the bridge", "Ferry loses its captain", "Museum buys an orchard", "Teacher wins a prize")
SUBSCRIBE = "You have read all free pages of this month. Subscribe now and read without limits on every device. " * 3
ABOUT = "Every week two of us talk about what happened in our town and in the harbour, and what comes next. " * 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stands at an address: a page, or a redirect to `to`."""

    title: str = ""
    body: str = ""
    head: str = ""
    to: str = ""
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """A site: its entries (address, title in the feed), its pages, and the groups of addresses that are one article.

    Addresses in no group are no articles. `doubtful` are those whose articles have a reason to doubt them.
    """

    entries: Sequence[tuple[str, str]]
    pages: Mapping[str, Answer]
    articles: Iterable[Sequence[str]]
    doubtful: Sequence[str] = ()
    failed: Sequence[str] = ()
    language: str = "en"
    others: Mapping[str, Answer] = field(default_factory=dict)  # pages that no feed announces


def canonical(path: str, *, og: bool = False) -> str:
    """Return the declaration of an address; with `og`, also as og:url."""
    return f'<link rel="canonical" href="{path}">' + (f'<meta property="og:url" content="{path}">' if og else "")


def _each(
    titled: Mapping[str, str],
    pages: Mapping[str, Answer],
    *,
    one: Sequence[Sequence[str]] | None = None,
    doubtful: bool = False,
    failed: bool = False,
    others: Mapping[str, Answer] | None = None,
) -> Trap:
    """Return a trap whose addresses are an article each, or the groups `one`."""
    groups = [] if failed else [[path] for path in titled] if one is None else one
    return Trap(
        entries=list(titled.items()),
        pages=pages,
        articles=groups,
        doubtful=list(titled) if doubtful else (),
        failed=list(titled) if failed else (),
        others=others or {},
    )


def _paths(folder: str, names: Iterable[str]) -> list[str]:
    return [f"/{folder}/{name.lower().replace(' ', '-')}" for name in names]


def _section(folder: str, names: Sequence[str], title: str, say: str, head: str, page_title: str = "") -> Trap:
    """Return pages of one shape, one for each name, which stands in the title of the entry and in the text."""
    paths = _paths(folder, names)
    return _each(
        {path: title.format(name) for path, name in zip(paths, names, strict=True)},
        {
            path: Answer(title=(page_title or title).format(name), body=f"<p>{say.format(name)}</p>", head=head)
            for path, name in zip(paths, names, strict=True)
        },
    )


def _wall(titles: Sequence[str], *, title: str, text: str, head: str = "", doubtful: bool = False) -> Trap:
    """Return a wall that stands at every entry; title and text may echo the title of the entry."""
    paths = [f"/a/{n}/the-{n}" for n in range(len(titles))]
    pages = {
        path: Answer(title=title.format(one), body=f"<p>{text.format(one)}</p>", head=head)
        for path, one in zip(paths, titles, strict=True)
    }
    return _each(dict(zip(paths, titles, strict=True)), pages, doubtful=doubtful, failed=not doubtful)


def _same_text_traps() -> dict[str, Trap]:
    text = story("one text for all")
    numbers = ("100", "200", "300")
    return {
        "podcasts with one description": _section("episode", NAMES, "We talk to {}", ABOUT, ""),
        "podcasts that name their show": _section(
            "episode", NAMES, "We talk to {}", ABOUT, canonical("/show", og=True)
        ),
        "untranslated pages in /fr/": _each(
            dict.fromkeys(("/en/story/the-harbour", "/fr/story/the-harbour"), "The harbour"),
            dict.fromkeys(("/en/story/the-harbour", "/fr/story/the-harbour"), Answer(title="The harbour", body=text)),
        ),
        "two blogs of one platform": _each(
            dict.fromkeys(("/@ann/hello", "/@bob/hello"), "Hello world"),
            dict.fromkeys(("/@ann/hello", "/@bob/hello"), Answer(title="Hello world", body=text)),
        ),
        "job ads": _section("jobs", TOWNS, "Nurse wanted in {}", ABOUT, "", "Nurse wanted"),
        "events with a date": _each(
            {f"/event?date=2026-05-{day}": "Market in the harbour" for day in ("03", "10")},
            {f"/event?date=2026-05-{day}": Answer(title="Market in the harbour", body=text) for day in ("03", "10")},
        ),
        "products that differ in a number": _section("shop", numbers, "Charger model {}", ABOUT + " Model {}.", ""),
        "products by parameter": _each(
            {f"/product?sku={n}": f"Charger model {n}" for n in numbers},
            {f"/product?sku={n}": Answer(title="Charger model", body=f"<p>{ABOUT}</p>") for n in numbers},
        ),
    }


def _look_alikes() -> dict[str, Trap]:
    wire = story("wire", 8)
    return {
        "galleries": _section("gallery", DAYS, "Pictures of {}", "Photograph: the harbour on {}.", "", "In pictures"),
        "lottery": _section(
            "lottery", ("3 May", "10 May", "17 May"), "Lottery numbers {}", "Drawn on {}: 5, 9, 17, 31.", "", "Lottery"
        ),
        "lottery that names its section": _section(
            "numbers",
            ("3 May", "10 May", "17 May"),
            "Lottery numbers {}",
            "Drawn on {}: 5, 9, 17, 31. All of them without guarantee.",
            canonical("/numbers", og=True),
            "Lottery",
        ),
        "weather that names its section": _section(
            "weather",
            DAYS,
            "Weather for {}",
            "Rain in the morning and a cold wind in the evening of {}, then it gets better. Take an umbrella with you.",
            canonical("/weather", og=True),
            "Weather",
        ),
        "horoscopes": _section(
            "stars", ("Aries", "Taurus", "Gemini"), "Horoscope: {}", ABOUT + " So it is for {}.", canonical("/sky")
        ),
        "weekly columns with one title": _each(
            {f"/column/{n}": "The week in our town" for n in range(3)},
            {f"/column/{n}": Answer(title="The week in our town", body=story(f"week {n}")) for n in range(3)},
        ),
        "translations": _each(
            {"/de/a/hafen-in-der-stadt": "Der Hafen", "/en/a/harbour-in-the-town": "The harbour"},
            {
                "/de/a/hafen-in-der-stadt": Answer(
                    title="Der Hafen",
                    body="<p>" + "Der Hafen wird gebaut, und die Stadt freut sich darüber sehr. " * 9 + "</p>",
                    head='<link rel="alternate" hreflang="en" href="/en/a/harbour-in-the-town">',
                ),
                "/en/a/harbour-in-the-town": Answer(
                    title="The harbour",
                    body="<p>" + "The harbour is being built, and the town is very happy about that. " * 9 + "</p>",
                    head='<link rel="alternate" hreflang="de" href="/de/a/hafen-in-der-stadt">',
                ),
            },
        ),
        "city editions": _section("city", TOWNS, "Trains stop in {}", ABOUT + " In {} they stop all day.", ""),
        "wire updates": _each(
            {"/wire/storm-kills-two": "Storm kills two", "/wire/storm-kills-five": "Storm kills five"},
            {
                "/wire/storm-kills-two": Answer(title="Storm kills two", body=wire),
                "/wire/storm-kills-five": Answer(title="Storm kills five", body=wire + story("more", 1)),
            },
        ),
        "live blogs on two days": _each(
            {f"/live/2026/05/0{n}/council": f"Council, day {n}" for n in (1, 2)},
            {
                f"/live/2026/05/0{n}/council": Answer(title="The council, live", body=story(f"day {n}", 8))
                for n in (1, 2)
            },
        ),
        "page 2": _each(
            {"/long/read": "A long read", "/long/read?page=2": "A long read"},
            {
                "/long/read": Answer(title="A long read", body=story("first"), head=canonical("/long/read")),
                "/long/read?page=2": Answer(title="A long read", body=story("second"), head=canonical("/long/read")),
            },
        ),
        "comments page": _each(
            {"/news/the-old-bridge": "The old bridge", "/news/the-old-bridge/comments": "The old bridge: comments"},
            {
                "/news/the-old-bridge": Answer(title="The old bridge", body=story("bridge")),
                "/news/the-old-bridge/comments": Answer(title="The old bridge: comments", body=story("readers say")),
            },
        ),
        "obituaries": _section("memory", NAMES, "In memory of {}", "We remember {}. The family.", "", "In memory"),
        "press releases": _section("press", TOWNS, "New office in {}", ABOUT + " We open in {}." + ABOUT, ""),
        "print pages": _each(
            {f"/print?id={n}": title for n, title in enumerate(TITLES)},
            {f"/print?id={n}": Answer(title="Print version", body=story(title)) for n, title in enumerate(TITLES)},
        ),
    }


def _templates() -> dict[str, Trap]:
    """Return pages of a template that declares a wrong address."""

    def declaring(head: str, **others: Answer) -> Trap:
        titled = {f"/a/{n}/the-{n}": title for n, title in enumerate(TITLES)}
        pages = {path: Answer(title=title, body=story(title), head=head) for path, title in titled.items()}
        return _each(titled, pages, others=others)

    return {
        "all name the home page": declaring(canonical("/", og=True)),
        "all name one article": declaring(canonical("/a/0/the-0", og=True)),
        "all name a page of nobody": declaring(canonical("/x/nobody", og=True)),
        "og:url is one for all": declaring('<meta property="og:url" content="/x/nobody">'),
        "one AMP page for all": declaring('<link rel="amphtml" href="/x/nobody/amp-page">'),
        "one short link for all": declaring('<link rel="shortlink" href="/?p=1">'),
        "all redirect to the home page": Trap(
            entries=[(f"/a/{n}/the-{n}", title) for n, title in enumerate(TITLES)],
            pages={f"/a/{n}/the-{n}": Answer(to="/") for n in range(len(TITLES))},
            others={"/": Answer(title="The Example", body=story("home"))},
            articles=(),
            failed=[f"/a/{n}/the-{n}" for n in range(len(TITLES))],
        ),
    }


def _walls() -> dict[str, Trap]:
    lottery = tuple(f"Lottery numbers {day} May" for day in (3, 10, 17, 24))
    weather = tuple(f"Weather for {day}" for day in DAYS)
    both = canonical("/consent", og=True)
    echo = "You want to read: {}. " + SUBSCRIBE
    return {
        "a wall": _wall(TITLES, title="Subscribe", text=SUBSCRIBE, head=both),
        "an error page": _wall(TITLES, title="Page not found", text="There is nothing here.", head=""),
        "a wall before lottery numbers": _wall(lottery, title="Subscribe", text=SUBSCRIBE, head=both),
        "a wall before titles of one shape": _wall(
            weather, title="Subscribe", text=SUBSCRIBE, head=both, doubtful=True
        ),
        "a wall that echoes titles of one shape": _wall(weather, title="{}", text=SUBSCRIBE, head=both, doubtful=True),
        "a wall that echoes the title": _wall(TITLES, title="{}", text=SUBSCRIBE, head=both, doubtful=True),
        "a wall that echoes the title alone": _wall(TITLES, title="{}", text=SUBSCRIBE, doubtful=True),
        "a wall that echoes it in its text": _wall(TITLES, title="Subscribe", text=echo, head=both, doubtful=True),
        "a wall that echoes it twice": _wall(TITLES, title="{0}", text=echo, head=canonical("/x/y"), doubtful=True),
    }


def _articles() -> dict[str, Trap]:
    """Return what is one article, or no wall."""
    posts = "".join(f"<h2>{title}</h2>{story(title, 1)}" for title in TITLES)
    live = [f"/live/x?post={n}" for n in range(len(TITLES))]
    edited = [f"/e/x?rev={n}" for n in range(5)]
    storm = [f"Storm kills {n} people in our town" for n in ("two", "three", "four", "five", "six")]
    short = "".join(f"<p>{title}. {one}</p>" for title in TITLES for one in ("It was so on this day.",))
    return {
        "a live blog": _each(
            dict(zip(live, TITLES, strict=True)),
            {path: Answer(title="The day in our town", body=posts, head=canonical("/live/x")) for path in live},
            one=[live],
        ),
        "a round-up": _each(
            dict(zip(live, TITLES, strict=True)),
            {path: Answer(title="In short", body=short, head=canonical("/live/x", og=True)) for path in live},
            one=[live],
        ),
        "an edited headline": _each(
            dict(zip(edited, storm, strict=True)),
            {path: Answer(title=storm[-1], body=story("storm"), head=canonical("/e/x", og=True)) for path in edited},
            one=[edited],
        ),
        "two headlines in two feeds": _each(
            {"/n/12345?from=a": TITLES[0], "/n/12345?from=b": "All about the new crossing"},
            dict.fromkeys(
                ("/n/12345?from=a", "/n/12345?from=b"),
                Answer(title=TITLES[0], body=story("crossing"), head=canonical("/n/12345", og=True)),
            ),
            one=[("/n/12345?from=a", "/n/12345?from=b")],
        ),
        "an unknown parameter": _each(
            {"/n/the-mill?maca=rss": "The mill", "/n/the-mill": "The mill"},
            dict.fromkeys(("/n/the-mill?maca=rss", "/n/the-mill"), Answer(title="The mill", body=story("mill"))),
            one=[("/n/the-mill?maca=rss", "/n/the-mill")],
        ),
    }


TRAPS = {**_same_text_traps(), **_look_alikes(), **_templates(), **_walls(), **_articles()}
