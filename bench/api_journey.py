"""A voice made and used over HTTP: python -m bench.api_journey [--recipe smoke]

Starts `voicekit serve --keys` with its worker and nano, and does what a product team does: a key with an owner, a spoken consent,
a voice from the bundled recordings, its job's events until the end, the evaluation, publishing if the gate lets it through,
then speech and a conversation by OpenAI's Python client (a draft is heard in the preview instead). Says how long each call took.
Needs flite, which reads the consent. VOICEKIT_DATABASE_URL chooses the database.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from openai import OpenAI

from bench.studio_journey import QUESTION, RECORDINGS, say_aloud, served, voicekit
from voicekit.consent import statement

NAME, OWNER = "journey", "team-a"
PATIENCE_S = 3600.0
T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="smoke", help="preset to train by: smoke shows the way, lora makes a voice")
    recipe = parser.parse_args().recipe
    if not shutil.which("flite"):
        print("flite is needed (Debian: apt-get install flite).", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="api-journey-") as made:
        folder = Path(made)
        key = _key(folder / "home")
        with served(folder / "home", "serve", "--keys") as address:
            client = httpx.Client(base_url=f"{address}v1", headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_S)
            spoken = say_aloud(statement("en"), folder / "statement.wav")
            published = _make(client, spoken, recipe)
            _use(client, address, key, published)
    return 0


def _key(home: Path) -> str:
    command = voicekit(home, "keys", "create", "journey", "--owner", OWNER, "--json", stdout=subprocess.PIPE)
    said, _ = command.communicate()
    return str(json.loads(said)["key"])


def _timed(what: str, call: Callable[[], T]) -> T:
    began_s = time.monotonic()
    answer = call()
    print(f"{what}: {time.monotonic() - began_s:.2f} s", flush=True)
    return answer


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise SystemExit(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}")
    return response.json()


def _make(client: httpx.Client, spoken: Path, recipe: str) -> bool:
    """Whether the voice could be published."""
    with spoken.open("rb") as sound:
        form: dict[str, Any] = {"data": {"speaker": "Jo Example"}, "files": {"recording": sound}}
        consent = _answer(_timed("consent", lambda: client.post("/audio/voice_consents", **form)))
    print(f"  words_ok {consent['words_ok']}")
    asked = {"name": NAME, "recipe": recipe, "consent_id": consent["id"]}
    with RECORDINGS.open("rb") as sound:
        form = {"data": asked, "files": {"recordings": (RECORDINGS.name, sound)}}
        job = _answer(_timed("voice asked for", lambda: client.post("/audio/voices", **form)))["job"]
    _timed("job", lambda: _follow(client, job["id"]))
    state = _answer(client.get(f"/jobs/{job['id']}"))["state"]
    numbers = _answer(client.get(f"/audio/voices/{NAME}/evaluation"))
    print(f"  job {state}; reasons {numbers['reasons']}")
    if state != "finished":
        return False
    voice = _answer(_timed("publish", lambda: client.post(f"/audio/voices/{NAME}/publish")))
    print(f"  voice {voice['state']}")
    return True


def _follow(client: httpx.Client, job_id: str) -> None:
    """Every step the job's events name, until the stream ends."""
    step = ""
    with client.stream("GET", f"/jobs/{job_id}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data:") and (now := json.loads(line[5:]).get("step", "")) not in ("", step):
                step = now
                print(f"  step {step}", flush=True)


def _use(client: httpx.Client, address: str, key: str, published: bool) -> None:
    if not published:
        sound = _timed("preview", lambda: client.get(f"/audio/voices/{NAME}/preview"))
        print(f"  {len(sound.content)} bytes of {sound.headers['content-type']}")
        return
    openai = OpenAI(base_url=f"{address}v1", api_key=key)
    speech = _timed("speech", lambda: openai.audio.speech.create(model="voicekit", voice=NAME, input="good morning"))
    print(f"  {len(speech.content)} bytes")
    said = _timed(
        "conversation",
        lambda: openai.chat.completions.create(
            model="voicekit",
            modalities=["text", "audio"],
            audio={"voice": NAME, "format": "wav"},
            messages=[{"role": "user", "content": QUESTION}],
        ),
    )
    audio = said.choices[0].message.audio
    print(f"  {audio.transcript if audio else 'no sound'}")


if __name__ == "__main__":
    sys.exit(main())
