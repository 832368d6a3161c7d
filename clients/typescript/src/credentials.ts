/** Opening a socket with credentials, which stand in a header or are tickets: a token never stands in a URL. */

export type Provider = string | (() => string | Promise<string>);

/** One of the two. A function is asked for each connection, so that what it gives may be short-lived. */
export interface Credentials {
  /** An access token. */
  token?: Provider;
  /** A ticket of `POST /api/v1/auth/ticket`, good for one socket within 30 s. */
  ticket?: Provider;
}

export class NoCredentials extends Error {
  constructor() {
    super("pass a token or a ticket, or a function that returns one");
    this.name = "NoCredentials";
  }
}

const PROTOCOL = "fullon.stream.v1";

/** Return a socket that is being opened. Rejects with what the provider threw. */
export async function opened(url: string, credentials: Credentials): Promise<WebSocket> {
  const provider = credentials.ticket ?? credentials.token;
  if (provider === undefined) throw new NoCredentials();
  const credential = typeof provider === "function" ? await provider() : provider;
  if (credentials.ticket === undefined) return new WebSocket(url, [PROTOCOL, `jwt.${credential}`]);
  const target = new URL(url);
  target.searchParams.set("ticket", credential);
  return new WebSocket(target, [PROTOCOL]);
}
