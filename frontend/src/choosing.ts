/** Rows that can be chosen: by a click, or by arrow keys and Enter, one of them in the order of Tab. */

export interface Choosable {
  element: HTMLElement;
  place: number;
}

const STEPS: Record<string, number> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -Infinity,
  End: Infinity,
};

/** Let people choose `row`; `order` returns all rows as they stand. */
export function makeChoosable<R extends Choosable>(row: R, order: () => R[], choose: () => void): void {
  row.element.tabIndex = -1;
  row.element.addEventListener("click", choose);
  row.element.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (event.key === "Enter" || event.key === " ") choose();
    else if (step === undefined) return;
    else {
      const rows = order();
      const to = rows[Math.min(Math.max(row.place + step, 0), rows.length - 1)];
      to?.element.focus({ preventScroll: true });
      to?.element.scrollIntoView({ block: "nearest" });
    }
    event.preventDefault();
  });
}

/** Mark the chosen row; Tab leads to it, or to the first one when none is chosen. */
export function markChosen(rows: Choosable[], chosen: Choosable | undefined): void {
  const inTabOrder = chosen ?? rows[0];
  for (const row of rows) {
    row.element.tabIndex = row === inTabOrder ? 0 : -1;
    row.element.ariaSelected = String(row === chosen);
  }
}
