// The official JavaScript client, as tests use it.
import { Client } from "@langchain/langgraph-sdk";

/** What a scenario is told: where the server is, who asks, and over which transport. */
export class Setup {
  constructor(given) {
    Object.assign(this, given);
    this.headers = { cookie: `opengpts_user_id=${this.user ?? "alice"}` };
  }

  /** A client of the API. With headers it refuses to use a WebSocket, since browsers' have none; here they are given. */
  client() {
    const common = { apiUrl: this.url, apiKey: null };
    if (this.transport !== "websocket") return new Client({ ...common, defaultHeaders: this.headers });
    const withHeaders = (url, init) => {
      const headers = new Headers(init?.headers);
      for (const [name, value] of Object.entries(this.headers)) headers.set(name, value);
      return fetch(url, { ...init, headers });
    };
    return new Client({ ...common, callerOptions: { fetch: withHeaders } });
  }

  options() {
    return {
      assistantId: this.assistant,
      transport: this.transport,
      webSocketFactory: (url) => new WebSocket(url, { headers: this.headers }),
    };
  }

  /** A thread as the client streams it: the one that was named, or a new one. */
  open(thread = this.thread) {
    const { threads } = this.client();
    return thread ? threads.stream(thread, this.options()) : threads.stream(this.options());
  }

  /** Ask whoever plays the scenario to do something, and go on when it is done. */
  async ask(what) {
    tell({ ask: what });
    await answers.next();
  }
}

export function tell(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function* lines(stream) {
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

const answers = lines(process.stdin);

export const human = (text) => ({ messages: [{ role: "user", content: text }] });

/** Type and content of the messages of some values. */
export const said = (values) =>
  (values?.messages ?? []).map((m) => [m.getType?.() ?? m.type, typeof m.content === "string" ? m.content : m.text]);

/** The texts of a run's messages from their deltas, and how many deltas there were; `seen` is told each. */
export async function readTexts(thread, seen = () => undefined) {
  let count = 0;
  const reading = [];
  for await (const message of thread.messages) {
    reading.push(
      (async () => {
        let text = "";
        for await (const delta of message.text) {
          count += 1;
          text += delta;
          await seen(delta);
        }
        return text;
      })(),
    );
  }
  return { texts: await Promise.all(reading), deltas: count };
}

/** What a promise comes to: its value, or its error. */
export const outcome = async (promise) => {
  try {
    return { value: await promise };
  } catch (error) {
    return { error: error.message, code: error.code, status: error.status };
  }
};

/**
 * What a subscription gives until the end of a run. One that is opened when the run is over is given all of it, and
 * then goes on: this client ends only those that were there before.
 */
export async function collect(subscription) {
  const events = [];
  for await (const event of subscription) events.push(event);
  return events;
}

/** What a subscription gives up to the end of a run that is called `end`. It can be read on after that. */
export async function readUntil(subscription, end) {
  const events = [];
  const iterator = subscription[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return events;
    events.push(value);
    if (value.method === "lifecycle" && value.params.data.event === end) return events;
  }
}

/** The value of `look`, once it is true. */
export async function until(look) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = look();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`never came true: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
