/** Begins: a login, then the page; and ends it, by loading the page anew without anything of the last user. */

import { byId } from "./dom";
import { askForLogin } from "./login";
import { Page } from "./page";
import { Session } from "./session";
import { themeButton } from "./theme";

const REASON = "why-logged-out";

function leave(reason: string): void {
  sessionStorage.setItem(REASON, reason);
  location.reload();
}

async function begin(): Promise<void> {
  themeButton(byId("theme"));
  const reason = sessionStorage.getItem(REASON) ?? "";
  sessionStorage.removeItem(REASON);
  const session = (await Session.resume()) ?? (await askForLogin(reason));
  byId("log-out").addEventListener("click", () => void session.close().finally(() => leave("You are logged out.")));
  new Page(session, leave);
}

void begin();
