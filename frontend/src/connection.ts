/** How the connection is: its state in a word, latency, rate, and what was skipped. */

import { byId, el, setAttribute, setText } from "./dom";
import type { Facts } from "./feed";
import { short } from "./format";
import { eachSecond } from "./frames";

const WORDS: Record<string, string> = {
  connecting: "Connecting",
  open: "Live",
  draining: "Moving",
  waiting: "Reconnecting",
  closed: "Closed",
};
const TITLES = {
  latency: "There and back to the gateway",
  rate: "Messages in the last second",
  skipped: "Values that a newer one replaced before they were sent",
};

export class Connection {
  readonly #state = el("strong", { role: "status", "data-field": "state" });
  readonly #reason = el("span", { "data-field": "reason" });
  readonly #values = new Map<string, HTMLElement>();
  readonly #root = byId("connection");
  #frames = 0;

  constructor(private readonly facts: Facts) {
    const list = el("dl", {});
    for (const [field, title] of Object.entries(TITLES)) {
      const value = el("dd", { "data-field": field });
      this.#values.set(field, value);
      list.append(el("div", { title }, el("dt", {}, field), value));
    }
    this.#root.replaceChildren(this.#state, this.#reason, list);
    eachSecond(() => this.#second());
    this.changed();
  }

  /** The state is another one. */
  changed(): void {
    const { state } = this.facts;
    setText(this.#state, WORDS[state.name] ?? state.name);
    setText(this.#reason, state.name === "waiting" ? state.reason.replaceAll("_", " ") : "");
    setAttribute(this.#root, "data-state", state.name);
  }

  #second(): void {
    const { latencyMs, frames, skipped } = this.facts;
    this.#set("latency", latencyMs === undefined ? "– ms" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`);
    this.#set("rate", `${short(frames - this.#frames)}/s`);
    this.#set("skipped", short(skipped));
    this.#frames = frames;
  }

  #set(field: string, text: string): void {
    const value = this.#values.get(field);
    if (value) setText(value, text);
  }
}
