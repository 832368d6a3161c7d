/** The server's clock, as far as this machine knows it. All times are Unix seconds. */

let offset = 0;

/** Learn the server's time from a frame that has just arrived. */
export function learnTime(serverTime: number): void {
  offset = serverTime - Date.now() / 1000;
}

/** Return the time by the server's clock. */
export function now(): number {
  return Date.now() / 1000 + offset;
}
