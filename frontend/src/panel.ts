/** A panel of the page: a title, a word about what it holds, and room for its content. */

import { el } from "./dom";

export interface Panel {
  element: HTMLElement;
  /** Stands beside the title. */
  summary: HTMLElement;
  /** Where controls go. */
  tools: HTMLElement;
}

/** Return an empty panel in the area `name` of the page. */
export function panel(name: string, title: string, ...content: Node[]): Panel {
  const summary = el("span", { class: "summary" });
  const tools = el("div", { class: "tools" });
  const head = el("header", {}, el("h2", { id: `${name}-title` }, title), summary, tools);
  const element = el("section", { class: "panel", id: name, "aria-labelledby": `${name}-title` }, head, ...content);
  return { element, summary, tools };
}

/** What a panel does with the frames of a stream. */
export interface Sink<S = unknown, U = S> {
  /** All that is known of a key: an object, a list for list-like streams, null for nothing. */
  snapshot(key: string, state: S | null): void;
  /** One change of a key; null: it is gone. `stamps`: when the source stamped it, when the gateway took it. */
  update(key: string, change: U | null, stamps: readonly [number | null, number]): void;
  /** What begins with `scope` and is not among `keys` does not exist any more. */
  only?(keys: ReadonlySet<string>, scope: string): void;
}
