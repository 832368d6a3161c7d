/** A cell that changed is marked for a moment: by an attribute, so that style sheets decide what that looks like. */

const LASTS_MS = 450;
const marked = new Map<HTMLElement, number>();
let clearing = false;

/** Mark `cell` with the direction into which its value went. */
export function flash(cell: HTMLElement, direction: "up" | "down"): void {
  if (cell.dataset["move"] !== direction) cell.dataset["move"] = direction;
  marked.delete(cell); // so that the map stays in the order of ending
  marked.set(cell, performance.now() + LASTS_MS);
  if (!clearing) {
    clearing = true;
    setTimeout(clear, LASTS_MS);
  }
}

function clear(): void {
  const now = performance.now();
  for (const [cell, ends] of marked) {
    if (ends > now) {
      setTimeout(clear, ends - now + 16);
      return;
    }
    marked.delete(cell);
    delete cell.dataset["move"];
  }
  clearing = false;
}
