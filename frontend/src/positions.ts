/** Positions of every account, with what they gain or lose at the newest price. */

import type { Position, Positions as Held } from "gateway-client";
import { money, percent, price, volume } from "./format";
import { eachSecond } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { priceOf } from "./prices";
import { Table, type Column } from "./table";
import { coloured } from "./tickers";
import { Total } from "./total";

interface Line extends Position {
  account: string;
}

export class Positions implements Sink<Held> {
  readonly panel: Panel;
  readonly #table: Table<Line>;
  readonly #total = new Total({ cost: "Cost", value: "Value", gain: "Gain" });

  constructor() {
    this.#table = new Table<Line>({
      stream: "positions",
      label: "Positions",
      columns: COLUMNS,
      sorted: { field: "symbol", descending: false },
      empty: "No position of yours is open.",
    });
    this.panel = panel("positions", "Positions", this.#table.element, this.#total.element);
    eachSecond(() => this.#sum());
  }

  snapshot(key: string, held: Held | null): void {
    this.update(key, held);
  }

  update(key: string, held: Held | null): void {
    const open = new Map((held?.positions ?? []).map((each) => [`${key}:${each.symbol}:${each.side}`, each]));
    this.#table.keep((id, line) => line.account !== key || open.has(id));
    for (const [id, position] of open) this.#table.set(id, key, { ...position, account: key });
    this.panel.summary.textContent = String(this.#table.size);
    this.#sum();
  }

  only(keys: ReadonlySet<string>): void {
    this.#table.keep((_, line) => keys.has(line.account));
  }

  #sum(): void {
    const lines = this.#table.values();
    const cost = lines.reduce((sum, line) => sum + line.cost, 0);
    const gain = lines.reduce((sum, line) => sum + (gainOf(line) ?? 0), 0);
    const value = lines.reduce((sum, line) => sum + line.volume * (priceOf(line.symbol) ?? line.price), 0);
    this.#total.set("cost", money(cost));
    this.#total.set("value", money(value));
    this.#total.set("gain", money(gain, true), gain);
  }
}

/** Return what a position gains at the newest price, fees included; undefined when no market tells. */
function gainOf(line: Line): number | undefined {
  const current = priceOf(line.symbol);
  if (current === undefined) return undefined;
  return (line.side === "short" ? -1 : 1) * (current - line.price) * line.volume - line.fee;
}

function gainShare(line: Line): number | undefined {
  const gain = gainOf(line);
  return gain === undefined || !line.cost ? undefined : (100 * gain) / Math.abs(line.cost);
}

const COLUMNS: Column<Line>[] = [
  { field: "symbol", title: "Market", align: "start", order: (l) => l.symbol, show: (l) => l.symbol },
  { field: "account", title: "Account", align: "start", order: (l) => l.account, show: (l) => l.account },
  { field: "side", title: "Side", align: "start", order: (l) => l.side, show: (l) => l.side },
  { field: "volume", title: "Volume", order: (l) => l.volume, descending: true, show: (l) => volume(l.volume, l.price) },
  { field: "price", title: "Entry", order: (l) => l.price, descending: true, show: (l) => price(l.price) },
  { field: "cost", title: "Cost", order: (l) => l.cost, descending: true, show: (l) => money(l.cost) },
  {
    field: "gain", title: "Gain", descending: true,
    order: (l) => gainOf(l) ?? 0,
    show: (l, cell) => coloured(cell, gainOf(l), money(gainOf(l), true)),
  },
  {
    field: "gain_percent", title: "Gain %", descending: true,
    order: (l) => gainShare(l) ?? 0,
    show: (l, cell) => coloured(cell, gainShare(l), percent(gainShare(l))),
  },
];
