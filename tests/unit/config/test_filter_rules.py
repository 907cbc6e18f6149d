"""`[filter]` and the rules of feeds: what is read, what is refused and how, what rules come of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.config.loading import config_schema, load_config, show
from aggregator.config.wiring import filters_of
from aggregator.errors import ConfigError

FEED = '[[feeds]]\nurl = "https://user:secret@news.example.org/feed"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "aggregator.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[filter]\nskip = [\n  { title = \"x\" },\n  # { title = 're:(?=x)' },\n  { title = 're:(?=x)' },\n]\n",
            'line 5: filter.skip[1].title: "re:(?=x)" has a look-ahead, which RE2 cannot do: (?=',
        ),
        (
            FEED + 'skip = [{ name = "n", text = "re:(a)\\\\1" }]\n',
            'line 3: feeds[0].skip[0].text: "re:(a)\\\\1" has a back-reference or an unknown escape, '
            "which RE2 cannot do: \\1",
        ),
        (
            "[filter]\nskip = [{ title = '''re:(\n''' }]\n",
            'filter.skip[0].title: "re:(\\n" is no regular expression (missing ): (\\n)',
        ),
        (
            '[filter]\nskip = [{ titel = "x" }]\n',
            'filter.skip[0].titel: no such field of a rule; did you mean "title"?',
        ),
        ('[filter]\nskip = "x"\n', 'filter.skip: "x" is not a list of rules; write [{ title = "words" }]'),
        (FEED + "keep = 3\n", 'feeds[0].keep: 3 is not a list of rules; write [{ title = "words" }]'),
        ("[filter]\nskip = [3]\n", 'filter.skip[0]: 3 is not a rule; write { title = "words" }'),
        (
            '[filter]\nskip = [{ name = "x" }]\n',
            'filter.skip[0]: {"name": "x"} asks nothing, so it would fit everything; write { title = "words" }',
        ),
        (
            '[filter]\nkeep = [{ title = "" }]\n',
            'line 2: filter.keep[0].title: "" is empty; write words, or "re:" and a pattern',
        ),
        ("[filter]\nskip = [{ words = 80 }]\n", "filter.skip[0].words: 80 is not a text; write it in quotes"),
        (
            '[filter]\nskip = [{ words = "80" }]\n',
            'line 2: filter.skip[0].words: "80" is no bound of words; write "<80" or ">2000"',
        ),
        (
            '[filter]\nskip = [{ age = ">30" }]\n',
            'line 2: filter.skip[0].age: ">30" has no unit; write "30d", after the sign',
        ),
        (
            '[filter]\nskip = [{ language = "german" }]\n',
            'line 2: filter.skip[0].language: "german" is no code of a language; write one such as "de" or "pt-br"',
        ),
        ("[filter]\nskp = []\n", 'filter.skp: no such key; did you mean "skip"?'),
        ("filter = []\n", "filter: [] is not a table; write [filter] on a line of its own and its keys below"),
    ],
)
def test_errors_name_file_line_key_and_remedy(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value) == f"{path}: {message}"


def test_rules_may_stand_in_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    config = load_config(path, {"AGGREGATOR_FILTER__SKIP": '[{ title = "sport" }]'})
    assert [rule.title for rule in config.filter.skip] == ["sport"]
    with pytest.raises(ConfigError, match=r"^AGGREGATOR_FILTER__SKIP\[0\].title: .* has a look-ahead"):
        load_config(path, {"AGGREGATOR_FILTER__SKIP": '[{ title = "re:(?!x)" }]'})


def test_the_rules_of_a_configuration(tmp_path: Path) -> None:
    text = (
        '[filter]\nkeep = [{ language = "de", words = ">80" }]\n' + FEED + 'skip = [{ title = "a", name = "no a" }]\n'
    )
    filters = filters_of(load_config(written(tmp_path, text), {}))
    everywhere, own = filters.sets_of("https://user:secret@news.example.org/feed")
    assert [(rule.name, rule.place) for rule in everywhere.keep] == [
        ('language = "de", words = ">80"', "aggregator.toml: filter.keep[0]")
    ]
    assert [(rule.name, rule.place) for rule in own.skip] == [
        ("no a", "feed https://user:***@news.example.org/feed: skip[0]")
    ]


def test_a_change_of_the_rules_changes_the_digest(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        return filters_of(load_config(written(tmp_path, text), {})).digest

    texts = [
        "",
        '[filter]\nskip = [{ title = "a" }]\n',
        '[filter]\nkeep = [{ title = "a" }]\n',
        FEED + 'skip = [{ title = "a" }]',
    ]
    assert digest("") == digest(FEED) == ""
    assert len({digest(text) for text in texts}) == len(texts)
    assert digest(texts[1]) == digest(texts[1] + "[polling]\nworkers = 3\n")


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    text = '[filter]\nskip = [{ title = "a", age = ">3d" }]\n' + FEED + "keep = [{ text = 're:\\d' }]\n"
    config = load_config(written(tmp_path, text), {})
    again = load_config(written(tmp_path, show(config).replace("user:***@", "user:secret@")), {})
    assert (again.filter, again.feeds[0].keep) == (config.filter, config.feeds[0].keep)


def test_the_schema_knows_the_fields_of_rules() -> None:
    rule = config_schema()["$defs"]["FilterRule"]
    assert {"title", "url", "author", "category", "language", "text", "feed", "words", "age", "name"} == {
        *rule["properties"]
    }
    assert rule["additionalProperties"] is False
