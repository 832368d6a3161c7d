/** One thing that a program follows: what it asks, what it was told, and what it hands on. */
import { type Begun, together } from "./begun.ts";
import type { RequestRefused } from "./errors.ts";
import type { Answer, Frame, Request } from "./link.ts";
import type { Payloads, Subscribed } from "./messages.ts";
import { Tracking } from "./tracking.ts";

export type StreamName = keyof Payloads;
export type Mode = "every" | "latest" | "sample";
export type Deleted = { deleted: string };

/** What `data` is: the object or null for most streams; for trades, orders and processes a list in a snapshot. */
export type DataOf<S extends StreamName> = S extends "trades" | "orders" | "process"
  ? Payloads[S][] | Payloads[S] | Deleted | null
  : Payloads[S] | null;

/** What to follow: a stream, its key fields (each a text, a list or `"*"`), and how. */
export interface Query<S extends StreamName = StreamName> {
  stream: S;
  exchange?: string | string[];
  symbol?: string | string[];
  account?: string | string[];
  bot?: string | string[];
  timeframe?: string | string[];
  type?: string | string[];
  mode?: Mode;
  /** Only with mode `sample`: milliseconds between two values of one key, 50 to 60,000. */
  interval_ms?: number;
  /** False: begin with the next change instead of the state. */
  snapshot?: boolean;
  /** Continue after this cursor, or after one per key. */
  since?: string | Record<string, string>;
  /** Begin in the past: a cursor or Unix seconds, at 1 to 1000 times the speed. */
  replay?: { from: string | number; speed?: number };
}

export interface Message<D> {
  kind: "snapshot" | "update";
  stream: string;
  key: string;
  seq: number;
  cursor: string | null;
  data: D;
  /** When the source stamped an update and when the relay took it, Unix seconds; null for snapshots. */
  ts: [number | null, number] | null;
  /** Changes of this key that were left out before this one. */
  missed: number;
  /** False: what happened since the last message is gone, and this is the state now. Null: nothing was to be resumed. */
  recovered: boolean | null;
  /** More of the same snapshot follows. */
  more: boolean;
  replay: boolean;
}

export interface Callbacks<D> {
  message(message: Message<D>): void;
  /** The server took the subscription, first or again. */
  subscribed?(begun: Begun): void;
  /** The subscription is over: the server refuses it. */
  refused?(error: RequestRefused): void;
}

/** What a subscription needs of its gateway. */
export interface Owner {
  unsubscribe(subscription: Subscription): void;
  /** Ask the server again, because a change is missing. */
  heal(subscription: Subscription): void;
  count(what: "duplicates" | "gaps" | "unrecovered"): void;
}

// Data of whichever stream: the type parameter of `Gateway.subscribe` is what a program sees.
type Any = any;

/** Open bars are left out when a newer one exists, in every mode: a jump of their number is no loss. */
const JUMPING: ReadonlySet<string> = new Set(["ohlcv"]);

export class Subscription {
  readonly query: Query;
  /** Numbers and cursors by what the server calls a key: `kraken:BTC/USDC`, `kraken:*`. */
  readonly followed = new Map<string, Tracking>();
  private readonly owner: Owner;
  private readonly callbacks: Callbacks<Any>;
  private readonly manyLogs = new Set<string>();
  private replaying: boolean;
  private healing: { pattern: string; key: string } | undefined;
  private healed = "";
  /** Patterns whose changes come again, once the server is asked. */
  private held = new Set<string>();
  private lost = new Set<string>();
  private allLost = false;
  /** What the answers to the parts of one request came to so far. */
  private soFar: Begun | undefined;
  private partly = false;

  constructor(owner: Owner, query: Query, callbacks: Callbacks<Any>) {
    this.owner = owner;
    this.query = query;
    this.callbacks = callbacks;
    this.replaying = query.replay !== undefined;
  }

  /** Follow it no more; nothing comes after this. */
  unsubscribe(): void {
    this.owner.unsubscribe(this);
  }

  /** Return what to ask the server, now: from where the last whole state ended, if there was one. */
  request(): Request {
    this.soFar = undefined;
    for (const [pattern, tracking] of this.followed) {
      tracking.interrupt();
      // It began, and there is no place to continue from: what happens meanwhile is not known to be nothing.
      if ((tracking.begun || this.stateless) && !tracking.placed) this.lost.add(pattern);
    }
    const { since: first, replay, ...asked } = this.query;
    if (this.lost.size > 0) delete asked.snapshot; // what was missed is replaced by the state
    const since = this.resume(first);
    if (this.replaying && replay !== undefined) {
      return { op: "subscribe", ...asked, replay: { ...replay, from: typeof since === "string" ? since : replay.from } };
    }
    return { op: "subscribe", ...asked, ...(since === undefined ? {} : { since }) };
  }

  /** Forget every cursor: the server does not know them. */
  forget(): void {
    this.allLost = true;
    this.followed.clear();
    delete this.query.since;
  }

  /** Take the server's answer in, or one of several if there are `more`; return the server's numbers by what they follow. */
  begun(answer: Answer, more: boolean): Map<number, string> {
    const subscriptions = answer.subscriptions as Subscribed[];
    const known = subscriptions.some((each) => this.followed.has(each.key));
    const resumed = known || this.query.since !== undefined || this.allLost;
    let recovered: boolean | null = resumed ? true : null;
    for (const each of subscriptions) {
      if (typeof each.cursor === "object" && each.cursor !== null) this.manyLogs.add(each.key);
      if (!this.followed.has(each.key)) {
        this.followed.set(each.key, new Tracking(each.mode === "every" && !JUMPING.has(each.stream)));
      }
      if (each.recovered === false || this.lost.has(each.key) || this.allLost) {
        this.lost.add(each.key);
        recovered = false;
      } else if (this.stateless && each.cursor !== null) {
        this.followed.get(each.key)?.startAt(each.cursor); // where a state comes, its own frames say the place
      }
      this.held.delete(each.key);
      if (this.healing?.pattern === each.key) this.healing = undefined;
    }
    this.allLost &&= more;
    this.partly = more;
    this.soFar = together(this.soFar, { resumed, recovered, warnings: answer.warnings });
    if (!more) {
      if (this.soFar.recovered === false) this.owner.count("unrecovered");
      this.callbacks.subscribed?.(this.soFar);
    }
    return new Map(subscriptions.map((each) => [each.sub, each.key]));
  }

  private get stateless(): boolean {
    return this.query.snapshot === false;
  }

  refused(error: RequestRefused): void {
    this.callbacks.refused?.(error);
  }

  /** Replay has reached the present; unless `recovered` a state follows, because some of the past was lost meanwhile. */
  live(pattern: string, recovered: boolean): void {
    this.replaying = false;
    if (recovered) return;
    this.lost.add(pattern);
    this.owner.count("unrecovered");
  }

  snapshot(pattern: string, frame: Frame): void {
    const more = frame.more === true;
    const { key, seq, cursor } = placed(frame);
    this.followed.get(pattern)?.snapshot(key, seq, cursor, more);
    const recovered = this.lost.has(pattern) ? false : null;
    if (!more) this.lost.delete(pattern);
    this.hand(frame, { kind: "snapshot", ts: null, missed: 0, recovered, more });
  }

  update(pattern: string, frame: Frame): void {
    const tracking = this.followed.get(pattern);
    if (tracking === undefined || this.held.has(pattern)) return; // what comes while healing comes again
    const { key, seq, cursor } = placed(frame);
    const verdict = tracking.update(key, seq, cursor);
    if (verdict.kind === "repeated") {
      this.owner.count("duplicates");
      return;
    }
    if (verdict.kind === "gap") {
      const place = `${key} ${seq - verdict.missed}`;
      if (this.healed !== place) {
        this.owner.count("gaps");
        this.healed = place;
        this.healing = { pattern, key };
        this.held = new Set(this.followed.keys());
        this.owner.heal(this);
        return;
      }
      tracking.take(key, seq, cursor); // asked for already: it is not to be had
    }
    const ts = frame.ts as Message<Any>["ts"];
    this.hand(frame, { kind: "update", ts, missed: verdict.missed, recovered: null, more: false });
  }

  private hand(frame: Frame, judged: Pick<Message<Any>, "kind" | "ts" | "missed" | "recovered" | "more">): void {
    const { key, seq, cursor } = placed(frame);
    const replay = frame.replay === true;
    this.callbacks.message({ stream: String(frame.stream), key, seq, cursor, data: frame.data, replay, ...judged });
  }

  /** Return from where to continue: what has not moved yet stands where the program said. */
  private resume(first: Query["since"]): Query["since"] {
    const known = this.since();
    if (known === undefined || first === undefined || typeof known === "string") return known ?? first;
    if (typeof first !== "string") return { ...first, ...known };
    return { ...Object.fromEntries([...this.followed.keys()].map((pattern) => [pattern, first])), ...known };
  }

  private since(): string | Record<string, string> | undefined {
    const known: Record<string, string> = {};
    for (const [pattern, tracking] of this.followed) {
      const behind = this.healing?.pattern === pattern ? tracking.cursorOf(this.healing.key) : undefined;
      if (this.manyLogs.has(pattern)) {
        Object.assign(known, behind === undefined ? tracking.cursors() : { [this.healing?.key ?? ""]: behind });
      } else {
        const cursor = behind ?? tracking.newest;
        if (cursor !== undefined) known[pattern] = cursor;
      }
    }
    const [only] = this.followed.keys();
    if (only !== undefined && this.followed.size === 1 && !this.manyLogs.has(only) && !this.partly) return known[only];
    return Object.keys(known).length > 0 ? known : undefined;
  }
}

function placed(frame: Frame): { key: string; seq: number; cursor: string | null } {
  return { key: String(frame.key), seq: Number(frame.seq), cursor: typeof frame.cursor === "string" ? frame.cursor : null };
}
