/** What to do after a socket ended: pure, from the table of close codes. */
import { CLOSES } from "./messages.ts";

export type Advice = "resume" | "new_token" | "stop";

const ADVICE: Record<(typeof CLOSES)[number][2], Advice> = {
  resume: "resume",
  back_off: "resume",
  later: "resume",
  afresh: "resume", // the cursor is sent all the same: the server says whether it still holds
  new_token: "new_token",
  no: "stop",
};

/** Return what a close means; what no table knows is a network that failed, and coming back is right. */
export function advice(code: number, reason: string): Advice {
  // 1000 without our asking is a proxy or a server that ends idle connections.
  if (code === 1000) return "resume";
  const exact = CLOSES.find((close) => close[0] === code && close[1] === reason);
  const row = exact ?? CLOSES.find((close) => close[0] === code);
  return row === undefined ? "resume" : ADVICE[row[2]];
}
