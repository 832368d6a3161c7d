/** The form that people log in with. */

import { byId } from "./dom";
import { LoginRefused, Session, Unreachable } from "./session";

/** Show the form, with a word about why if there is one; return the session of whoever logs in. */
export function askForLogin(reason = ""): Promise<Session> {
  const form = byId<HTMLFormElement>("login");
  const [mail, password] = [byId<HTMLInputElement>("email"), byId<HTMLInputElement>("password")];
  const button = byId<HTMLButtonElement>("log-in");
  const said = byId("login-said");
  document.body.dataset["view"] = "login";
  said.textContent = reason;
  (mail.value ? password : mail).focus();
  return new Promise((resolve, reject) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      said.textContent = "";
      try {
        const session = await Session.open(mail.value.trim(), password.value);
        password.value = "";
        resolve(session);
      } catch (error) {
        if (error instanceof LoginRefused || error instanceof Unreachable) said.textContent = error.message;
        else reject(error as Error);
        password.select();
      } finally {
        button.disabled = false;
      }
    };
  });
}
