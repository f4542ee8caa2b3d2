// Gradio sends the answers to a page's events over one stream, which the server closes once nothing is pending. An event
// that starts while that word is still on its way is never answered: the page trusts its stream, the server has left it.
// So when the stream is closed under an event without an answer, it is opened again and goes on behind the page's back.
(() => {
  const ask = window.fetch.bind(window);
  const unanswered = new Set();

  async function join(input, options) {
    const answer = await ask(input, options);
    if (answer.ok) unanswered.add((await answer.clone().json()).event_id);
    return answer;
  }

  async function* messages(answer) {
    const reader = answer.body.getReader();
    const words = new TextDecoder();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const whole = (rest + words.decode(part.value, { stream: true })).split("\n\n");
      rest = whole.pop();
      yield* whole;
    }
  }

  async function* keptOpen(answer, again) {
    for await (const message of messages(answer)) {
      const said = JSON.parse(message.replace(/^data:/, ""));
      if (said.msg === "process_completed") unanswered.delete(said.event_id);
      const next = said.msg === "close_stream" && unanswered.size ? await again() : null;
      if (next?.ok) yield* keptOpen(next, again);
      else yield message + "\n\n";
    }
  }

  async function listen(input, options) {
    const again = () => ask(input, options);
    const answer = await again();
    if (!answer.ok) return answer;
    const source = keptOpen(answer, again);
    const bytes = new TextEncoder();
    const body = new ReadableStream({
      async pull(stream) {
        const { done, value } = await source.next();
        if (done) stream.close();
        else stream.enqueue(bytes.encode(value));
      },
    });
    return new Response(body, { status: answer.status, headers: answer.headers });
  }

  window.fetch = (input, options) => {
    const address = String(input?.url ?? input);
    if (address.includes("/queue/join")) return join(input, options);
    if (address.includes("/queue/data")) return listen(input, options);
    return ask(input, options);
  };
})();
