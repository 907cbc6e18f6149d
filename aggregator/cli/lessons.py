"""The commands `lessons list`, `forget`, `export` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aggregator.cli.articles import open_store_of
from aggregator.cli.framework import cli, load, number, print_json, print_table, printable, say
from aggregator.errors import ConfigError

if TYPE_CHECKING:
    from aggregator.identity.lessons.standing import Standing
    from aggregator.identity.lessons.variants import Lesson


@cli.group()
def lessons() -> None:
    """Rules about the addresses of a site that were learnt from its pages.

    A lesson says that two addresses of this site are one article if they differ only in one way, such as a tracking
    parameter or the host. Three pairs of fetched pages prove a lesson. After that, an address that differs in this way
    from the address of a known article is not requested. `aggregator why URL` names the lesson that was used.
    """


@lessons.command("list", examples=("aggregator lessons list", "aggregator lessons list --json"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_lessons(ctx: click.Context, as_json: bool) -> None:
    """List all lessons, by site.

    Each line has the numbers of proofs, of contradictions and of uses.
    """
    with open_store_of(load(ctx)) as store:
        known = store.lessons.all()
    if as_json:
        for standing in known:
            print_json(_row(standing))
    else:
        print_table(
            ("site", "lesson", "state", "proofs", "against", "uses", "checked"),
            ([str(value) for value in _cells(standing)] for standing in known),
        )


def _row(standing: Standing) -> dict[str, object]:
    lesson = standing.lesson
    return {
        "site": lesson.tenant,
        "kind": lesson.kind.value,
        "subject": lesson.subject,
        "state": _state(standing),
        "proofs": standing.proofs,
        "against": standing.contradictions,
        "uses": standing.uses,
        "checked_at": None if standing.checked_at is None else standing.checked_at.isoformat(),
        "imported": standing.imported,
    }


def _cells(standing: Standing) -> tuple[object, ...]:
    checked = "-" if standing.checked_at is None else f"{standing.checked_at:%Y-%m-%d}"
    lesson = standing.lesson
    counts = (standing.proofs, standing.contradictions, standing.uses)
    return (lesson.tenant, lesson.subject, _state(standing), *counts, checked)


def _state(standing: Standing) -> str:
    if standing.holds:
        return "holds"
    return "disproved" if standing.contradictions else "unproven"


@lessons.command("forget", examples=("aggregator lessons forget courier.example '?srnd'",))
@click.argument("site")
@click.argument("subject", required=False)
@click.pass_context
def forget_lessons(ctx: click.Context, site: str, subject: str | None) -> None:
    """Forget all lessons of a site, or the one called SUBJECT.

    SUBJECT is written as `lessons list` shows it. An address that the lesson matched to an article is separated from
    it, and its page is fetched. New pages may teach the lesson again. Exit status 1: there is no such lesson.
    """
    with open_store_of(load(ctx), readonly=False) as store:
        count, pages = store.lessons.forget(site, subject)
    print(f"{number(count, 'lesson')} forgotten, {number(pages, 'page')} to be fetched")
    if not count:
        say(f"{site}: taught nothing{'' if subject is None else f' about {subject}'}")
        ctx.exit(1)


@lessons.command("export", examples=("aggregator lessons export > lessons.jsonl",))
@click.pass_context
def export_lessons(ctx: click.Context) -> None:
    """Print the proven lessons, one JSON object on each line."""
    from aggregator.identity.lessons.exchange import line_of

    with open_store_of(load(ctx)) as store:
        known = store.lessons.all()
    for standing in known:
        if standing.holds:
            print(printable(line_of(standing)))


@lessons.command("import", examples=("aggregator lessons import lessons.jsonl",))
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
def import_lessons(ctx: click.Context, file: Path) -> None:
    """Add the lessons of another installation.

    FILE holds what `lessons export` printed there. An imported lesson is used only after one pair of pages has proven
    it here. If a line of the file is invalid, nothing is imported, the message names the line, and the exit status is
    2.
    """
    learnt = _read(file)
    with open_store_of(load(ctx), readonly=False) as store:
        new = store.lessons.add(learnt)
    print(f"{number(len(learnt), 'lesson')} read, {new} of them new")


def _read(file: Path) -> list[Lesson]:
    from aggregator.identity.lessons.exchange import lesson_of

    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is no UTF-8 (byte {error.start})") from None
    learnt: list[Lesson] = []
    for index, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            learnt.append(lesson_of(line))
        except ValueError as error:
            raise ConfigError(f"{file}:{index}: {error}; nothing is imported") from None
    return learnt
