// What a client does with one thread.
import { collect, human, outcome, readTexts, readUntil, said, until } from "./client.mjs";

/** Start a run on a thread that this makes, and watch it in all ways at once. */
export async function newThread(setup) {
  const thread = setup.open();
  const started = await thread.run.start({ input: human(setup.text) });
  const [messages, snapshots, output] = await Promise.all([
    readTexts(thread),
    (async () => {
      const seen = [];
      for await (const values of thread.values) seen.push(said(values));
      return seen;
    })(),
    thread.output,
  ]);
  await thread.close();
  return { thread: thread.threadId, run: started.run_id, ...messages, snapshots, output: said(output) };
}

export async function toolCalls(setup) {
  const thread = setup.open();
  await thread.run.start({ input: human(setup.text) });
  const calls = [];
  for await (const call of thread.toolCalls) calls.push({ name: call.name, input: call.input, ...(await outcome(call.output)) });
  return { calls, output: said(await thread.output) };
}

export async function extensions(setup) {
  const thread = setup.open();
  const started = [];
  const progress = (async () => {
    for await (const payload of thread.extensions.progress) started.push(payload);
  })();
  await thread.run.start({ input: human(setup.text) });
  await progress;
  return { live: started, last: await thread.extensions.progress };
}

/** Let a run be interrupted, answer, and watch what comes then by a subscription that was there before. */
export async function decide(setup) {
  const thread = setup.open();
  await thread.run.start({ input: human(setup.text) });
  const before = said(await thread.output);
  const { interrupted } = thread;
  const [interrupt] = thread.interrupts;
  // It is told of the run that is over, and would not end with that one.
  const subscription = await thread.subscribe({ channels: ["values", "tools", "lifecycle"] });
  const wrong = await outcome(
    thread.input.respond({ interrupt_id: "nobody asked", namespace: [], response: { decisions: [] } }),
  );
  await thread.input.respond({
    interrupt_id: interrupt.interruptId,
    namespace: interrupt.namespace,
    response: { decisions: [setup.decision] },
  });
  const events = await readUntil(subscription, "completed");
  const last = events.filter((event) => event.method === "values").at(-1);
  return { before, interrupted, payload: interrupt.payload, wrong, after: said(last.params.data) };
}

/** The events of all channels: of a subscription before the run, of one in it, and of one after it. */
export async function subscribers(setup) {
  const thread = setup.open();
  const channels = ["messages", "lifecycle", "tools", "updates", "input", "custom"];
  const before = await outcome(thread.subscribe({ channels }));
  await thread.run.start({ input: human(setup.text) });
  const early = before.value ?? (await thread.subscribe({ channels }));
  const first = collect(early);
  await until(() => thread.ordering.lastSeenSeq > setup.after);
  const within = collect(await thread.subscribe({ channels }));
  const events = { early: await first, within: await within };
  // The other client's stream is a fresh one; the same thread's has seen everything.
  const late = await thread.subscribe({ channels });
  return { refused: before.error, ...events, late: await readUntil(late, "completed") };
}

/** Two runs, watched by one subscription. */
export async function twoRuns(setup) {
  const thread = setup.open();
  const seen = [];
  // Slow enough: a subscription that comes with the end of a run is ended by it, before it is told of the rest.
  await thread.run.start({ input: human("TOKENS:3 DELAY:300") });
  const subscription = await thread.subscribe({ channels: ["messages", "lifecycle", "values"] });
  seen.push(await collect(subscription));
  await thread.run.start({ input: human("two") });
  seen.push(await collect(subscription));
  return seen.map((events) => ({
    text: events.map((event) => event.params.data.delta?.text ?? "").join(""),
    values: said(events.filter((event) => event.method === "values").at(-1).params.data),
    ends: events.filter((event) => event.method === "lifecycle").map((event) => event.params.data.event),
  }));
}

/** Come back to a thread. */
export async function attach(setup) {
  const thread = setup.open();
  // Asked for first: this client would not end it if the run had ended by then.
  const { output } = thread;
  const messages = await readTexts(thread);
  return { ...messages, output: said(await output) };
}

/** The connection is cut in the middle, three times. */
export async function cut(setup) {
  const thread = setup.open();
  await thread.run.start({ input: human(setup.text) });
  const cuts = [...setup.cuts];
  const messages = await readTexts(thread, async (delta) => {
    if (cuts.length && delta.includes(cuts[0])) {
      cuts.shift();
      await setup.ask("cut");
    }
  });
  return { ...messages, left: cuts, output: said(await thread.output) };
}

/** What a thread answers about itself. */
export async function state(setup) {
  const thread = setup.open();
  const missing = await outcome(thread.agent.getTree());
  await thread.run.start({ input: human("one") });
  await thread.output;
  const tree = await thread.agent.getTree();
  const got = await thread.state.get({ namespace: [] });
  const some = await thread.state.get({ namespace: [], keys: ["nothing"] });
  const nested = await outcome(thread.state.get({ namespace: ["within"] }));
  const { checkpoints } = await thread.state.listCheckpoints({ namespace: [], limit: 50 });
  const older = await thread.state.listCheckpoints({ namespace: [], before: checkpoints[0].id, limit: 1 });
  await thread.input.inject({ namespace: [], message: { role: "user", content: "by the way" } });
  const injected = await thread.state.get({ namespace: [] });
  return { missing, tree, got, some, nested, checkpoints, older: older.checkpoints, injected: said(injected.values) };
}

/** Two branches from one past state: by `state.fork`, and by a run that forks. */
export async function forks(setup) {
  const thread = setup.open();
  await thread.run.start({ input: human("one DELAY:300") });
  const subscription = await thread.subscribe({ channels: ["values", "lifecycle"] });
  await collect(subscription);
  const { checkpoint } = await thread.state.get({ namespace: [] });
  const last = (events) => said(events.filter((event) => event.method === "values").at(-1).params.data);

  await thread.run.start({ input: human("two") });
  const onwards = last(await collect(subscription));
  await thread.run.start({ input: human("three"), forkFrom: checkpoint.id });
  const forked = last(await collect(subscription));
  const other = setup.open(thread.threadId);
  const fork = await other.state.fork({ checkpoint_id: checkpoint.id, input: human("four DELAY:300") });
  const watching = await other.subscribe({ channels: ["values", "lifecycle"] });
  const again = last(await collect(watching));
  const unknown = await outcome(other.state.fork({ checkpoint_id: "none" }));
  const unknownRun = await outcome(other.run.start({ input: human("five"), forkFrom: "none" }));
  return { thread: thread.threadId, onwards, forked, fork, again, unknown, unknownRun };
}

/** A run that comes while another goes on. */
export async function multitask(setup) {
  const thread = setup.open();
  const first = await thread.run.start({ input: human(setup.text) });
  const subscription = await thread.subscribe({ channels: ["messages"] });
  for await (const event of subscription) if (event.params.data.event === "content-block-delta") break;
  const second = await outcome(thread.run.start({ input: human("next"), multitaskStrategy: setup.strategy }));
  return { first: first.run_id, second: second.value?.run_id, refused: second };
}

/** Start a run, and see what is wrong with that. */
export async function start(setup) {
  const thread = setup.open();
  const started = await outcome(thread.run.start({ input: setup.input ?? human(setup.text ?? "hello") }));
  return { ...started, thread: thread.threadId };
}

/** A run that fails, and one after it that does not. */
export async function failing(setup) {
  const thread = setup.open();
  const { run_id: run } = await thread.run.start({ input: human(setup.text) });
  const subscription = await thread.subscribe({ channels: ["lifecycle", "messages"] });
  const events = await readUntil(subscription, "failed");
  await thread.run.start({ input: human("hello") });
  const after = await readUntil(subscription, "completed");
  const end = (of) => of.filter((event) => event.method === "lifecycle").at(-1).params.data;
  return { run, failed: end(events), after: end(after), last: events.at(-1).method };
}
