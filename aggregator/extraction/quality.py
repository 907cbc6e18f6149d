"""Is this text an article? Reasons to doubt it, not only a verdict. It changes nothing and extracts nothing.

An empty answer is good. Pages with reasons are retried or kept flagged, never silently taken for articles.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from aggregator.extraction.blocks import letters_of
from aggregator.extraction.json_ld import JsonLd, text_of
from aggregator.extraction.markup import Markup, read_markup
from aggregator.models.records import DateSource, ExtractInput, Extraction
from aggregator.text.languages import language_of, language_tag

Reason = Literal[
    "consent_wall",
    "paywall_stub",
    "bot_check",
    "error_page",
    "login",
    "listing",
    "truncated",
    "wrong_language",
    "implausible_date",
    "too_short",
]


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# What only such pages say; looked for in titles and in short texts, never in an article's full text.
_BOT_CHECK = _any_of(
    r"just a moment",
    r"attention required",
    r"access (?:to this page has been )?denied",
    r"are you (?:a )?(?:human|robot)",
    r"verify(?:ing)? (?:that )?you(?:'re| are)? (?:not a robot|(?:a )?human)",
    r"checking your browser",
    r"pardon our interruption",
    r"unusual traffic",
    r"enable javascript and cookies",
    r"security check",
    r"captcha",
    r"ddos.guard",
    r"bot.?verification",
    r"request unsuccessful\. incapsula",
    r"sicherheitsüberprüfung",
    r"vérification de sécurité",
)
_BOT_MARKUP = _any_of(
    r"cf-browser-verification",
    r"challenge-platform",
    r"cf_chl_",
    r"_Incapsula_Resource",
    r"captcha-delivery\.com",
    r"px-captcha",
    r"g-recaptcha",
    r"h-captcha",
    r"geo\.captcha",
    r"ddos-guard",
)
_CONSENT = _any_of(
    r"(?:accept|reject|allow|manage|we use|uses?) (?:all )?cookies",
    r"cookie (?:consent|settings|policy|preferences)",
    r"your privacy choices",
    r"we value your privacy",
    r"before you continue",
    r"consent to (?:the use|our)",
    r"our (?:\d+ )?partners",
    r"(?:alle )?cookies (?:akzeptieren|zulassen)",
    r"mit werbung (?:und tracking )?(?:weiter|nutzen|lesen)",
    r"datenschutzeinstellungen",
    r"accepter (?:et fermer|les cookies|tout)",
    r"nous (?:et nos partenaires|utilisons des cookies)",
    r"gérer (?:mes|vos) choix",
    r"aceptar (?:todas )?(?:las )?cookies",
    r"utilizamos cookies",
    r"accetta (?:tutti i )?cookie",
    r"alle cookies accepteren",
    r"tracking",
    r"einwilligung",
    r"zustimm",
)
_COOKIES = _any_of(r"cookies?", r"файлы? cookie", r"クッキー")
_CHOICE = _any_of(  # what a wall lets its visitor do, by the stem of the verb
    r"accept|reject|refus|agree|consent|choices?",
    r"akzept|ablehn|zustimm|einwillig|einstellung",
    r"paramétr|choix|continuer sans",
    r"acept|rechaz|configur",
    r"accett|rifiut|acconsent",
    r"accepter|weiger|toestem|aceit|recus|godta|godkän|avvis|hyväksy",
    r"принять|отклонить|соглас",
)
_ERROR = _any_of(
    r"(?:^|\W)(?:404|403|410|500|502|503)(?:\W|$)",
    r"page (?:not found|could not be found|does(?:n't| not) exist)",
    r"not found",
    r"no longer (?:available|exists)",
    r"something went wrong",
    r"service unavailable",
    r"internal server error",
    r"bad gateway",
    r"under maintenance",
    r"temporarily unavailable",
    r"seite (?:wurde )?nicht gefunden",
    r"nicht (?:mehr )?verfügbar",
    r"wartungsarbeiten",
    r"page (?:introuvable|non trouvée)",
    r"página no encontrada",
    r"pagina non trovata",
    r"страница не найдена",
    r"ページが見つかりません",
)
_LOGIN = _any_of(
    r"^(?:log ?in|sign ?in|anmelden|einloggen|connexion|se connecter|iniciar sesión|accedi|inloggen)\b",
    r"forgot(?:ten)? (?:your )?password",
    r"passwort vergessen",
    r"mot de passe oublié",
    r"olvidado (?:tu|su) contraseña",
)
_PASSWORD = re.compile(r"<input\b[^<>]{0,300}type\s*=\s*[\"']?password", re.IGNORECASE)
_PAYWALL = _any_of(
    r"subscribe (?:now )?(?:to|for) (?:continue|read|full|unlimited)",
    r"to (?:continue|keep) reading",
    r"already a subscriber",
    r"(?:this )?(?:article|content|story) is (?:for|only|reserved|exclusive)",
    r"subscribers? only",
    r"become a (?:member|subscriber)",
    r"jetzt (?:weiterlesen|abonnieren|testen)",
    r"weiterlesen mit",
    r"exklusiv für abonnent",
    r"mit .{1,20}\+? ?-?abo",
    r"réservé aux abonnés",
    r"article réservé",
    r"abonnez-vous",
    r"déjà abonné",
    r"para suscriptores",
    r"suscríbete para",
    r"riservato agli abbonati",
    r"会員限定",
    r"有料会員",
    r"для подписчиков",
    r"alleen voor abonnees",
)
_END_OF_STUB = re.compile(r"(?:\.\.\.|…|\[…\]|\[\.\.\.\]|»|›|read more|weiterlesen|lire la suite)\s*$", re.IGNORECASE)

_SENTENCE_ENDS = (".", "!", "?", "…", "”", '"', "。", "।")
_SHORT_CHARS = 1200  # beyond it a text is an article whatever it says of cookies
_TINY_CHARS = 140
_FEW_WORDS_SHARE = 0.5  # of what the page or the feed announce


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """All that the single checks look at."""

    content: Extraction
    page: ExtractInput
    markup: Markup

    @property
    def json_ld(self) -> JsonLd:
        return self.markup.json_ld

    @property
    def is_short(self) -> bool:
        return len(self.content.body) < _SHORT_CHARS


def assess(content: Extraction, page: ExtractInput, markup: Markup | None = None) -> tuple[Reason, ...]:
    """Return the reasons to doubt that this is an article, in a fixed order; none is good.

    `markup` is what `read_markup` gave, if the caller has it. Content of the feed is judged by its date alone.
    """
    evidence = _Evidence(content=content, page=page, markup=markup or read_markup(page))
    checks = _CHECKS if content.source == "page" else _CHECKS_OF_FEED_CONTENT
    return tuple(reason for reason, check in checks.items() if check(evidence))


def _has_article(evidence: _Evidence) -> bool:
    return bool(evidence.json_ld.article.get("headline"))


def _says_enough(evidence: _Evidence) -> bool:
    """Tell whether the page has all that its own articleBody or word count announces; news in brief is short."""
    article = evidence.json_ld.article
    whole, count = letters_of(text_of(article.get("articleBody"))), str(article.get("wordCount") or "")
    if whole:
        return len(letters_of(evidence.content.body)) >= 0.9 * len(whole)
    return count.isdecimal() and len(evidence.content.body.split()) >= 0.9 * int(count)


def _is_tiny(evidence: _Evidence) -> bool:
    return len(evidence.content.body.split()) < 80


def _plain(markup: str) -> str:
    return " ".join(entities.unescape(re.sub(r"<[^<>]{0,2000}>", " ", markup)).split())


def _day(stated: str) -> date | None:
    try:
        return date.fromisoformat((stated[:10] + "-01-01")[:10])
    except ValueError:
        return None


def _is_bot_check(evidence: _Evidence) -> bool:
    if not evidence.is_short or not _BOT_CHECK.search(f"{evidence.content.title}\n{evidence.content.body}"):
        return False
    return bool(_BOT_MARKUP.search(evidence.markup.text)) or _is_tiny(evidence)


def _is_consent_wall(evidence: _Evidence) -> bool:
    if not evidence.is_short:
        return False
    body = evidence.content.body
    words = f"{evidence.content.title}\n{body}"
    said = len(_CONSENT.findall(words))
    speaks_of_cookies = bool(_COOKIES.search(words)) and bool(_CHOICE.search(words))
    is_little = len(body.split()) < 60 and not _has_article(evidence)
    return said >= 3 or (is_little and (said >= 1 or speaks_of_cookies))


def _is_error_page(evidence: _Evidence) -> bool:
    return len(evidence.content.body) < _SHORT_CHARS / 2 and bool(_ERROR.search(evidence.content.title))


def _is_login(evidence: _Evidence) -> bool:
    if not evidence.is_short:
        return False
    says = _LOGIN.search(evidence.content.title.strip()) or _LOGIN.search(evidence.content.body)
    return bool(says) and bool(_PASSWORD.search(evidence.markup.text))


def _is_paywall_stub(evidence: _Evidence) -> bool:
    """A page that names itself not free, or asks for a subscription, and gives little."""
    if not evidence.is_short:
        return False
    free = text_of(evidence.json_ld.article.get("isAccessibleForFree"))
    closed = free.lower() == "false" or evidence.json_ld.article.get("isAccessibleForFree") is False
    asks = bool(_PAYWALL.search(evidence.content.body[-600:]) or _PAYWALL.search(evidence.content.text[-1500:]))
    return closed or (asks and not _says_enough(evidence))


def _is_listing(evidence: _Evidence) -> bool:
    """Many short lines of about the same kind, hardly a sentence, and no word of an article."""
    paragraphs = evidence.content.body.split("\n\n")
    if len(paragraphs) < 8 or _has_article(evidence):
        return False
    sentences = [
        line for line in paragraphs if len(line) > 100 or line.rstrip().endswith((".", "!", "?", "”", '"', "。"))
    ]
    return len(sentences) < len(paragraphs) / 4


def _is_truncated(evidence: _Evidence) -> bool:
    """The page's own word count, its articleBody or the feed announces at least twice as much."""
    words = len(evidence.content.body.split())
    article = evidence.json_ld.article
    announced = text_of(article.get("wordCount")) or str(article.get("wordCount") or "")
    if announced.isdecimal() and 50 < int(announced) < 100_000 and words < _FEW_WORDS_SHARE * int(announced):
        return True
    letters = len(letters_of(evidence.content.body))
    elsewhere = (
        text_of(article.get("articleBody")),
        _plain(evidence.page.feed_html),
        _plain(evidence.page.feed_summary),
    )
    if any(letters < _FEW_WORDS_SHARE * len(letters_of(text)) for text in elsewhere if len(text) > 200):
        return True
    return evidence.is_short and words < 120 and bool(_END_OF_STUB.search(evidence.content.body))


def _is_wrong_language(evidence: _Evidence) -> bool:
    """The text is clearly in another language than the feed says: a translation, a wall, spam."""
    announced = language_tag(evidence.page.feed_language)
    return bool(announced) and language_of(evidence.content.body, announced) != announced


def _has_implausible_date(evidence: _Evidence) -> bool:
    """A day before the web, after the page was seen, or a year away from what the feed says."""
    content, seen = evidence.content, evidence.page.first_seen
    if content.date_source in (DateSource.NONE, DateSource.FIRST_SEEN):
        return False
    day = _day(content.date)
    if day is None or day.year < 1995 or (seen is not None and day > seen.date() + timedelta(days=2)):
        return True
    announced = _day(evidence.page.feed_published)
    return content.date_source is DateSource.PAGE and announced is not None and abs(announced - day).days > 366


def _is_too_short(evidence: _Evidence) -> bool:
    if not evidence.content.text.strip():
        return True  # the seed text is empty
    return len(evidence.content.body.strip()) < _TINY_CHARS and not _says_enough(evidence)


_CHECKS: dict[Reason, Callable[[_Evidence], bool]] = {
    "bot_check": _is_bot_check,
    "consent_wall": _is_consent_wall,
    "error_page": _is_error_page,
    "login": _is_login,
    "paywall_stub": _is_paywall_stub,
    "listing": _is_listing,
    "truncated": _is_truncated,
    "wrong_language": _is_wrong_language,
    "implausible_date": _has_implausible_date,
    "too_short": _is_too_short,
}
_CHECKS_OF_FEED_CONTENT: dict[Reason, Callable[[_Evidence], bool]] = {"implausible_date": _has_implausible_date}
