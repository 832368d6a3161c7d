/** What a subscription knows of each key: numbers for order, cursors for coming back. Pure. */

export type Verdict = { kind: "news"; missed: number } | { kind: "repeated" } | { kind: "gap"; missed: number };

interface Place {
  seq: number;
  cursor: string | null;
}

/** Keys that are remembered at most; of one that was forgotten neither repeats nor gaps are noticed. */
const KEYS_LIMIT = 65_536;
/** Cursors by key that one request may carry; the server needs the newest one of each log, and logs are few. */
const CURSORS_LIMIT = 256;

export class Tracking {
  /** Cursor of the newest complete state; undefined before the first one. */
  newest: string | undefined;
  /** Whether anything was told. */
  begun = false;
  private places = new Map<string, Place>();
  private batch: Map<string, Place> | undefined;
  private starts: Record<string, string> = {};
  private readonly lossless: boolean;

  /** `lossless`: every change is sent, so that a jump of the number is a loss. */
  constructor(lossless: boolean) {
    this.lossless = lossless;
  }

  /** Take a snapshot in. Several in a row, all but the last with `more`, are one state; it replaces what was known. */
  snapshot(key: string, seq: number, cursor: string | null, more: boolean): void {
    this.begun = true;
    this.batch ??= new Map();
    this.batch.set(key, { seq, cursor });
    if (more) return;
    this.places = this.batch;
    this.batch = undefined;
    this.newest = cursor ?? undefined;
  }

  /** Judge an update, and take it in unless it is a repetition or follows a gap. */
  update(key: string, seq: number, cursor: string | null): Verdict {
    const last = this.places.get(key)?.seq;
    if (last !== undefined && seq <= last) return { kind: "repeated" };
    const missed = last === undefined ? 0 : seq - last - 1;
    if (missed > 0 && this.lossless) return { kind: "gap", missed };
    this.take(key, seq, cursor);
    return { kind: "news", missed };
  }

  /** Take an update in, whatever came before it. */
  take(key: string, seq: number, cursor: string | null): void {
    this.begun = true;
    this.places.delete(key);
    this.places.set(key, { seq, cursor });
    if (this.places.size > KEYS_LIMIT) {
      const oldest = this.places.keys().next();
      if (!oldest.done) this.places.delete(oldest.value);
    }
    if (cursor !== null && this.batch === undefined) this.newest = cursor;
  }

  /** Whether there is a place to continue from. */
  get placed(): boolean {
    return this.newest !== undefined || Object.keys(this.starts).length > 0;
  }

  /** Begin without a state at the place that the server named, or at one in each log. */
  startAt(cursors: string | Record<string, string>): void {
    if (typeof cursors === "string") this.newest ??= cursors;
    else this.starts = { ...cursors, ...this.starts };
  }

  /** Forget a state that was cut short: the next one begins where the last whole one ended. */
  interrupt(): void {
    this.batch = undefined;
  }

  /** Return the cursor of a key's last change, from which a gap behind it can be filled. */
  cursorOf(key: string): string | undefined {
    return this.places.get(key)?.cursor ?? undefined;
  }

  /** Return cursors of the keys that changed last, for subscriptions that read several logs. */
  cursors(): Record<string, string> {
    const known = { ...this.starts };
    for (const [key, place] of [...this.places].slice(-CURSORS_LIMIT)) if (place.cursor !== null) known[key] = place.cursor;
    return known;
  }
}
