// What the hook for React does with a thread, without React: it is a view of this controller.
import { StreamController } from "@langchain/langgraph-sdk/stream";

import { human, said, until } from "./client.mjs";

function control(setup, threadId = setup.thread) {
  const controller = new StreamController({
    ...setup.options(),
    client: setup.client(),
    threadId: threadId ?? null,
  });
  const look = () => {
    const { values, messages, toolCalls, interrupts, isLoading, error, threadId: thread } = controller.rootStore.getSnapshot();
    return {
      thread,
      messages: said({ messages }),
      values: said(values),
      toolCalls: toolCalls.map(({ name, input, output, status }) => ({ name, input, output, status })),
      interrupts: interrupts.map(({ value }) => value),
      isLoading,
      error: error?.message,
    };
  };
  return { controller, look };
}

/**
 * Submit once and again, and note how the last message grew. It says that a run is over before it shows what came last,
 * so each text comes with the answer that is waited for; none for one that fails.
 */
export async function conversation(setup) {
  const { controller, look } = control(setup);
  const growth = new Set();
  controller.rootStore.subscribe(() => growth.add(look().messages.at(-1)?.[1]));
  const seen = [];
  for (const [text, answer] of setup.turns) {
    await controller.submit(human(text));
    await until(() => (answer ? look().messages.at(-1)?.[1] === answer : look().error) && !look().isLoading);
    seen.push(look());
  }
  await controller.dispose();
  return { seen, growth: growth.size };
}

/** Come to a thread: what is there, and what goes on. */
export async function hydrated(setup) {
  const { controller, look } = control(setup);
  await controller.hydrationPromise;
  const first = look();
  await until(() => !look().isLoading);
  return { first, last: look() };
}

/** Answer what is asked, and see that nothing is asked then. */
export async function answered(setup) {
  const { controller, look } = control(setup);
  if (setup.text) await controller.submit(human(setup.text));
  else await controller.hydrationPromise;
  await until(() => look().interrupts.length);
  const asked = look();
  await controller.respond({ decisions: [setup.decision] });
  await until(() => look().messages.at(-1)[1].startsWith("Echo:") && !look().isLoading);
  return { asked, after: look() };
}

/** Two at once: the second by another strategy than to wait. */
export async function replaced(setup) {
  const { controller, look } = control(setup);
  const first = controller.submit(human(setup.text));
  await until(() => look().messages.at(-1)?.[1].includes("tok3"));
  await controller.submit(human("next"), { multitaskStrategy: setup.strategy });
  await first;
  // It says that the run is over before it shows what came last.
  await until(() => look().messages.at(-1)?.[1] === "Echo: next" && !look().isLoading);
  return look();
}

/** Stop what goes on. */
export async function stopped(setup) {
  const { controller, look } = control(setup);
  const submitted = controller.submit(human(setup.text));
  await until(() => look().messages.at(-1)?.[1].includes("tok3"));
  await controller.stop();
  await submitted;
  return look();
}
