"""An API on the fake base in a process of its own: `python tests/fake_server.py HOME PORT`.

It says `ready` when it listens. While a file HOME/hold is there, replies stop after their first piece; HOME/held is then written.
HOME/under-way says how many requests are being answered.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.api_house import ApiHouse  # noqa: E402
from tests.fake_base import FakeSpeaker  # noqa: E402
from voicekit.api.factory import make_api  # noqa: E402
from voicekit.api.running import ApiServer  # noqa: E402
from voicekit.api.server import Server  # noqa: E402
from voicekit.app import PREVIEW_TEXT  # noqa: E402
from voicekit.ports import SpeechDelta  # noqa: E402
from voicekit.records import IntArray  # noqa: E402


def holding(home: Path) -> None:
    """Replies and previews mind the file that holds them."""
    real = FakeSpeaker._deltas

    def held(self: FakeSpeaker, text: str, speech: IntArray) -> Iterator[SpeechDelta]:
        deltas = real(self, text, speech)
        yield next(deltas)
        (home / "held").touch()
        while (home / "hold").exists():
            time.sleep(0.02)
        yield from deltas

    said = FakeSpeaker.speak

    def saying(self: FakeSpeaker, text: str, seed: int = 0) -> IntArray:
        while text == PREVIEW_TEXT and (home / "hold").exists():
            time.sleep(0.02)
        return said(self, text, seed)

    FakeSpeaker._deltas, FakeSpeaker.speak = held, saying


def counting(home: Path, server: Server) -> None:
    while True:
        (home / "under-way.new").write_text(str(server.traffic.under_way))
        (home / "under-way.new").replace(home / "under-way")
        time.sleep(0.05)


if __name__ == "__main__":
    home, port = Path(sys.argv[1]), int(sys.argv[2])
    holding(home)
    api = make_api(ApiHouse(home, home).app())
    threading.Thread(target=counting, args=(home, api.state.server), daemon=True).start()
    ApiServer(api, "127.0.0.1", port, lambda: print("ready", flush=True)).run()
