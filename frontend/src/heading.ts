/** The head of a table: what it is sorted by, and how to change that. */

import { el, setAttribute } from "./dom";

export interface Titled {
  field: string;
  title: string;
  align?: "start";
  descending?: boolean;
  order?: unknown;
}

export interface Sorted {
  field: string;
  descending: boolean;
}

/** Return the head of a table; `sort` is called with what to sort by from now on. */
export function heading(columns: Titled[], first: Sorted, sort: (sorted: Sorted) => void): HTMLElement {
  let sorted = first;
  const cells = new Map<string, HTMLElement>();
  const tell = (): void => {
    for (const [field, cell] of cells) {
      const word = sorted.descending ? "descending" : "ascending";
      setAttribute(cell, "aria-sort", field === sorted.field ? word : null);
    }
  };
  const row = el("div", { role: "row", class: "row head", "aria-rowindex": 1 });
  for (const column of columns) {
    const cell = el("div", { role: "columnheader", class: column.align ?? "end", "data-column": column.field });
    row.append(cell);
    if (!column.order) {
      cell.append(column.title);
      continue;
    }
    const button = el("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      const again = sorted.field === column.field;
      sorted = { field: column.field, descending: again ? !sorted.descending : (column.descending ?? false) };
      tell();
      sort(sorted);
    });
    cell.append(button);
    cells.set(column.field, cell);
  }
  tell();
  return el("div", { role: "rowgroup", class: "heads" }, row);
}
