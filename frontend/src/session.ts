/**
 * A login: an access token that stays in memory, a refresh token that outlives a reload of this tab, and tickets.
 *
 * A refresh token is good once, and used twice it ends the whole login. A tab that was duplicated has a copy of it, so
 * each tab holds a lock in the name of its login, and a second one that finds the lock taken starts without.
 */

const API = "api/v1/auth"; // below the page's own address, wherever a proxy has put it
const STORED = "login";
const RENEW_BEFORE_S = 60;
const LOCK_MS = 1000;

interface Login {
  id: string;
  mail: string;
  refresh: string;
}

/** The credentials are refused: people have to log in again. */
export class SessionEnded extends Error {}

/** The gateway does not answer, or not as it should; trying again may help. */
export class Unreachable extends Error {}

/** What was asked is refused; the message is for people. */
export class LoginRefused extends Error {}

export class Session {
  #access = "";
  #renewal: Promise<void> | undefined;

  private constructor(private readonly login: Login) {}

  get mail(): string {
    return this.login.mail;
  }

  /** Log in. Throws: LoginRefused, Unreachable. */
  static async open(mail: string, password: string): Promise<Session> {
    const answer = await post("/token/", { mail, password });
    if (answer.status === 401) throw new LoginRefused("The email or the password is wrong.");
    if (answer.status === 429) {
      const wait = answer.headers.get("Retry-After");
      throw new LoginRefused(`Too many attempts: try again in ${wait ?? "some"} seconds.`);
    }
    if (answer.status === 422) throw new LoginRefused("The email and the password are both needed.");
    const pair = await body<{ access: string; refresh: string }>(answer);
    const session = new Session({ id: crypto.randomUUID?.() ?? String(Math.random()), mail, refresh: pair.refresh });
    session.#access = pair.access;
    session.#store();
    void hold(session.login.id);
    return session;
  }

  /** Go on with the login that this tab had before it was loaded anew; undefined when there is none. */
  static async resume(): Promise<Session | undefined> {
    const stored = sessionStorage.getItem(STORED);
    if (!stored) return undefined;
    const login = JSON.parse(stored) as Login;
    if (!(await hold(login.id))) {
      sessionStorage.removeItem(STORED);
      return undefined;
    }
    return new Session(login);
  }

  /** Return a ticket that opens one socket. Throws: SessionEnded, Unreachable. */
  async ticket(): Promise<string> {
    let answer = await post("/ticket/", {}, await this.token());
    if (answer.status === 401) {
      await this.#renew();
      answer = await post("/ticket/", {}, this.#access);
    }
    if (answer.status === 401 || answer.status === 403) throw this.#ended();
    return (await body<{ ticket: string }>(answer)).ticket;
  }

  /** Return an access token that lives for a while yet. Throws: SessionEnded, Unreachable. */
  async token(): Promise<string> {
    if (endOf(this.#access) - Date.now() / 1000 < RENEW_BEFORE_S) await this.#renew();
    return this.#access;
  }

  /** Return whether the admin site lets this user in; false as well when nobody answers. */
  async isStaff(): Promise<boolean> {
    try {
      const answer = await fetch("api/v1/orm/users/me", { headers: { Authorization: `Bearer ${await this.token()}` } });
      return answer.ok && ((await answer.json()) as { role?: string }).role === "admin";
    } catch {
      return false; // a link is missing, and everything that matters says by itself what is wrong
    }
  }

  /** End the login everywhere; this tab forgets it in any case. */
  async close(): Promise<void> {
    sessionStorage.removeItem(STORED);
    try {
      await post("/logout/", { refresh: this.login.refresh }, this.#access || undefined);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error; // the tokens end by themselves
    }
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.#exchange().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #exchange(): Promise<void> {
    const answer = await post("/token/refresh/", { refresh: this.login.refresh });
    if (answer.status === 401 || answer.status === 422) throw this.#ended();
    const pair = await body<{ access: string; refresh: string }>(answer);
    this.#access = pair.access;
    this.login.refresh = pair.refresh;
    this.#store();
  }

  #store(): void {
    sessionStorage.setItem(STORED, JSON.stringify(this.login));
  }

  #ended(): SessionEnded {
    sessionStorage.removeItem(STORED);
    return new SessionEnded("Your session has ended. Please log in again.");
  }
}

/** Hold a login's lock for as long as this page lives; return false when another tab has it. */
async function hold(id: string): Promise<boolean> {
  if (!("locks" in navigator)) return true; // plain http to another machine: no locks there
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(LOCK_MS);
    navigator.locks
      .request(`login ${id}`, { signal }, () => {
        resolve(true);
        return new Promise(() => undefined);
      })
      .catch(() => resolve(false));
  });
}

async function post(path: string, fields: object, token?: string): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (token) headers["Authorization"] = `Bearer ${token}`;
  try {
    return await fetch(API + path, { method: "POST", headers, body: JSON.stringify(fields) });
  } catch {
    throw new Unreachable("The gateway cannot be reached.");
  }
}

async function body<T>(answer: Response): Promise<T> {
  if (!answer.ok) throw new Unreachable(`The gateway answered ${answer.status}.`);
  return (await answer.json()) as T;
}

/** Return the Unix time at which a token ends, 0 when it does not say. */
function endOf(token: string): number {
  const claims = token.split(".")[1];
  if (!claims) return 0;
  return (JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: number }).exp ?? 0;
}
