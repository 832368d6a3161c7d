/** Which subscription an update belongs to: frames name a key, subscriptions name keys or patterns. Pure. */
import type { Subscription } from "./subscription.ts";

interface Followers {
  pattern: string;
  subscriptions: Set<Subscription>;
}

export class Routes {
  private readonly exact = new Map<string, Followers>();
  private readonly open = new Map<string, Followers[]>();

  add(stream: string, pattern: string, subscription: Subscription): void {
    this.followers(stream, pattern, true)?.subscriptions.add(subscription);
  }

  remove(subscription: Subscription): void {
    for (const [name, followers] of this.exact) {
      if (followers.subscriptions.delete(subscription) && followers.subscriptions.size === 0) this.exact.delete(name);
    }
    for (const [stream, all] of this.open) {
      for (const followers of all) followers.subscriptions.delete(subscription);
      this.open.set(stream, all.filter((each) => each.subscriptions.size > 0));
    }
  }

  /** Return who follows exactly this text, a key or a pattern. */
  named(stream: string, pattern: string): Iterable<Subscription> {
    return this.followers(stream, pattern, false)?.subscriptions ?? [];
  }

  /** Call `hand` for each subscription that an update of `key` belongs to, once. */
  each(stream: string, key: string, hand: (subscription: Subscription, pattern: string) => void): void {
    const exact = this.exact.get(`${stream} ${key}`);
    const told = new Set<Subscription>();
    for (const followers of [...(exact ? [exact] : []), ...(this.open.get(stream) ?? [])]) {
      if (!matches(followers.pattern, key)) continue;
      for (const subscription of followers.subscriptions) {
        if (!told.has(subscription)) hand(subscription, followers.pattern);
        told.add(subscription);
      }
    }
  }

  private followers(stream: string, pattern: string, create: boolean): Followers | undefined {
    if (!pattern.includes("*")) return entry(this.exact, `${stream} ${pattern}`, pattern, create);
    const all = this.open.get(stream) ?? [];
    let found = all.find((each) => each.pattern === pattern);
    if (found === undefined && create) {
      found = { pattern, subscriptions: new Set() };
      this.open.set(stream, [...all, found]);
    }
    return found;
  }
}

function entry(map: Map<string, Followers>, name: string, pattern: string, create: boolean): Followers | undefined {
  let found = map.get(name);
  if (found === undefined && create) {
    found = { pattern, subscriptions: new Set() };
    map.set(name, found);
  }
  return found;
}

/** Return whether a key is one of a pattern's: each `*` stands for one or more characters. */
export function matches(pattern: string, key: string): boolean {
  if (pattern === key) return true;
  const star = pattern.indexOf("*");
  if (star < 0) return false;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return key.length > before.length + after.length && key.startsWith(before) && key.endsWith(after);
}
