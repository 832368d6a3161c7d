/** Client of the gateway's `/api/v1/stream`: many subscriptions on one socket that comes back by itself. */
import { Gateway, type Options } from "./gateway.ts";

export type { Credentials, Provider } from "./credentials.ts";
export { NoCredentials } from "./credentials.ts";
export { ConnectionLost, GatewayClosed, NotAuthorized, RequestRefused } from "./errors.ts";
export type { Begun } from "./begun.ts";
export type { State } from "./connection.ts";
export type { Counters, Options } from "./gateway.ts";
export { Gateway } from "./gateway.ts";
export type { Answer, Request } from "./link.ts";
export * from "./messages.ts";
export type { Callbacks, DataOf, Deleted, Message, Mode, Query, StreamName } from "./subscription.ts";
export { Subscription } from "./subscription.ts";

/** Begin to connect, and return at once: what is subscribed meanwhile is asked for when the server welcomes us. */
export function connect(url: string, options: Options): Gateway {
  return new Gateway(url, options);
}
