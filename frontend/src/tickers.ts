/** The markets: every ticker, newest price, change, age, and a line of the last minutes. */

import type { Ticker } from "gateway-client";
import { now } from "./clock";
import { flash } from "./flash";
import { direction, fixed, NOTHING, percent, priceDecimals, short, span } from "./format";
import { panel, type Panel, type Sink } from "./panel";
import { learnPrice } from "./prices";
import { Sparkline } from "./sparkline";
import { Table, type Column } from "./table";

/** A price that is older than this is marked as stale. */
const STALE_AFTER_S = 30;

interface Market {
  ticker: Ticker;
  /** When the source stamped the price; the gateway's own time where it did not. Unix seconds, 0: unknown. */
  at: number;
  decimals: number;
  shown: number | undefined;
  line: Sparkline;
}

export class Tickers implements Sink<Ticker> {
  readonly panel: Panel;
  readonly #table: Table<Market>;
  readonly #silent = new Set<string>();
  #oneWaits: ((market: { exchange: string; symbol: string }) => void) | undefined;

  constructor(choose: (exchange: string, symbol: string) => void) {
    this.#table = new Table<Market>({
      stream: "tickers",
      label: "Markets",
      columns: this.#columns(),
      sorted: { field: "symbol", descending: false },
      marks: (market) => ({ "data-stale": this.#isStale(market) ? "true" : null }),
      choose: ({ ticker }) => choose(ticker.exchange, ticker.symbol),
      empty: "No market has a price yet.",
    });
    this.panel = panel("markets", "Markets", this.#table.element);
  }

  /** Call back with the market that most is turned over in, now or when there is one. */
  first(found: (market: { exchange: string; symbol: string }) => void): void {
    this.#oneWaits = found;
    this.#tellFirst();
  }

  choose(key: string): void {
    this.#table.choose(key);
  }

  /** A source of prices fell silent, or is back. */
  silence(exchange: string, silent: boolean): void {
    if (silent) this.#silent.add(exchange);
    else this.#silent.delete(exchange);
  }

  snapshot(key: string, ticker: Ticker | null): void {
    this.update(key, ticker, [ticker?.time || null, 0]);
  }

  update(key: string, ticker: Ticker | null, [stamped, accepted]: readonly [number | null, number]): void {
    if (!ticker) {
      this.#table.delete(key);
      return;
    }
    const at = stamped || ticker.time || accepted;
    learnPrice(ticker.symbol, ticker.price);
    const known = this.#table.get(key);
    const market = known ?? { ticker, at, decimals: 0, shown: undefined, line: new Sparkline() };
    market.ticker = ticker;
    market.at = at;
    market.decimals = Math.max(market.decimals, priceDecimals(ticker.price));
    market.line.add(ticker.price, now());
    this.#table.set(key, key, market);
    if (!known) this.panel.summary.textContent = String(this.#table.size);
  }

  only(keys: ReadonlySet<string>, scope: string): void {
    this.#table.keep((id) => keys.has(id) || !id.startsWith(scope));
    this.#tellFirst();
    this.panel.summary.textContent = String(this.#table.size);
  }

  #tellFirst(): void {
    if (!this.#oneWaits || this.#table.size === 0) return;
    const turnover = ({ ticker }: Market): number => ticker.price * (ticker.volume ?? 0);
    const one = this.#table.values().reduce((most, each) => (turnover(each) > turnover(most) ? each : most));
    const found = this.#oneWaits;
    this.#oneWaits = undefined;
    found(one.ticker);
  }

  #isStale(market: Market): boolean {
    return now() - market.at > STALE_AFTER_S || this.#silent.has(market.ticker.exchange);
  }

  #columns(): Column<Market>[] {
    const priced = (value: number | null, { decimals }: Market): string =>
      value == null ? NOTHING : fixed(value, decimals);
    return [
      { field: "symbol", title: "Market", align: "start", order: (m) => m.ticker.symbol + m.ticker.exchange, show: (m) => m.ticker.symbol },
      { field: "exchange", title: "Exchange", align: "start", order: (m) => m.ticker.exchange, show: (m) => m.ticker.exchange },
      { field: "price", title: "Price", order: (m) => m.ticker.price, descending: true, show: showPrice },
      {
        field: "percentage", title: "24 h", order: (m) => m.ticker.percentage ?? -Infinity, descending: true,
        show: (m, cell) => coloured(cell, m.ticker.percentage, percent(m.ticker.percentage)),
      },
      { field: "line", title: "90 s", show: (m, cell) => m.line.draw(cell) },
      { field: "bid", title: "Bid", order: (m) => m.ticker.bid ?? 0, descending: true, show: (m) => priced(m.ticker.bid, m) },
      { field: "ask", title: "Ask", order: (m) => m.ticker.ask ?? 0, descending: true, show: (m) => priced(m.ticker.ask, m) },
      { field: "volume", title: "Volume", order: (m) => m.ticker.volume ?? 0, descending: true, show: (m) => short(m.ticker.volume) },
      { field: "age", title: "Age", order: (m) => -m.at, show: (m) => this.#age(m) },
    ];
  }

  #age(market: Market): string {
    if (!market.at) return NOTHING;
    const age = span(now() - market.at);
    return this.#isStale(market) ? `stale ${age}` : age;
  }
}

function showPrice(market: Market, cell: HTMLElement): string {
  const { price } = market.ticker;
  if (market.shown !== undefined && market.shown !== price) flash(cell, price > market.shown ? "up" : "down");
  market.shown = price;
  return fixed(price, market.decimals);
}

/** Colour a cell by the sign of `value`, and return `text`. */
export function coloured(cell: HTMLElement, value: number | null | undefined, text: string): string {
  const sign = direction(value) ?? "";
  if (cell.dataset["sign"] !== sign) cell.dataset["sign"] = sign;
  return text;
}
