/** The last line of a table: sums, which stay where they are while rows come and go. */

import { el, setText } from "./dom";

export class Total {
  readonly element = el("dl", { class: "total" });
  readonly #values = new Map<string, HTMLElement>();

  constructor(names: Record<string, string>) {
    for (const [field, title] of Object.entries(names)) {
      const value = el("dd", { "data-total": field });
      this.#values.set(field, value);
      this.element.append(el("div", {}, el("dt", {}, title), value));
    }
  }

  /** Show a sum; `sign` colours it. */
  set(field: string, text: string, sign?: number): void {
    const value = this.#values.get(field);
    if (!value) return;
    setText(value, text);
    if (sign !== undefined) value.dataset["sign"] = sign > 0 ? "up" : sign < 0 ? "down" : "";
  }
}
