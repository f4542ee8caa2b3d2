"""How clips look on the review page: the summary above, the list, and one clip with its grades and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio_app.markup import badge, button, items, minutes, page, tag, text, tile
from voicekit.records import Clip, Verdict
from voicekit.review import Reading, Review, Reviewed, Speaker, kind_of, marked, readings, reason_in_words

SHOWN = 400
ALL = "all"
REASON = "reason: "
_LEFT_OUT, _BY_HAND = "left out by hand", "Decided by hand"
_FITS: dict[str, tuple[str, Callable[[Reviewed], bool]]] = {
    ALL: ("All", lambda r: True),
    "used": ("Used", lambda r: is_used(r)),
    "out": ("Left out", lambda r: not is_used(r)),
    "hand": (_BY_HAND, lambda r: r.by_hand),
}

# Until the clip that was asked for is seen, nothing can be done to the one that is still there.
ROW_CLICKS = """const wait = () => {
  const detail = document.querySelector('.detail');
  detail?.classList.add('waiting');
  setTimeout(() => detail?.classList.remove('waiting'), 4000);
};
document.addEventListener('click', (event) => { if (event.target.closest('#next')) wait(); });
element.addEventListener('click', (event) => {
  const row = event.target.closest('[data-act]');
  if (!row) return;
  if (!row.matches('.chosen')) {
    element.querySelectorAll('.chosen').forEach((other) => other.classList.remove('chosen'));
    row.classList.add('chosen');
    wait();
  }
  trigger('click', {...row.dataset});
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.matches('[data-act]')) event.target.click();
});"""
SEEN = "watch('value', () => document.querySelector('.detail')?.classList.remove('waiting'));"

# A click on a word is an event; the player goes to where the second half would begin.
WORD_CLICKS = """element.addEventListener('click', (event) => {
  const word = event.target.closest('[data-act]');
  if (!word) return;
  const player = document.querySelector('#clip audio');
  if (player) player.currentTime = Number(word.dataset.end);
  trigger('click', {...word.dataset});
});"""


def is_used(row: Reviewed) -> bool:
    return row.clip.verdict is Verdict.ACCEPTED


def fits(row: Reviewed, wanted: str) -> bool:
    """Whether a clip belongs to what the list shows: a key of the filters, or one reason."""
    if wanted.startswith(REASON):
        return not is_used(row) and kind_of(row.clip.reason) == wanted.removeprefix(REASON)
    return _FITS.get(wanted, _FITS[ALL])[1](row)


def where(clip: Clip) -> str:
    """Its recording, and where it begins there."""
    start_s = clip.start_sample / clip.sample_rate_hz if clip.sample_rate_hz else 0.0
    if start_s < 1:
        return clip.recording
    return f"{clip.recording} · {start_s:.1f} s" if start_s < 60 else f"{clip.recording} · {_clock(start_s)}"


def summary(review: Review) -> str:
    """How much can be used, what would help, and what is left out for which reason."""
    s = review.summary
    by_hand = sum(r.by_hand for r in review.clips)
    least = f"{s.needed_s:.0f} s are the least" if not s.enough else "3 minutes and more make a good voice"
    out_s = sum(r.seconds for r in s.rejected)
    tiles = (
        tile("Usable speech", minutes(s.usable_s), least),
        tile("Clips used", f"{s.accepted} of {s.clips}", f"{by_hand} decided by hand" if by_hand else "as the machine says"),
        tile("Left out", str(s.clips - s.accepted), f"{minutes(out_s)} of sound" if s.rejected else "every clip is used"),
    )
    panels = [p for p in (_advice(review), _reasons(review), _voices(review.speakers)) if p]
    below = tag("div", *panels, css=("", "pair", "trio")[len(panels) - 1]) if panels else ""
    return page(tag("div", *tiles, css="cards three"), '<div class="gap"></div>' if below else "", below)


def chips(review: Review, wanted: str) -> str:
    """What the list can be limited to, with how many clips each has."""
    keys = {key: title for key, (title, _) in _FITS.items()}
    if wanted.startswith(REASON):
        keys[wanted] = wanted.removeprefix(REASON).capitalize()
    return page(tag("div", *(_chip(review, key, title, key == wanted) for key, title in keys.items()), css="chips", role="group"))


def table(rows: Sequence[Reviewed], chosen: str) -> str:
    if not rows:
        return page(tag("div", tag("p", text("No clip fits this choice."), css="soft none"), css="rows"))
    more = len(rows) - SHOWN
    note = tag("p", text(f"and {more} more: limit the list above to see them"), css="faint none") if more > 0 else ""
    heads = tag("tr", tag("th", *(tag("span", h) for h in ("Clip", "Length", "SNR", "Match", "")), css="clip-line"))
    return page(tag("div", tag("table", heads, *(_row(r, chosen) for r in rows[:SHOWN])), note, css="rows tall"))


def title(row: Reviewed) -> str:
    return tag(
        "div", tag("b", text(where(row.clip))), tag("span", text(_why(row)), css="reason"), _verdict(row), css="clip-title"
    )


def words(clip: Clip, cut: int) -> str:
    """The words in order; a click on one chooses to part the clip after it (`cut` of them come before)."""
    if not clip.audio:
        return ""
    if not clip.transcript.words:
        missing = "Where its words are is not known: correct the text, or find them again."
        return page(
            tag("p", text(missing if clip.transcript.text else "Nobody wrote down what is said: write it below."), css="soft")
        )
    parts: list[str] = []
    last = len(clip.transcript.words)
    for number, word in enumerate(clip.transcript.words, 1):
        facts = {"data-act": "cut", "data-word": str(number), "data-end": f"{word.end_s:.3f}"}
        state = (
            {"disabled": "disabled"}
            if number == last
            else {"title": f"Part after “{word.text}”", "aria-pressed": _yes(number == cut)}
        )
        parts.append(
            tag("button", text(word.text), css="word before" if number <= cut else "word", type="button", **facts, **state)
        )
        if number == cut:
            parts.append(tag("span", "✂", css="cut", **{"aria-hidden": "true"}))
    return page(tag("div", *parts, css="panel words"))


def grades(row: Reviewed, review: Review) -> str:
    """Every grade with its unit and, where there is one, the limit that it keeps or does not; the words that differ below."""
    shown = readings(row.clip, review.spec)
    if not shown:
        return ""
    return page(tag("div", *(_grade(r) for r in shown), css="grades"), _differing(row.clip, review.spec.language))


def _differing(clip: Clip, language: str) -> str:
    said_ = clip.transcript
    if not said_.heard:
        return ""
    written, heard = marked(said_.text, said_.heard, language)
    if not any(differs for _, differs in (*written, *heard)):
        return tag("p", text("A transcriber heard the same words."), css="faint after")
    lines = (
        tag("dt", "Text") + tag("dd", _marked(written, "lacking")),
        tag("dt", "Heard") + tag("dd", _marked(heard, "instead")),
    )
    return tag("dl", *lines, css="facts differing")


def _marked(line: Sequence[tuple[str, bool]], css: str) -> str:
    return " ".join(tag("mark", text(word), css=css) if differs else text(word) for word, differs in line) or "–"


def _grade(r: Reading) -> str:
    value = r.value or "not measured"
    kind = "grade fails" if r.fails else "grade" if r.value else "grade unknown"
    limit = r.limit or ("no limit" if r.value else "")
    parts = (tag("div", text(r.title), css="label"), tag("div", text(value), css="value"), tag("div", text(limit), css="beside"))
    return tag("div", *parts, css=kind, title=r.meaning)


def _advice(review: Review) -> str:
    advice, notes = review.summary.advice, [text(note) for note in review.notes]
    if review.summary.with_less:
        steps = ", ".join(line.split(":")[0] for line in review.summary.with_less)
        better = f"{tag('code', 'voicekit models list')} says what could do it better."
        notes.append(text(f"Done with what is bundled: {steps}. ") + better)
    if not advice and not notes:
        return ""
    head = tag("h3", text("What would help most" if advice else "Good to know"))
    more = tag("div", *(tag("p", line, css="faint") for line in notes), css="after") if notes else ""
    return tag("div", head, items(advice), more, css="panel advice")


def _reasons(review: Review) -> str:
    rejected = review.summary.rejected
    if not rejected:
        return ""
    rows = [
        tag(
            "tr",
            tag("td", text(_BY_HAND if r.reason == _LEFT_OUT else r.reason.capitalize())),
            tag("td", text(str(r.count)), css="num"),
            tag("td", text(minutes(r.seconds) if r.seconds >= 10 else f"{r.seconds:.1f} s"), css="num"),
            tag("td", button("Show", "filter", filter=REASON + r.reason)),
            title=r.example,
        )
        for r in rejected
    ]
    heads = tag("tr", *(tag("th", h) for h in ("Left out because", "Clips", "Sound", "")))
    return tag("div", tag("table", heads, *rows), css="panel reasons")


def _voices(speakers: Sequence[Speaker]) -> str:
    """Who was found in recordings of several speakers, and who of them is taken."""
    if not speakers:
        return ""
    rows = [
        tag(
            "tr",
            tag("td", text(f"{s.label} in {s.recording}")),
            tag("td", text(minutes(s.speech_s)), css="num"),
            tag("td", text("" if s.cosine is None else f"{s.cosine:.2f}"), css="num"),
            tag("td", badge("taken", "good") if s.wanted else badge("left out")),
        )
        for s in speakers
    ]
    like = "Likeness" if any(s.cosine is not None for s in speakers) else ""
    heads = tag("tr", *(tag("th", h) for h in ("Who speaks", "Speech", like, "")))
    why = tag("p", text("Is it another's voice? Go back to the recordings and choose."), css="faint after")
    return tag("div", tag("div", tag("table", heads, *rows), css="scroll"), why, css="panel voices-found")


def _chip(review: Review, key: str, title_: str, on: bool) -> str:
    count = sum(fits(r, key) for r in review.clips)
    facts = {"data-act": "filter", "data-filter": key, "aria-pressed": _yes(on)}
    return tag(
        "button", text(title_), " ", tag("span", str(count), css="count"), css="chip on" if on else "chip", type="button", **facts
    )


def _row(row: Reviewed, chosen: str) -> str:
    clip, grades_ = row.clip, row.clip.grades
    sound = bool(clip.audio)
    line = (
        tag("b", text(where(clip))),
        tag("span", f"{clip.duration_s:.1f} s" if sound else "–", css="num"),
        tag("span", f"{grades_.snr_db:.0f} dB" if sound else "–", css="num"),
        tag("span", f"{grades_.script_match:.2f}" if sound and clip.transcript.text else "–", css="num"),
        badge("used", "good") if is_used(row) else badge("left out", "warn"),
    )
    hand = tag("span", "by hand" if row.by_hand else "changed by hand", css="hand") if row.by_hand or row.changed else ""
    below = tag("div", tag("span", text(clip.transcript.text or "no text"), css="said"), hand, css="said-line")
    reason = tag("div", text(why), css="reason") if (why := _why(row)) else ""
    css = "pick chosen" if clip.id == chosen else "pick"
    facts = {"data-act": "pick", "data-clip": clip.id}
    return tag("tr", tag("td", tag("div", *line, css="clip-line"), below, reason), css=css, tabindex="0", **facts)


def _why(row: Reviewed) -> str:
    """Why a clip is left out, where the machine knows."""
    return "" if is_used(row) or row.clip.reason == _LEFT_OUT else reason_in_words(row.clip)


def _verdict(row: Reviewed) -> str:
    hand = " · by hand" if row.by_hand else ""
    return badge(f"used{hand}", "good") if is_used(row) else badge(f"left out{hand}", "warn")


def _yes(is_so: bool) -> str:
    return "true" if is_so else "false"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
