/** Requests that name more than one frame holds: asked in parts, each with the cursors of its own keys. Pure. */
import type { Request } from "./link.ts";

/** Of a frame, for the number that the request is sent with. */
const ROOM_BYTES = 64;

/** Return requests that together name what `body` does, each within a frame where its lists can be divided.
 *  A replay stays whole: it has one order over all its keys. */
export function split(body: Request, frameBytes: number): Request[] {
  if (bytesOf(JSON.stringify(body)) + ROOM_BYTES <= frameBytes || "replay" in body) return [body];
  const lists = Object.entries(body).filter((each): each is [string, string[]] => Array.isArray(each[1]));
  const [longest] = lists.sort(([, one], [, other]) => other.length - one.length);
  if (longest === undefined || longest[1].length === 1) return [body];
  const [name, names] = longest;
  const middle = Math.floor(names.length / 2);
  const halves = [names.slice(0, middle), names.slice(middle)];
  return halves.flatMap((half, at) => split(part(body, name, new Set(half), new Set(halves[1 - at])), frameBytes));
}

/** Return the field of a request that takes most of its frame. */
export function longest(body: Request): string {
  const sizes = Object.entries(body).map(([name, value]) => ({ name, size: JSON.stringify(value)?.length ?? 0 }));
  return sizes.reduce((one, other) => (other.size > one.size ? other : one)).name;
}

export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function part(body: Request, name: string, half: Set<string>, others: Set<string>): Request {
  const { since, ...rest } = { ...body, [name]: [...half] } as Request;
  if (typeof since !== "object" || since === null) return since === undefined ? rest : { ...rest, since };
  // A cursor of a pattern or of a log goes with every part: whose it is, nobody says.
  const own = Object.entries(since).filter(([text]) => names(text, half) || !names(text, others));
  return own.length > 0 ? { ...rest, since: Object.fromEntries(own) } : rest;
}

/** Whether one of `values` is a field of the key that frames call `text`; fields may hold colons. */
function names(text: string, values: Set<string>): boolean {
  const words = text.split(":");
  return words.some((_, at) => words.some((_, last) => last >= at && values.has(words.slice(at, last + 1).join(":"))));
}
