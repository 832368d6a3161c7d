/** The gateway as a program sees it: what is followed, over one connection that comes back by itself. */
import { type Comfort, Connection, type State } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import { ConnectionLost, GatewayClosed, RequestRefused } from "./errors.ts";
import type { Answer, Frame, Request } from "./link.ts";
import type { Ended, Status, Told, Welcome } from "./messages.ts";
import { split } from "./parts.ts";
import { Routes } from "./routes.ts";
import { type Callbacks, type DataOf, type Query, type StreamName, Subscription } from "./subscription.ts";
import { streamUrl } from "./url.ts";

export interface Options extends Credentials, Comfort {
  onState?: (state: State) => void;
  /** A source fell silent or is back, the server is about to stop, a replay reached the present. */
  onStatus?: (status: Status) => void;
  /** The server shows that it lives although there is no news; Unix seconds by its clock. */
  onHeartbeat?: (time: number) => void;
}

export interface Counters {
  frames: number;
  duplicates: number;
  gaps: number;
  unrecovered: number;
  malformed: number;
  connections: number;
}

const RETRY_MS = 1_000;

export class Gateway {
  readonly counters: Counters = { frames: 0, duplicates: 0, gaps: 0, unrecovered: 0, malformed: 0, connections: 0 };
  /** The first welcome; rejects when the gateway is closed before it. */
  readonly ready: Promise<Welcome>;
  private readonly options: Options;
  private readonly connection: Connection;
  private readonly subscriptions = new Set<Subscription>();
  private readonly routes = new Routes();
  /** What the server's numbers of the current connection follow. */
  private numbers = new Map<number, { stream: string; pattern: string }>();
  private settle!: { resolve(welcome: Welcome): void; reject(error: Error): void };

  constructor(url: string, options: Options) {
    this.options = options;
    this.ready = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.ready.catch(() => undefined); // whoever awaits it is told; nobody has to
    this.connection = new Connection(streamUrl(url, globalThis.location?.href), options, {
      state: (state) => this.became(state),
      welcome: (welcome) => this.welcomed(welcome),
      frame: (frame) => this.read(frame),
      malformed: () => void (this.counters.malformed += 1),
    });
  }

  get state(): State {
    return this.connection.state;
  }

  /** Follow something; `callbacks` are called for its state and every change, over any number of connections. */
  subscribe<S extends StreamName>(query: Query<S>, callbacks: Callbacks<DataOf<S>>): Subscription {
    if (this.state.name === "closed") throw new GatewayClosed();
    const owner = {
      unsubscribe: (each: Subscription) => this.unsubscribe(each),
      heal: (each: Subscription) => void this.begin(each),
      count: (what: "duplicates" | "gaps" | "unrecovered") => void (this.counters[what] += 1),
    };
    const subscription = new Subscription(owner, { ...query }, callbacks);
    this.subscriptions.add(subscription);
    void this.begin(subscription);
    return subscription;
  }

  /** Ask the server something. Rejects: RequestRefused, ConnectionLost. */
  async request(body: Request): Promise<Answer> {
    await this.ready;
    const { link } = this.connection;
    if (link === undefined) throw new ConnectionLost(1006, "");
    return link.request(body, (answer) => {
      if (answer.op === "token" && link === this.connection.link) this.narrowed(answer.subscriptions as Ended[]);
    });
  }

  /** A token that opens less ended some: asking again tells what is left of them, or why nothing is. */
  private narrowed(ended: Ended[]): void {
    const told = new Set<Subscription>();
    for (const { sub } of ended) {
      const of = this.numbers.get(sub);
      this.numbers.delete(sub);
      if (of !== undefined) for (const each of this.routes.named(of.stream, of.pattern)) told.add(each);
    }
    for (const each of told) void this.begin(each);
  }

  /** Return the state of keys, once. */
  async snapshot(query: Query): Promise<Told[]> {
    return (await this.request({ op: "snapshot", ...query })).snapshots as Told[];
  }

  /** Return how many milliseconds a question takes there and back. */
  async ping(): Promise<number> {
    const asked = performance.now();
    await this.request({ op: "ping" });
    return performance.now() - asked;
  }

  /** End it; nothing comes after this. */
  close(): void {
    this.connection.stop(undefined);
  }

  private became(state: State): void {
    if (state.name === "closed") {
      this.settle.reject(state.error ?? new GatewayClosed());
      this.subscriptions.clear();
    }
    this.options.onState?.(state);
  }

  private welcomed(welcome: Welcome): void {
    this.counters.connections += 1;
    this.numbers = new Map();
    this.settle.resolve(welcome);
    for (const subscription of this.subscriptions) void this.begin(subscription);
  }

  // -- subscriptions -------------------------------------------------------------------------------------------------

  private async begin(subscription: Subscription): Promise<void> {
    const { link } = this.connection;
    const wanted = (): boolean => link === this.connection.link && this.subscriptions.has(subscription);
    while (link !== undefined && wanted()) {
      try {
        let left: Request[] = [];
        const begun = (answer: Answer): void => void (wanted() && this.begun(subscription, answer, left.length > 0));
        await link.request(() => {
          left = split(subscription.request(), link.welcome?.limits.frame_bytes ?? Infinity);
          return left.shift() as Request;
        }, begun);
        while (left.length > 0 && wanted()) await link.request(() => left.shift() as Request, begun);
        return;
      } catch (error) {
        if (!(error instanceof RequestRefused)) return; // the next connection asks again
        if (error.code === "INVALID_CURSOR") {
          subscription.forget();
        } else if (error.retryable) {
          await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? RETRY_MS));
        } else {
          this.unsubscribe(subscription);
          subscription.refused(error);
        }
      }
    }
  }

  private begun(subscription: Subscription, answer: Answer, more: boolean): void {
    const { stream } = subscription.query;
    for (const [sub, pattern] of subscription.begun(answer, more)) {
      for (const old of this.numbersOf(stream, [pattern])) this.numbers.delete(old); // the server replaced it
      this.numbers.set(sub, { stream, pattern });
      this.routes.add(stream, pattern, subscription);
    }
  }

  private numbersOf(stream: string, patterns: Iterable<string>): number[] {
    const wanted = new Set(patterns);
    return [...this.numbers].flatMap(([sub, each]) => (each.stream === stream && wanted.has(each.pattern) ? [sub] : []));
  }

  private drop(subscription: Subscription): void {
    this.subscriptions.delete(subscription);
    this.routes.remove(subscription);
  }

  private unsubscribe(subscription: Subscription): void {
    const { stream } = subscription.query;
    this.drop(subscription);
    const shared = (pattern: string): boolean => [...this.routes.named(stream, pattern)].length > 0;
    const subs = this.numbersOf(stream, [...subscription.followed.keys()].filter((pattern) => !shared(pattern)));
    for (const sub of subs) this.numbers.delete(sub);
    if (subs.length > 0) void this.connection.link?.request({ op: "unsubscribe", sub: subs }).catch(() => undefined);
  }

  // -- frames --------------------------------------------------------------------------------------------------------

  private read(frame: Frame): void {
    this.counters.frames += 1;
    if (frame.type === "snapshot" || frame.type === "update") this.deliver(frame);
    else if (frame.type === "status") this.status(frame as unknown as Status);
    else if (frame.type === "heartbeat") this.options.onHeartbeat?.(Number(frame.time));
    else if (frame.type === "token_expiring") void this.refresh();
  }

  private deliver(frame: Frame): void {
    const { stream, key, seq } = frame;
    if (typeof stream !== "string" || typeof key !== "string" || !Number.isSafeInteger(seq)) {
      this.counters.malformed += 1;
    } else if (frame.type === "update") {
      this.routes.each(stream, key, (subscription, pattern) => subscription.update(pattern, frame));
    } else {
      const of = this.numbers.get(Number(frame.sub));
      if (of === undefined) return; // of a subscription that was ended meanwhile
      for (const subscription of this.routes.named(of.stream, of.pattern)) subscription.snapshot(of.pattern, frame);
    }
  }

  private status(status: Status): void {
    if (status.state === "draining") this.connection.drain(status.reconnect_in_ms ?? [0, 0]);
    const replayed = status.state === "live" ? this.numbers.get(status.sub ?? -1) : undefined;
    if (replayed) for (const each of this.routes.named(replayed.stream, replayed.pattern)) each.live(replayed.pattern, status.recovered !== false);
    this.options.onStatus?.(status);
  }

  /** Go on with a fresh token instead of being closed; without a provider the close comes, and a new socket after it. */
  private async refresh(): Promise<void> {
    if (typeof this.options.token !== "function") return;
    try {
      await this.request({ op: "token", token: await this.options.token() });
    } catch {
      // The server closes the socket when the token ends, and the next connection asks the provider again.
    }
  }
}
