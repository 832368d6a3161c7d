/** Orders: the open ones first, then those that ended, newest first. */

import type { Order } from "gateway-client";
import { NOTHING, price, timeOfDay, volume } from "./format";
import { inFrame } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { Table, type Column } from "./table";

/** Most orders of one key that are shown. */
const SHOWN = 500;
const ENDED = /^(closed|filled|done|cancell?ed|rejected|expired|failed|error)$/i;

type Change = Order | { deleted: string };

export class Orders implements Sink<Order[], Change> {
  readonly panel: Panel;
  readonly #table: Table<Order>;
  readonly #ids = new Map<string, Set<string>>();

  constructor() {
    this.#table = new Table<Order>({
      stream: "orders",
      label: "Orders",
      columns: COLUMNS,
      sorted: { field: "time", descending: true },
      marks: (order) => ({ "data-ended": isOpen(order) ? null : "true", "data-side": order.side }),
      empty: "No orders of yours.",
    });
    this.panel = panel("orders", "Orders", this.#table.element);
  }

  snapshot(key: string, orders: Order[] | null): void {
    const newest = [...(orders ?? [])].sort((one, other) => other.time - one.time).slice(0, SHOWN);
    const ids = this.#of(key);
    const still = new Set(newest.map((order) => order.order_id));
    for (const id of ids) if (!still.has(id)) this.#remove(key, id);
    for (const order of newest) this.#put(key, order);
    this.#summarize();
  }

  update(key: string, change: Change | null): void {
    if (!change) return;
    if ("deleted" in change) this.#remove(key, change.deleted);
    else this.#put(key, change);
    this.#summarize();
  }

  only(keys: ReadonlySet<string>, scope: string): void {
    for (const key of this.#ids.keys()) if (!keys.has(key) && key.startsWith(scope)) this.snapshot(key, null);
  }

  #of(key: string): Set<string> {
    const ids = this.#ids.get(key) ?? new Set<string>();
    this.#ids.set(key, ids);
    return ids;
  }

  #put(key: string, order: Order): void {
    const ids = this.#of(key);
    ids.add(order.order_id);
    this.#table.set(`${key}:${order.order_id}`, key, order);
    if (ids.size > SHOWN) this.#remove(key, this.#oldest(key, ids));
  }

  #oldest(key: string, ids: Set<string>): string {
    const time = (id: string): number => this.#table.get(`${key}:${id}`)?.time ?? 0;
    return [...ids].reduce((one, other) => (time(other) < time(one) ? other : one));
  }

  #remove(key: string, id: string): void {
    this.#of(key).delete(id);
    this.#table.delete(`${key}:${id}`);
  }

  #summarize(): void {
    inFrame(this.#tell);
  }

  readonly #tell = (): void => {
    const open = this.#table.values().filter(isOpen).length;
    this.panel.summary.textContent = `${open} open of ${this.#table.size}`;
  };
}

function isOpen(order: Order): boolean {
  return !ENDED.test(order.status ?? "");
}

function done(order: Order): string {
  return order.volume ? `${Math.round((100 * order.filled) / order.volume)} %` : NOTHING;
}

const COLUMNS: Column<Order>[] = [
  {
    field: "time", title: "Time", descending: true, align: "start",
    order: (o) => (isOpen(o) ? 1e12 : 0) + o.time,
    show: (o) => timeOfDay(o.time),
  },
  { field: "symbol", title: "Market", align: "start", order: (o) => o.symbol ?? "", show: (o) => o.symbol ?? NOTHING },
  { field: "exchange", title: "Exchange", align: "start", order: (o) => o.exchange, show: (o) => o.exchange },
  { field: "side", title: "Side", align: "start", order: (o) => o.side ?? "", show: (o) => o.side ?? NOTHING },
  { field: "order_type", title: "Type", align: "start", show: (o) => o.order_type ?? NOTHING },
  { field: "price", title: "Price", order: (o) => o.price ?? 0, descending: true, show: (o) => price(o.price) },
  { field: "volume", title: "Volume", order: (o) => o.volume, descending: true, show: (o) => volume(o.volume, o.price) },
  {
    field: "filled", title: "Filled", descending: true,
    order: (o) => (o.volume ? o.filled / o.volume : 0),
    show: (o) => done(o),
  },
  { field: "status", title: "Status", align: "start", order: (o) => o.status ?? "", show: (o) => (o.status ?? NOTHING).replaceAll("_", " ") },
  { field: "bot", title: "Bot", align: "start", order: (o) => o.bot ?? "", show: (o) => o.bot ?? NOTHING },
  { field: "account", title: "Account", align: "start", order: (o) => o.account ?? "", show: (o) => o.account ?? NOTHING },
];
