/** Candles of one market: closed ones as the collectors made them, the open one grown trade by trade. */

import type { Bar, Trade } from "gateway-client";

export interface Candle {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** Most candles that are kept. */
const KEPT = 2000;
const UNITS: Record<string, number> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Return the seconds of a timeframe such as 1m or 4h. */
export function seconds(timeframe: string): number {
  return parseInt(timeframe, 10) * (UNITS[timeframe.slice(-1)] ?? 60);
}

export class Candles {
  #all: Candle[] = [];
  readonly #length: number;

  constructor(timeframe: string) {
    this.#length = seconds(timeframe);
  }

  get all(): readonly Candle[] {
    return this.#all;
  }

  get last(): Candle | undefined {
    return this.#all.at(-1);
  }

  /** Take a bar in, in order of time; one that is known is replaced. Return whether only the last candle changed. */
  takeBar(bar: Bar): boolean {
    const { time, open, high, low, close, volume } = bar;
    return this.#put({ time, open, high, low, close, volume });
  }

  /** Let a trade grow the candle of its time, if that is not closed yet. Return whether anything changed. */
  takeTrade(trade: Trade): boolean {
    const time = Math.floor(trade.time / this.#length) * this.#length;
    const last = this.last;
    const { price, volume } = trade;
    if (last && time < last.time) return false;
    if (last && time === last.time) {
      last.high = Math.max(last.high, price);
      last.low = Math.min(last.low, price);
      last.close = price;
      last.volume += volume;
    } else {
      this.#put({ time, open: last?.close ?? price, high: price, low: price, close: price, volume });
      this.#stretch(last);
    }
    return true;
  }

  /** A candle opens where the last one closed, so its range includes that price. */
  #stretch(before: Candle | undefined): void {
    const opened = this.last;
    if (!before || !opened) return;
    opened.high = Math.max(opened.high, opened.open);
    opened.low = Math.min(opened.low, opened.open);
  }

  #put(candle: Candle): boolean {
    const last = this.last;
    if (!last || candle.time > last.time) {
      this.#all.push(candle);
      if (this.#all.length > KEPT) this.#all.shift();
      return true;
    }
    let at = this.#all.length - 1;
    while (at >= 0 && (this.#all[at] as Candle).time > candle.time) at -= 1;
    if (this.#all[at]?.time === candle.time) this.#all[at] = candle;
    else this.#all.splice(at + 1, 0, candle);
    return at === this.#all.length - 1;
  }
}
