/** Room in which content that is longer than its panel is scrolled. */

import { el } from "./dom";

/** Return `content` in such a room; without anything to stop at inside, the room itself takes the focus, as `label`. */
export function scroller(content: HTMLElement, label: string | undefined): HTMLElement {
  const room = el("div", { class: "scroller" }, content);
  if (label !== undefined) {
    room.tabIndex = 0; // so that arrow keys scroll it
    room.role = "region";
    room.ariaLabel = label;
  }
  return room;
}
