/** Where the stream is, from whatever address of the gateway a person has at hand: pure. */

const PATH = "/api/v1/stream";

/** Return the socket's address. Throws TypeError for what is not one, or holds credentials. */
export function streamUrl(given: string, page?: string): string {
  const url = new URL(given, page);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new TypeError("url: must begin with http, https, ws or wss");
  if (url.username || url.password) throw new TypeError("url: must not hold a user or a password");
  if (url.searchParams.has("token") || url.searchParams.has("ticket")) {
    throw new TypeError("url: must not hold a token or a ticket; pass a provider instead");
  }
  if (url.pathname === "/") url.pathname = PATH;
  url.hash = "";
  return url.toString();
}
