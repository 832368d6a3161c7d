/** Runs conformance cases: reads `{id, url, client}` and `{stop: id}` as lines, and writes what happened as lines. */
import { createInterface } from "node:readline";
import { connect, type Gateway, type Query, type Subscription } from "../src/index.ts";

interface Case {
  id: number;
  url: string;
  client: { token: string | string[]; subscribe: Query[]; unsubscribe_after?: number };
}

const running = new Map<number, Gateway>();

function say(id: number, event: string, told: object): void {
  process.stdout.write(`${JSON.stringify({ id, event, ...told })}\n`);
}

function start({ id, url, client }: Case): void {
  const tokens = Array.isArray(client.token) ? [...client.token] : undefined;
  const gateway = connect(url, {
    token: tokens === undefined ? (client.token as string) : () => tokens.shift() ?? "none-left",
    pauses: { firstMs: 20, mostMs: 40 },
    random: () => 0.5,
    onState: (state) => {
      if (state.name === "closed") say(id, "closed", { error: state.error?.name ?? null, text: state.error?.message });
    },
  });
  running.set(id, gateway);
  let left = client.unsubscribe_after ?? Infinity;
  client.subscribe.forEach((query, place) => {
    const subscription: Subscription = gateway.subscribe(query, {
      message: ({ kind, key, seq, cursor, data, missed, recovered, more, replay }) => {
        say(id, "message", { place, kind, key, seq, cursor, data, missed, recovered, more, replay });
        left -= 1;
        if (left === 0) subscription.unsubscribe();
      },
      subscribed: ({ resumed, recovered }) => say(id, "begun", { place, resumed, recovered }),
      refused: (error) => say(id, "refused", { place, code: error.code, field: error.field }),
    });
  });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const told = JSON.parse(line) as Case & { stop?: number };
  if (told.stop === undefined) {
    start(told);
    return;
  }
  const gateway = running.get(told.stop);
  running.delete(told.stop);
  gateway?.close();
  say(told.stop, "over", { counters: gateway?.counters });
});
