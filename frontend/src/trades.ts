/** The trade tape of the chosen market: the newest at the top, in rows that never move. */

import type { Trade } from "gateway-client";
import { el, setAttribute } from "./dom";
import { fixed, priceDecimals, timeOfDay, volume } from "./format";
import { inFrame } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { scroller } from "./scroller";

const SHOWN = 100;
const FIELDS = ["time", "side", "price", "volume"] as const;
const TITLES = { time: "Time", side: "Side", price: "Price", volume: "Volume" };

export class Trades implements Sink<Trade[], Trade> {
  readonly panel: Panel;
  readonly #rows: HTMLElement[];
  readonly #empty = el("p", { class: "empty" }, "No trade yet.");
  #trades: Trade[] = [];
  #key = "";
  #decimals = 2;
  #painted: (Trade | undefined)[] = [];

  constructor(private readonly heard: (trade: Trade) => void) {
    this.#rows = Array.from({ length: SHOWN }, (_, place) => {
      const cells = FIELDS.map((field) =>
        el("div", { role: "cell", "data-field": field, class: field === "side" || field === "time" ? "start" : "end" }),
      );
      const row = el("div", { role: "row", class: "row", "data-stream": "trades", "aria-rowindex": place + 2 }, ...cells);
      row.style.transform = `translateY(calc(var(--row) * ${place}))`;
      row.hidden = true;
      return row;
    });
    const titles = FIELDS.map((field) =>
      el("div", { role: "columnheader", class: field === "side" || field === "time" ? "start" : "end" }, TITLES[field]),
    );
    const head = el("div", { role: "rowgroup", class: "heads" }, el("div", { role: "row", class: "row head" }, ...titles));
    const body = el("div", { role: "rowgroup", class: "rows" }, ...this.#rows);
    body.style.height = `calc(var(--row) * ${SHOWN})`;
    const label = "Trades, newest first";
    const table = el("div", { class: "grid", role: "table", "aria-label": label }, head, body);
    this.panel = panel("tape", "Trades", el("div", { class: "table trades" }, scroller(table, label), this.#empty));
  }

  /** Begin with another market: nothing of the last one stays. */
  begin(key: string): void {
    this.#key = key;
    this.#trades = [];
    inFrame(this.#paint);
  }

  snapshot(key: string, trades: Trade[] | null): void {
    if (key !== this.#key) return;
    const known = new Set(this.#trades.map((trade) => trade.trade_id));
    this.#trades = (trades ?? []).slice(-SHOWN).reverse();
    for (const trade of trades ?? []) if (!known.has(trade.trade_id)) this.heard(trade);
    inFrame(this.#paint);
  }

  update(key: string, trade: Trade | null): void {
    if (key !== this.#key || !trade) return;
    this.#trades.unshift(trade);
    if (this.#trades.length > SHOWN) this.#trades.pop();
    this.heard(trade);
    inFrame(this.#paint);
  }

  readonly #paint = (): void => {
    this.#empty.hidden = this.#trades.length > 0;
    const price = this.#trades[0]?.price;
    if (price !== undefined) this.#decimals = priceDecimals(price);
    this.#rows.forEach((row, place) => {
      const trade = this.#trades[place];
      if (this.#painted[place] === trade && row.dataset["key"] === this.#key) return;
      this.#painted[place] = trade;
      row.hidden = !trade;
      if (trade) this.#show(row, trade);
    });
  };

  #show(row: HTMLElement, trade: Trade): void {
    setAttribute(row, "data-key", this.#key);
    setAttribute(row, "data-id", trade.trade_id);
    setAttribute(row, "data-side", trade.side);
    const texts = [
      timeOfDay(trade.time),
      trade.side ?? "",
      fixed(trade.price, this.#decimals),
      volume(trade.volume, trade.price),
    ];
    texts.forEach((text, at) => {
      const cell = row.children[at] as HTMLElement;
      if (cell.textContent !== text) cell.textContent = text;
    });
  }
}
