/** Growing pauses with jitter, so that a thousand clients do not come back in the same moment: pure. */

export interface Pauses {
  firstMs: number;
  mostMs: number;
}

export const PAUSES: Pauses = { firstMs: 250, mostMs: 30_000 };

/** Return the pause before attempt number `attempt` (0 is the first), in milliseconds; never less than `leastMs`. */
export function pauseMs(attempt: number, pauses: Pauses, leastMs: number, random: () => number): number {
  const full = Math.min(pauses.mostMs, pauses.firstMs * 2 ** Math.min(attempt, 30));
  return leastMs + full * (0.5 + 0.5 * random());
}

/** Return a moment in an interval of milliseconds that the server told. */
export function momentMs(interval: readonly [number, number], random: () => number): number {
  const [least, most] = interval;
  return Math.max(0, least + (Math.max(least, most) - least) * random());
}
