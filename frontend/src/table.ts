/** Tables whose rows change all the time: no row moves unless the order does, and only what is seen is painted. */

import { makeChoosable, markChosen } from "./choosing";
import { el, setAttribute } from "./dom";
import { eachSecond, inFrame } from "./frames";
import { heading, type Sorted } from "./heading";
import { scroller } from "./scroller";

export interface Column<T> {
  /** Name of the value, as frames name it: stands in `data-field`. */
  field: string;
  title: string;
  /** What the column is sorted by; a column without is not sortable. */
  order?: (value: T) => number | string;
  /** Largest first at the first click. */
  descending?: boolean;
  /** `start`: a text. Numbers stand at the end. */
  align?: "start";
  /** Returns the cell's text, or paints it; called whenever the row changed, and each second. */
  show: (value: T, cell: HTMLElement) => string | void;
}

export interface Options<T> {
  stream: string;
  label: string;
  columns: Column<T>[];
  sorted: Sorted;
  /** What a row is marked with, by the names of attributes. */
  marks?: (value: T) => Record<string, string | null>;
  choose?: (value: T) => void;
  empty: string;
}

interface Row<T> {
  id: string;
  value: T;
  element: HTMLElement;
  cells: HTMLElement[];
  texts: (string | undefined)[];
  place: number;
  dirty: boolean;
  paint: () => void;
}

const MARGIN_ROWS = 4;
const SORT_EVERY_S = 2;

export class Table<T> {
  readonly element: HTMLElement;
  readonly #rows = new Map<string, Row<T>>();
  readonly #body = el("div", { role: "rowgroup", class: "rows" });
  readonly #scroller: HTMLElement;
  readonly #empty: HTMLElement;
  #sorted: Sorted;
  #order: Row<T>[] = [];
  #misplaced = false;
  #inView = true;
  #first = 0;
  #last = 100;
  #seconds = 0;
  #chosen = "";

  constructor(private readonly options: Options<T>) {
    this.#sorted = options.sorted;
    this.#empty = el("p", { class: "empty" }, options.empty);
    const head = heading(options.columns, options.sorted, (sorted) => {
      this.#sorted = sorted;
      this.#reorder();
    });
    const role = options.choose ? "grid" : "table";
    const grid = el("div", { class: "grid", role, "aria-label": options.label }, head, this.#body);
    this.#scroller = scroller(grid, options.choose ? undefined : options.label);
    this.element = el("div", { class: `table ${options.stream}` }, this.#scroller, this.#empty);
    this.#watch();
  }

  get size(): number {
    return this.#rows.size;
  }

  get(id: string): T | undefined {
    return this.#rows.get(id)?.value;
  }

  values(): T[] {
    return this.#order.map((row) => row.value);
  }

  /** Show `value` as the row `id`, which is new if there was none; `key` is the stream's key that it belongs to. */
  set(id: string, key: string, value: T): void {
    const row = this.#rows.get(id) ?? this.#add(id, key, value);
    row.value = value;
    row.dirty = true;
    if (this.#isSeen(row)) inFrame(row.paint);
  }

  delete(id: string): void {
    const row = this.#rows.get(id);
    if (!row) return;
    this.#rows.delete(id);
    row.element.remove();
    this.#order = this.#order.filter((other) => other !== row);
    this.#reorder();
  }

  /** Leave only the rows for which `stays` holds. */
  keep(stays: (id: string, value: T) => boolean): void {
    for (const row of [...this.#rows.values()]) if (!stays(row.id, row.value)) this.delete(row.id);
  }

  /** Mark the row that other panels belong to. */
  choose(id: string): void {
    this.#chosen = id;
    markChosen(this.#order, this.#rows.get(id));
  }

  // -- painting -----------------------------------------------------------------------------------------------------

  #isSeen(row: Row<T>): boolean {
    return this.#inView && row.place >= this.#first && row.place <= this.#last;
  }

  #paint(row: Row<T>): void {
    row.dirty = false;
    this.options.columns.forEach((column, at) => {
      const cell = row.cells[at] as HTMLElement;
      const text = column.show(row.value, cell);
      if (typeof text !== "string" || row.texts[at] === text) return;
      row.texts[at] = text;
      if (cell.firstChild) cell.firstChild.nodeValue = text;
      else cell.append(text);
    });
    const marks = this.options.marks?.(row.value) ?? {};
    for (const [name, value] of Object.entries(marks)) setAttribute(row.element, name, value);
  }

  #add(id: string, key: string, value: T): Row<T> {
    const { columns, stream, choose } = this.options;
    const role = choose ? "gridcell" : "cell";
    const cells = columns.map((column) =>
      el("div", { role, "data-field": column.field, class: column.align ?? "end" }),
    );
    const element = el("div", { role: "row", class: "row", "data-stream": stream, "data-key": key }, ...cells);
    if (id !== key) element.dataset["id"] = id;
    const row: Row<T> = { id, value, element, cells, texts: [], place: -1, dirty: true, paint: () => this.#paint(row) };
    if (choose) makeChoosable(row, () => this.#order, () => choose(row.value));
    this.#rows.set(id, row);
    this.#order.push(row);
    this.#reorder();
    return row;
  }

  // -- order --------------------------------------------------------------------------------------------------------

  #reorder(): void {
    this.#misplaced = true;
    inFrame(this.#place);
  }

  readonly #place = (): void => {
    if (!this.#misplaced) return;
    this.#misplaced = false;
    this.#sort();
    let next = this.#body.firstElementChild;
    this.#order.forEach((row, place) => {
      if (row.place !== place) {
        row.place = place;
        // A transform moves a row without laying out the others.
        row.element.style.transform = `translateY(calc(var(--row) * ${place}))`;
        row.element.ariaRowIndex = String(place + 2);
      }
      if (next === row.element) next = next.nextElementSibling;
      else this.#body.insertBefore(row.element, next);
      if (row.dirty && this.#isSeen(row)) inFrame(row.paint);
    });
    this.#body.style.height = `calc(var(--row) * ${this.#order.length})`;
    this.#empty.hidden = this.#order.length > 0;
    if (this.options.choose) this.choose(this.#chosen);
  };

  #sort(): void {
    const { field, descending } = this.#sorted;
    const order = this.options.columns.find((column) => column.field === field)?.order;
    if (!order) return;
    const sign = descending ? -1 : 1;
    this.#order.sort((one, other) => {
      const a = order(one.value);
      const b = order(other.value);
      if (a === b) return one.id < other.id ? -1 : 1;
      return (a < b ? -1 : 1) * sign;
    });
  }

  // -- what is seen -------------------------------------------------------------------------------------------------

  readonly #look = (): void => {
    const height = this.#body.firstElementChild?.clientHeight || 24;
    const { scrollTop, clientHeight } = this.#scroller;
    this.#first = Math.floor(scrollTop / height) - MARGIN_ROWS;
    this.#last = Math.ceil((scrollTop + clientHeight) / height) + MARGIN_ROWS;
    for (const row of this.#order) if (row.dirty && this.#isSeen(row)) inFrame(row.paint);
  };

  /** Each second ages grow, rows out of sight catch up, and now and then the order is looked at. */
  readonly #second = (): void => {
    for (const row of this.#order) if (row.dirty || this.#isSeen(row)) inFrame(row.paint);
    // Nothing moves below a pointer, or below the focus of the keyboard.
    const busy = this.#body.matches(":hover") || this.#body.contains(document.activeElement);
    if (++this.#seconds % SORT_EVERY_S === 0 && !busy) this.#reorder();
  };

  #watch(): void {
    this.#scroller.addEventListener("scroll", this.#look, { passive: true });
    new ResizeObserver(this.#look).observe(this.#scroller);
    new IntersectionObserver(([entry]) => {
      this.#inView = entry?.isIntersecting ?? true;
      this.#look();
    }).observe(this.element);
    eachSecond(this.#second);
  }
}
