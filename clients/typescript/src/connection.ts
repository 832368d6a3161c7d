/** A connection that comes back by itself: credentials, pauses, drain; what is said over it is not its business. */
import { momentMs, PAUSES, type Pauses, pauseMs } from "./backoff.ts";
import { type Credentials, NoCredentials, opened } from "./credentials.ts";
import { advice } from "./endings.ts";
import { ConnectionLost, NotAuthorized } from "./errors.ts";
import { type Ending, type Frame, Link } from "./link.ts";
import type { Welcome } from "./messages.ts";

/** What the connection is doing. `waiting`: until the next attempt, because of `reason`. */
export type State =
  | { name: "connecting" | "open" | "draining" }
  | { name: "waiting"; retryMs: number; reason: string }
  | { name: "closed"; error: Error | undefined };

export interface Comfort {
  pauses?: Partial<Pauses>;
  /** Chooses pauses and moments; numbers from 0 to 1. */
  random?: () => number;
}

export interface ConnectionEvents {
  state(state: State): void;
  welcome(welcome: Welcome): void;
  frame(frame: Frame): void;
  malformed(): void;
}

/** A connection that lived so long was a good one: pauses begin small again. */
const STABLE_MS = 10_000;
/** So many refusals of fresh credentials in a row end it. */
const REFUSALS_LIMIT = 3;

export class Connection {
  state: State = { name: "connecting" };
  /** The socket in use; undefined while there is none. */
  link: Link | undefined;
  private readonly url: string;
  private readonly credentials: Credentials;
  private readonly events: ConnectionEvents;
  private readonly pauses: Pauses;
  private readonly random: () => number;
  private opening: Link | undefined;
  private attempt = 0;
  private refusals = 0;
  private openedAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly hurry = (): void => {
    if (this.state.name === "waiting") this.openIn(0);
  };

  constructor(url: string, options: Credentials & Comfort, events: ConnectionEvents) {
    this.url = url;
    this.credentials = options;
    this.events = events;
    this.pauses = { ...PAUSES, ...options.pauses };
    this.random = options.random ?? Math.random;
    globalThis.addEventListener?.("online", this.hurry);
    void this.open();
  }

  /** Change over to another socket at a moment of the interval that the server told; this one serves until then. */
  drain(interval: readonly [number, number]): void {
    if (this.state.name !== "open") return;
    this.become({ name: "draining" });
    this.openIn(momentMs(interval, this.random));
  }

  /** End it for good. */
  stop(error: Error | undefined): void {
    if (this.state.name === "closed") return;
    clearTimeout(this.timer);
    globalThis.removeEventListener?.("online", this.hurry);
    this.link?.close();
    this.opening?.close();
    this.link = this.opening = undefined;
    this.become({ name: "closed", error });
  }

  private async open(): Promise<void> {
    if (this.link === undefined) this.become({ name: "connecting" });
    try {
      const socket = await opened(this.url, this.credentials);
      if (this.state.name === "closed") {
        socket.close();
        return;
      }
      const link: Link = new Link(socket, {
        welcome: (welcome) => this.welcomed(link, welcome),
        frame: (frame) => link === this.link && this.events.frame(frame),
        malformed: () => this.events.malformed(),
        ended: (ending) => this.ended(link, ending),
      });
      this.opening = link;
    } catch (error) {
      if (error instanceof NotAuthorized || error instanceof NoCredentials) this.stop(error);
      else this.retry(`no credentials: ${error instanceof Error ? error.message : "their provider failed"}`);
    }
  }

  private welcomed(link: Link, welcome: Welcome): void {
    this.link?.close(); // a draining server was listened to until this moment
    this.link = link;
    this.opening = undefined;
    this.openedAt = Date.now();
    this.refusals = 0;
    this.become({ name: "open" });
    this.events.welcome(welcome);
  }

  private ended(link: Link, ending: Ending): void {
    if (link === this.link) {
      this.link = undefined;
      if (Date.now() - this.openedAt > STABLE_MS) this.attempt = 0;
      if (this.opening !== undefined) return; // the successor is on its way
    } else {
      this.opening = undefined;
    }
    const wanted = advice(ending.code, ending.reason);
    const reason = ending.reason || ending.error?.error_code || `close ${ending.code}`;
    if (wanted === "stop") {
      this.stop(new ConnectionLost(ending.code, ending.reason));
    } else if (wanted === "new_token" && (++this.refusals >= REFUSALS_LIMIT || !this.renewable())) {
      this.stop(new NotAuthorized(reason));
    } else {
      this.retry(reason, ending.error?.retry_after_ms);
    }
  }

  private renewable(): boolean {
    return typeof this.credentials.token === "function" || typeof this.credentials.ticket === "function";
  }

  private retry(reason: string, leastMs = 0): void {
    if (this.state.name === "closed") return;
    const retryMs = pauseMs(this.attempt++, this.pauses, leastMs, this.random);
    if (this.link === undefined) this.become({ name: "waiting", retryMs, reason });
    this.openIn(retryMs);
  }

  private openIn(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.open(), ms);
  }

  private become(state: State): void {
    this.state = state;
    this.events.state(state);
  }
}
