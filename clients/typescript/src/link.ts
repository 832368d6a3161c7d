/** One socket of the gateway: from opening to its end, with requests and their answers. */
import { ConnectionLost, RequestRefused } from "./errors.ts";
import type { ErrorAck, ErrorFrame, Welcome } from "./messages.ts";
import { bytesOf, longest } from "./parts.ts";

/** Any frame of the server, read as JSON; fields beyond these depend on its type. */
export interface Frame {
  type: string;
  [field: string]: unknown;
}

export type Request = { op: string; [field: string]: unknown };
export type Answer = Frame & { op: string; time_in: number; time_out: number; warnings: string[] };

export interface Ending {
  code: number;
  reason: string;
  /** What the error frame before the close said, if there was one. */
  error: ErrorFrame | undefined;
}

export interface LinkEvents {
  welcome(welcome: Welcome): void;
  frame(frame: Frame): void;
  malformed(): void;
  ended(ending: Ending): void;
}

interface Waiting {
  then: ((answer: Answer) => void) | undefined;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const WELCOME_MS = 10_000;
/** So many heartbeats without any frame: nobody is there. */
const SILENT_HEARTBEATS = 2.5;
const NORMAL = 1000;
const ABNORMAL = 1006;

export class Link {
  welcome: Welcome | undefined;
  private readonly socket: WebSocket;
  private readonly events: LinkEvents;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private heardAt = Date.now();
  private watch: ReturnType<typeof setInterval> | undefined;
  private error: ErrorFrame | undefined;
  private over = false;
  /** Requests are sent no faster than the server allows: when the next one may leave, in `Date.now()` terms. */
  private nextRequestAt = 0;

  constructor(socket: WebSocket, events: LinkEvents) {
    this.socket = socket;
    this.events = events;
    socket.onmessage = (message: MessageEvent) => this.read(message.data);
    socket.onclose = (close: CloseEvent) => this.end(close.code, close.reason);
    socket.onerror = () => undefined; // a close follows, and says as much as a client may know
    this.watch = setInterval(() => this.end(ABNORMAL, "no welcome"), WELCOME_MS);
  }

  get open(): boolean {
    return this.welcome !== undefined && !this.over;
  }

  /** Send a request at the server's pace and return its answer; a function is asked for it when its turn has come.
   *  `then` is called with the answer before any frame that comes after it: those of one packet come in one go, and
   *  what awaits the promise runs after all of them. Rejects: RequestRefused, ConnectionLost. */
  async request(body: Request | (() => Request), then?: (answer: Answer) => void): Promise<Answer> {
    const pace = 1000 / (this.welcome?.limits.requests_per_s || Infinity); // 0: there is no limit
    const at = Math.max(this.nextRequestAt, Date.now() - (1000 - pace));
    this.nextRequestAt = at + pace;
    if (at > Date.now()) await new Promise((resolve) => setTimeout(resolve, at - Date.now()));
    if (!this.open) throw new ConnectionLost(ABNORMAL, "");
    const asked = typeof body === "function" ? body() : body;
    const id = this.nextId++;
    const text = JSON.stringify({ ...asked, id });
    const limit = this.welcome?.limits.frame_bytes ?? Infinity;
    if (bytesOf(text) > limit) throw RequestRefused.tooLarge(longest(asked), bytesOf(text), limit);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { then, resolve, reject });
      this.socket.send(text);
    });
  }

  /** End the socket; nothing more is told of it. */
  close(): void {
    this.end(NORMAL, "", false);
  }

  private read(payload: unknown): void {
    this.heardAt = Date.now();
    const frame = typeof payload === "string" ? parsed(payload) : undefined;
    if (frame === undefined) {
      this.events.malformed();
    } else if (frame.type === "ack") {
      this.acknowledge(frame as Answer);
    } else if (this.welcome === undefined) {
      this.begin(frame);
    } else {
      if (frame.type === "error") this.error = frame as unknown as ErrorFrame;
      this.events.frame(frame);
    }
  }

  private begin(frame: Frame): void {
    if (frame.type === "error") this.error = frame as unknown as ErrorFrame;
    if (frame.type !== "welcome") return;
    const welcome = frame as unknown as Welcome;
    this.welcome = welcome;
    const silentMs = welcome.heartbeat_s * 1000 * SILENT_HEARTBEATS;
    clearInterval(this.watch);
    this.watch = setInterval(() => {
      if (Date.now() - this.heardAt > silentMs) this.end(ABNORMAL, "silent");
    }, silentMs / 5);
    this.events.welcome(welcome);
  }

  private acknowledge(answer: Answer): void {
    const waiting = this.waiting.get(answer.id as number);
    if (waiting === undefined) {
      this.events.malformed();
      return;
    }
    this.waiting.delete(answer.id as number);
    if (answer.ok === false) {
      waiting.reject(new RequestRefused(answer as unknown as ErrorAck));
      return;
    }
    waiting.then?.(answer);
    waiting.resolve(answer);
  }

  private end(code: number, reason: string, tell = true): void {
    if (this.over) return;
    this.over = true;
    clearInterval(this.watch);
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    for (const waiting of this.waiting.values()) waiting.reject(new ConnectionLost(code, reason));
    this.waiting.clear();
    if (tell) this.events.ended({ code, reason, error: this.error });
  }
}

function parsed(text: string): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === "object" && frame !== null && "type" in frame && typeof frame.type === "string"
      ? (frame as Frame)
      : undefined;
  } catch {
    return undefined;
  }
}
