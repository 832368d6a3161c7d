/** What can go wrong, named by what the caller can do about it. No text ever holds a token or a ticket. */

/** The gateway answered a request with an error; the socket stays open. `field` names what broke a rule. One code is this
 *  client's own: `REQUEST_TOO_LARGE`, for what no frame holds and cannot be asked in parts. */
export class RequestRefused extends Error {
  readonly code: string;
  readonly field: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(refusal: { error_code: string; error: string; retryable: boolean; field?: string; retry_after_ms?: number }) {
    super(refusal.error);
    this.name = "RequestRefused";
    this.code = refusal.error_code;
    this.field = refusal.field;
    this.retryable = refusal.retryable;
    this.retryAfterMs = refusal.retry_after_ms;
  }

  /** What the gateway would end the socket for: sizes in bytes, `field` is the longest. */
  static tooLarge(field: string, size: number, limit: number): RequestRefused {
    const error = `the request has ${size} bytes and the gateway reads ${limit}: ${field} is too long`;
    return new RequestRefused({ error_code: "REQUEST_TOO_LARGE", error, retryable: false, field });
  }
}

/** The connection ended before the answer came; what was asked may or may not have been done. */
export class ConnectionLost extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string) {
    super(`the connection ended with ${code}${reason ? ` (${reason})` : ""}`);
    this.name = "ConnectionLost";
    this.code = code;
    this.reason = reason;
  }
}

/** The gateway does not accept the credentials, and asking the provider again did not help. */
export class NotAuthorized extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`the gateway refuses the credentials: ${reason || "no reason given"}`);
    this.name = "NotAuthorized";
    this.reason = reason;
  }
}

/** The gateway was closed by its user. */
export class GatewayClosed extends Error {
  constructor() {
    super("this gateway was closed");
    this.name = "GatewayClosed";
  }
}
