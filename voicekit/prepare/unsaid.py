"""What stands in a text and is not said: marks of sounds, of pauses and of speakers, tags, times, emphasis. Pure.

`cleaned` takes out what is known not to be said. What may stand for words (`[inaudible]`, `<unk>`, brackets with anything else in
them) stays, and `unclear` names it: a clip whose text holds it is never learned from.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence

import regex

from voicekit.prepare.spoken import normalise

# Sounds and pauses, as subtitles and corpora name them; a word of them makes a bracket a mark.
_SOUNDS = (
    r"laugh\p{L}*|chuckl\p{L}*|giggl\p{L}*|sigh\p{L}*|cough\p{L}*|sneez\p{L}*|sniff\p{L}*|snort\p{L}*|gasp\p{L}*|"
    r"breath(?:s|es|ing)?|inhal\p{L}*|exhal\p{L}*|groan\p{L}*|moan\p{L}*|grunt\p{L}*|scream\p{L}*|sob(?:s|bing)|whispers|"
    r"whispering|mumbl\p{L}*|hum(?:s|ming)|whistl(?:es|ing)|throat|music|singing|sings|applau\p{L}*|clapping|cheering|cheers|"
    r"noise\p{L}*|beep\p{L}*|pause|silence|cross-?talk|blank_?audio|no_?speech|voc-?noise|non-?speech|sil|spn|nsn|eps|"
    r"lacht|lachen|gelächter|seufzt|seufzen|hustet|räuspert\p{L}*|musik|applaus|beifall|geräusch\p{L}*|pfeift|"
    r"rires?|soupir\p{L}*|tousse|musique|applaudissements|bruits?|risas?|suspira|suspiros?|tose|música|aplausos|ruidos?|"
    r"risate|musica|applausi|смех|музыка|аплодисменты|笑\p{Han}*|笑い|音乐|音楽|掌声|拍手|咳嗽|咳|沉默|沈黙|음악|웃음|박수"
)
# In square and curly brackets, where nothing is read aloud, also these.
_MORE_SOUNDS = (
    r"breath\p{L}*|whisper\p{L}*|shout\p{L}*|yell\p{L}*|cr(?:y|ies|ying)|swallow\p{L}*|smack\p{L}*|lips?|click\p{L}*|song|"
    r"sing(?:s|ing)|clap\p{L}*|cheer\p{L}*|background|static|bell\p{L}*|ring(?:s|ing)|phone|door|knock\p{L}*|footsteps?|silent|"
    r"quiet|break|overlap\p{L}*|sound\p{L}*|sfx|intro|outro|jingle|sp|ns|lg|sl|br|fil|stille|silencio|silenzio|тишина|atmet"
)
_SOUND = regex.compile(rf"(?:^|[^\p{{L}}])(?:{_SOUNDS})(?:$|[^\p{{L}}])", regex.IGNORECASE)
_ANY_SOUND = regex.compile(rf"(?:^|[^\p{{L}}])(?:{_SOUNDS}|{_MORE_SOUNDS})(?:$|[^\p{{L}}])", regex.IGNORECASE)
_MOST_WORDS = 4  # of a sound in round brackets, which may also be read aloud
# Words were said here, and nobody wrote them.
_UNHEARD = regex.compile(
    r"(?:^|[^\p{L}])(?:inaudible|unintelligible|indistinct|unclear|unverständlich|inaudible|ininteligible|unk|xxx?|yyy|\?+|"
    r"foreign|speaks? \p{L}+|speaking \p{L}+|pii|redacted|anonymi[sz]ed|censored|bleeped)(?:$|[^\p{L}])",
    regex.IGNORECASE,
)
_SPEAKER_MARK = regex.compile(
    r"(?:speaker|spk|sprecher|locuteur|hablante)[\s_-]*(?:\d+|[a-z])|unknown[\s_-]*speaker", regex.IGNORECASE
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,:]\d{1,3})?"
_PAUSE_MARK = regex.compile(r"\d[.,]\d|\.{1,3}")  # of conversation analysis: (0.8), (.)
_TIME_MARK = regex.compile(rf"{_CLOCK}(?:\s*(?:-->|-|–|—|to)\s*{_CLOCK})?|\d+(?:[.,]\d+)?\s*s(?:ec)?")
_PHONES = regex.compile(
    r"(?:(?:AA|AE|AH|AO|AW|AY|EH|ER|EY|IH|IY|OW|OY|UH|UW)[012]?|[BDFGKLMNPRSTVWYZ]|CH|DH|HH|JH|NG|SH|TH|ZH|\s)+"
)

_SQUARE = regex.compile(r"[\[［【]([^\[\]［］【】]{0,80})[\]］】]:?")
_ROUND = regex.compile(r"[(（]([^()（）]{0,80})[)）]:?")
_CURLY = regex.compile(r"\{([^{}]{0,80})\}")
_ANGLE = regex.compile(r"<([^\s<>][^<>]{0,200})>")
_ATTRIBUTES = r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|\S+?))*\s*/?"
_MARKUP = regex.compile(
    r"/?(?:i|b|u|s|c|em|strong|font|span|ruby|rt|rp|lang|br|p|div|speak|say-as|prosody|phoneme|sub|sup|a|v)(?:\.[\w.-]+)*"
    rf"{_ATTRIBUTES}|v(?:\.\S+)?\s[^<>]*|\d{{1,2}}:[\d:.]+",
    regex.IGNORECASE,
)
_MARK_TAG = regex.compile(rf"/?[\p{{L}}!][\p{{L}}\p{{N}}_:.-]*{_ATTRIBUTES}")
_WHILE = regex.compile(rf"[\[<](?:{_SOUNDS})[-_]((?!(?:{_SOUNDS})[\]>])[\p{{L}}'’-]+)[\]>]", regex.IGNORECASE)
_HEADINGS = frozenset(
    "chapter note notes warning caution part section important question answer example step tip update book volume".split()
)
_STARS = regex.compile(r"\*([^*\n]{1,60})\*")
_EMPHASIS = regex.compile(r"(?<![\w*])(\*{1,3}|_{1,3})(?=\S)([^*_]+?)(?<=\S)\1(?![\w*])")
_NOTES = regex.compile(r"[♪♫♬♩]+[^♪♫♬♩]*[♪♫♬♩]+|[♪♫♬♩].*$|^#\s[^#]*\s#$|[♪♫♬♩]+")
_PLACEHOLDER = regex.compile(
    r"names?|persons?|locations?|places?|numbers?|dates?|emails?|phones?|organi[sz]ations?|address(?:es)?", regex.IGNORECASE
)
"""Between < and >, what stands for words that must not be known."""
_SPEAKER_AHEAD = regex.compile(r"^\s*(?:SPEAKER|SPK)_\d+\s+")
_SIGNED_SOUND = regex.compile(rf"(?<!\S)(?:&=[\p{{L}}:]+|#(?:{_SOUNDS})(?!\S))")  # CHAT: &=laughs; #noise
_PICTURES = regex.compile(r"(?![©®™‼⁉ℹ])\p{Extended_Pictographic}[\ufe0f\u200d\p{Emoji_Modifier}]*|(?<!\S)[:;]-?[)(DP](?!\S)")
_WRITTEN_BREAK = regex.compile(r"\\[nNrt]")
_PLUSES = regex.compile(r"\+\+[\p{L}_-]{2,20}\+\+|%[\p{L}_]{3,20}\b(?!\s*\d)|!SIL\b|(?<=\p{L})\(\d\)(?=\s|$|\p{P})")
_DASHES = regex.compile(r"^\s*(?:[-–—‐]\s+|>>+\s*)|(?<=[.?!…]\s)[-–—]\s+(?=\p{Lu})|(?<=\s)>>+\s*")
_TWICE = regex.compile("Ã[\u0080-\u00bf€-™]|â€|Â[\u00a0-\u00bf]")
_ENTITY = regex.compile(r"&(?:#\d{2,6}|#x[0-9a-f]{2,5}|[a-z]{2,8});", regex.IGNORECASE)

_NAME = r"(?!https?\b)[\p{Lu}][\p{L}\p{M}'’._-]*(?:\s[\p{Lu}\p{N}][\p{L}\p{M}'’._-]*){0,2}|[\p{Lu}\p{Lo}\d_ .'-]{2,30}"
_PREFIX = regex.compile(
    rf"^\s*(?:[-–—]\s*|>>+\s*)?(?:[\[(]\s*(?P<marked>[^\[\]()]{{1,40}}?)\s*[\])]\s*:|(?P<plain>{_NAME})(?:\s*[\[(][^\[\]()]*[\])])?\s?[:：](?=\s|\p{{Lo}}))\s*"
)
_PAUSES = frozenset("sp sil spn nsn <eps> <sil> <sp> <spn> <p:> <p> <usb> {ns} !sil <unk_sil> _ - # ... … xxx_sil <> *".split())
"""What a tier of words or phones writes where nobody speaks."""
_MIN_NAMED = 0.5


def cleaned(text: str, subtitles: bool = False) -> tuple[str, tuple[str, ...]]:
    """A text without what is not said, and the marks that were taken out of it. In `subtitles` all that stands in round brackets
    is a mark; elsewhere it may be read aloud."""
    marks: list[str] = []

    def without(pattern: regex.Pattern[str], text: str, is_mark: Callable[[str], bool] = lambda _: True) -> str:
        def take(match: regex.Match[str]) -> str:
            if not is_mark(match[1] if pattern.groups else match[0]):
                return match[0]
            marks.append(normalise(match[0]))
            return " "

        return pattern.sub(take, text)

    text = _WRITTEN_BREAK.sub(" ", text)
    text = html.unescape(text) if _ENTITY.search(text) else text
    text = _once(text) if _TWICE.search(text) else text
    text = _WHILE.sub(r"\1", without(_NOTES, text))  # a word that somebody laughs while saying it
    text = _ANGLE.sub(lambda m: _tag(m, marks), text)
    text = without(_CURLY, text, _in_curly)
    text = without(_SQUARE, text, lambda inside: _is_mark(inside, _ANY_SOUND))
    text = without(_ROUND, text, lambda inside: _is_mark(inside, _SOUND, subtitles))
    text = without(_STARS, text, lambda inside: _is_mark(inside, _SOUND))
    for signs in (_PLUSES, _SIGNED_SOUND, _PICTURES, _SPEAKER_AHEAD):
        text = without(signs, text)
    text = _EMPHASIS.sub(lambda m: m[2], text)
    text = _DASHES.sub(" ", text)
    return normalise(regex.sub(r"\s+(?=[,.;:!?](?:\s|$))", "", text) if marks else text), tuple(marks)


def unclear(text: str) -> str:
    """The first of what in a cleaned text may not be said, or stand for words that nobody wrote; "" for nothing."""
    for pattern in (_SQUARE, _CURLY):
        if (match := pattern.search(text)) is not None:
            return match[0]
    doubtful = (m for pattern in (_ANGLE, _ROUND) for m in pattern.finditer(text))
    unheard = next((m for m in doubtful if _UNHEARD.search(m[1]) or (m.re is _ANGLE and _PLACEHOLDER.fullmatch(m[1]))), None)
    if unheard is not None:
        return unheard[0]
    match = regex.search(r"(?<!\S)(?:xxx|yyy|_{2,}|\(\()(?!\S)|\(\(.*?\)\)", text)
    return match[0] if match else ""


def doubt(text: str) -> str:
    """Why a text cannot be learned, as the reason of its clip; "" if it can."""
    mark = unclear(text)
    return f"unclear text: {mark} may not be said, or stands for words that nobody wrote" if mark else ""


def is_pause(text: str) -> bool:
    """Whether an interval of a tier says that nobody speaks."""
    return normalise(text).lower() in _PAUSES


def without_pauses(text: str) -> tuple[str, tuple[str, ...]]:
    """The words of an interval without marks of silence among them, as forced aligners write them (sil hello sp there sil)."""
    words = normalise(text).split(" ")
    sure = {"sp", "sil", "spn", "nsn"} | {p for p in _PAUSES if p[:1] in "<{!"}
    marks = tuple(w for w in words if w.lower() in sure)
    return " ".join(w for w in words if w.lower() not in sure), marks


def without_speakers(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Texts without the names of speakers in front of them ("ANN: Hello", "[SPEAKER_00]: Hello"), and the names ("" where there
    is none). What is written like a word of the sentence counts as a name only if half of the texts begin so: "Note: it
    rains"."""
    found = [_PREFIX.match(text) for text in texts]
    likely = [m is not None and not _is_certain(m) and _could_be_a_name(m) for m in found]
    filled = sum(bool(text.strip()) for text in texts)
    certain = [m is not None and _is_certain(m) for m in found]
    named = sum(likely) + sum(certain)
    usual = named >= 2 and sum(likely) > 0 and named >= _MIN_NAMED * filled
    rests: list[str] = []
    names: list[str] = []
    for text, match, sure, perhaps in zip(texts, found, certain, likely, strict=True):
        taken = match is not None and (sure or (perhaps and usual))
        rests.append(text[match.end() :] if match is not None and taken else text)
        names.append(normalise(match["marked"] or match["plain"]) if match is not None and taken else "")
    return rests, names


def counted(marks: Iterable[str], into: dict[str, int]) -> None:
    """Add marks to what was left out so far."""
    for mark in marks:
        into[mark] = into.get(mark, 0) + 1


def _once(text: str) -> str:
    """A text that was UTF-8, was taken for Windows-1252 and saved as UTF-8 again (donâ€™t), as it was meant."""
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _tag(match: regex.Match[str], marks: list[str]) -> str:
    """Tags of markup vanish; names of sounds in angle brackets are marks; <unk> stands for a word."""
    inside = match[1].strip()
    if _UNHEARD.search(inside) or _PLACEHOLDER.fullmatch(inside):
        return match[0]
    if _MARKUP.fullmatch(inside):
        return " " if regex.match(r"/?(?:br|p|div)\b", inside, regex.IGNORECASE) else ""
    if not _MARK_TAG.fullmatch(inside) and not _ANY_SOUND.search(inside):
        return match[0]
    if inside.lower() not in ("s", "/s"):
        marks.append(match[0])
    return " "


def _in_curly(inside: str) -> bool:
    """What stands in curly brackets is no words, but phonemes there stand for some."""
    if _UNHEARD.search(inside):
        return False
    return _ANY_SOUND.search(inside) is not None or not _PHONES.fullmatch(inside.strip() or "-")


def _is_mark(inside: str, sounds: regex.Pattern[str], subtitles: bool = False) -> bool:
    """Whether what stands in brackets is no words."""
    inside = inside.strip()
    if not inside or _UNHEARD.search(inside) or regex.search(r"\p{L}:\s*\p{L}", inside):  # [laughing: words that are said]
        return False
    if any(mark.fullmatch(inside) for mark in (_SPEAKER_MARK, _TIME_MARK)) or (
        sounds is _SOUND and _PAUSE_MARK.fullmatch(inside)
    ):
        return True
    return subtitles or (sounds.search(inside) is not None and (sounds is _ANY_SOUND or len(inside.split()) <= _MOST_WORDS))


def _is_certain(match: regex.Match[str]) -> bool:
    """A name in brackets, SPEAKER_00, Speaker 1, or capitals before a text that is not all in capitals."""
    name = match["marked"] or match["plain"]
    if match["marked"] is not None or _SPEAKER_MARK.fullmatch(name.strip()):
        return True
    rest = match.string[match.end() :]
    if name.split()[0].lower().rstrip(".") in _HEADINGS:
        return False
    return len(name) > 1 and name.upper() == name and any(c.isalpha() for c in name) and any(c.islower() for c in rest)


def _could_be_a_name(match: regex.Match[str]) -> bool:
    name = match["plain"] or ""
    return any(c.isalpha() for c in name) and len(name) > 1 and bool(match.string[match.end() :].strip())
