/** What the page follows, over one connection; nothing while nobody looks at the page. */

import { connect, type Gateway, type Message, type Query, type State, type Status, type Subscription } from "gateway-client";
import { learnTime } from "./clock";
import type { Sink } from "./panel";
import { SessionEnded, type Session } from "./session";

/** A hidden page keeps its subscriptions for so long: people look away, and back. */
const GRACE_MS = 5000;
const PING_MS = 5000;
const PAUSES = { firstMs: 250, mostMs: 5000 };

type AnySink = Sink<any, any>; // one feed serves panels of every stream; each knows its own

interface Wish {
  query: Query;
  sink: AnySink;
  subscription: Subscription | undefined;
}

/** What the connection panel tells. */
export interface Facts {
  state: State;
  latencyMs: number | undefined;
  frames: number;
  skipped: number;
  resting: boolean;
}

export class Feed {
  readonly facts: Facts = { state: { name: "connecting" }, latencyMs: undefined, frames: 0, skipped: 0, resting: false };
  readonly gateway: Gateway;
  readonly #wishes = new Set<Wish>();
  #rest: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Session, hooks: { changed: () => void; status: (status: Status) => void; ended: (reason: string) => void }) {
    const credential = async (ask: () => Promise<string>): Promise<string> => {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof SessionEnded) hooks.ended(error.message);
        throw error;
      }
    };
    this.gateway = connect(new URL("api/v1/stream", document.baseURI).href, {
      ticket: () => credential(() => session.ticket()),
      token: () => credential(() => session.token()),
      pauses: PAUSES,
      onState: (state) => {
        this.facts.state = state;
        if (state.name === "open") void this.#ping();
        else this.facts.latencyMs = undefined;
        if (state.name === "closed" && state.error) hooks.ended("The gateway ended this session. Please log in again.");
        hooks.changed();
      },
      onStatus: hooks.status,
      onHeartbeat: learnTime,
    });
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => {
      if (!this.facts.resting && !document.hidden) void this.#ping();
    }, PING_MS);
  }

  /** Follow something from now on; return how to stop that. */
  follow(query: Query, sink: AnySink): () => void {
    const wish: Wish = { query, sink, subscription: undefined };
    this.#wishes.add(wish);
    if (!this.facts.resting) this.#begin(wish);
    return () => {
      this.#wishes.delete(wish);
      wish.subscription?.unsubscribe();
    };
  }

  #begin(wish: Wish): void {
    const told = new Set<string>();
    let whole = false;
    wish.subscription = this.gateway.subscribe(wish.query, {
      message: (message: Message<unknown>) => {
        this.facts.frames += 1;
        this.facts.skipped += message.missed;
        if (message.kind === "update") {
          wish.sink.update(message.key, message.data, message.ts ?? [null, 0]);
          return;
        }
        wish.sink.snapshot(message.key, message.data);
        if (whole) return;
        // The first state is all there is: what else a panel shows went away while nobody looked.
        told.add(message.key);
        whole = !message.more;
        if (whole) wish.sink.only?.(told, scope(wish.query));
      },
      refused: (error) => console.warn(`${wish.query.stream} is refused: ${error.message}`),
    });
  }

  #look(): void {
    clearTimeout(this.#rest);
    if (document.hidden) {
      this.#rest = setTimeout(() => this.#setResting(true), GRACE_MS);
    } else if (this.facts.resting) {
      this.#setResting(false);
    }
  }

  #setResting(resting: boolean): void {
    this.facts.resting = resting;
    for (const wish of this.#wishes) {
      if (resting) wish.subscription?.unsubscribe();
      else this.#begin(wish);
    }
  }

  async #ping(): Promise<void> {
    const asked = performance.now();
    try {
      const answer = await this.gateway.request({ op: "ping" });
      const took = performance.now() - asked;
      this.facts.latencyMs = took;
      learnTime(answer.time_out + took / 2000);
    } catch {
      this.facts.latencyMs = undefined; // the state says why
    }
  }
}

/** Return how every key of a query begins: `kraken:` for all markets of kraken, nothing for all bots. */
function scope(query: Query): string {
  return typeof query.exchange === "string" ? `${query.exchange}:` : "";
}
