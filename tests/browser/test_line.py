"""Clicks reach the studio and their answers the page, also over a slow line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The word that the server closes its stream of answers takes two seconds to the page, everything else none.
SLOW_CLOSE = """
const ask = window.fetch;
window.fetch = async (input, options) => {
  const answer = await ask(input, options);
  if (!String(input?.url ?? input).includes('/queue/data')) return answer;
  const words = new TextDecoder(), bytes = new TextEncoder();
  let rest = '';
  const slow = new TransformStream({
    async transform(part, out) {
      const whole = (rest + words.decode(part, {stream: true})).split('\\n\\n');
      rest = whole.pop();
      for (const message of whole) {
        if (message.includes('close_stream')) await new Promise((done) => setTimeout(done, 2000));
        out.enqueue(bytes.encode(message + '\\n\\n'));
      }
    },
  });
  return new Response(answer.body.pipeThrough(slow), {status: answer.status, headers: answer.headers});
};
"""


def test_a_click_while_the_stream_of_answers_closes_is_answered(visit: Callable[..., Page]) -> None:
    """Publishing once showed nothing: the click was made right after the page had been shown, and its answer was lost."""
    page = visit("?tab=new", script=SLOW_CLOSE)
    page.set_default_timeout(30_000)
    page.click("#begin")
    page.fill("#voice-name input, #voice-name textarea", "hasty")
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")
    page.click("text=Back")
    page.wait_for_selector("#voice-name")
    page.click("#onwards")
    page.wait_for_selector("#onwards:has-text('Cut into clips')")
