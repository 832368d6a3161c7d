/** The candle chart of the chosen market. */

import {
  CandlestickSeries,
  ColorType,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Bar, Trade } from "gateway-client";
import { Candles, type Candle } from "./candles";
import { el } from "./dom";
import { fixed, priceDecimals } from "./format";
import { inFrame } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { colour, onTheme } from "./theme";

/** Lengths of a candle that can be chosen, as far as somebody makes bars of them. */
export const TIMEFRAMES = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"];
/** Candles in view at first. */
const IN_VIEW = 90;

export class Chart implements Sink<Bar> {
  readonly panel: Panel;
  readonly #room = el("div", { class: "chart", role: "img", tabindex: 0, "aria-label": "Candles" });
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<"Candlestick">;
  readonly #volumes: ISeriesApi<"Histogram">;
  readonly #buttons = new Map<string, HTMLButtonElement>();
  #key = "";
  #timeframe = "1m";
  #held = new Candles("1m");
  #all = true;
  #framed = false;

  constructor(private readonly timeframe: (timeframe: string) => void) {
    this.panel = panel("chart", "Chart", this.#room);
    this.panel.tools.setAttribute("role", "group");
    this.panel.tools.setAttribute("aria-label", "Length of a candle");
    for (const each of TIMEFRAMES) this.#addButton(each);
    this.#chart = createChart(this.#room, { autoSize: true });
    this.#candles = this.#chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.#volumes = this.#chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.#chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
    onTheme(() => this.#colour());
    this.#colour();
  }

  /** Begin with another market or timeframe: nothing of the last one stays. */
  begin(key: string, symbol: string, timeframe: string): void {
    this.#key = key;
    this.#timeframe = timeframe;
    this.#held = new Candles(timeframe);
    this.#all = true;
    this.#framed = false;
    const exchange = key.slice(0, -symbol.length - 1);
    this.panel.summary.textContent = `${symbol} · ${exchange}`;
    for (const [name, button] of this.#buttons) this.#press(button, name === timeframe);
    this.#ask();
  }

  /** Offer the timeframes of which there are bars, and the chosen one. */
  offer(timeframes: string[]): void {
    for (const [name, button] of this.#buttons) button.hidden = name !== this.#timeframe && !timeframes.includes(name);
  }

  /** Take in what happened before now, oldest first. */
  history(bars: Bar[]): void {
    for (const bar of bars) this.#held.takeBar(bar);
    this.#all = true;
    this.#framed = false;
    this.#ask();
  }

  snapshot(key: string, bar: Bar | null): void {
    this.update(key, bar);
  }

  update(_key: string, bar: Bar | null): void {
    if (!bar || bar.timeframe !== this.#timeframe) return;
    if (!this.#held.takeBar(bar)) this.#all = true;
    this.#ask();
  }

  /** A trade of the chosen market. */
  trade(trade: Trade): void {
    if (this.#held.takeTrade(trade)) this.#ask();
  }

  #press(button: HTMLButtonElement, chosen: boolean): void {
    button.ariaPressed = String(chosen);
    if (chosen) button.hidden = false;
  }

  #ask(): void {
    inFrame(this.#draw);
  }

  readonly #draw = (): void => {
    const { all, last } = this.#held;
    this.#room.dataset["candles"] = String(all.length);
    if (this.#all) {
      this.#all = false;
      this.#candles.setData(all.map(asCandle));
      this.#volumes.setData(all.map((candle) => this.#asVolume(candle)));
    } else if (last) {
      this.#candles.update(asCandle(last));
      this.#volumes.update(this.#asVolume(last));
    }
    const told = last ? `last ${fixed(last.close, priceDecimals(last.close))}` : "none yet";
    const text = `Candles of ${this.#key}, ${this.#timeframe}, ${told}`;
    if (this.#room.ariaLabel !== text) this.#room.ariaLabel = text;
    if (!last) return;
    if (!this.#framed) this.#frame(all.length, last);
    this.#room.dataset["close"] = String(last.close);
  };

  /** Choose what is in view, once for each market. */
  #frame(count: number, last: Candle): void {
    this.#framed = true;
    const decimals = priceDecimals(last.close);
    this.#candles.applyOptions({ priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals } });
    this.#chart.timeScale().setVisibleLogicalRange({ from: Math.max(count - IN_VIEW, -10), to: count + 4 });
  }

  #asVolume(candle: Candle): { time: UTCTimestamp; value: number; color: string } {
    const name = candle.close >= candle.open ? "up-faint" : "down-faint";
    return { time: candle.time as UTCTimestamp, value: candle.volume, color: colour(name) };
  }

  #colour(): void {
    const line = colour("line");
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: colour("panel") },
        textColor: colour("dim"),
        fontFamily: getComputedStyle(document.body).fontFamily,
        fontSize: Math.round(0.85 * parseFloat(getComputedStyle(document.documentElement).fontSize)),
        attributionLogo: false, // it writes a style sheet into the page; the page's last line names its makers
      },
      grid: { vertLines: { color: colour("grid") }, horzLines: { color: colour("grid") } },
      timeScale: { timeVisible: true, secondsVisible: false, borderColor: line, tickMarkFormatter: tick },
      localization: { timeFormatter: (time: number) => LOCAL.format(time * 1000) },
      rightPriceScale: { borderColor: line },
    });
    const [up, down] = [colour("up"), colour("down")];
    this.#candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.#all = true;
    this.#ask();
  }

  #addButton(timeframe: string): void {
    const button = el("button", { type: "button", "aria-pressed": "false", hidden: true }, timeframe);
    button.addEventListener("click", () => this.timeframe(timeframe));
    this.#buttons.set(timeframe, button);
    this.panel.tools.append(button);
  }
}

/** Times are told by this machine's clock; the library's own are UTC. */
const LOCAL = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });

function tick(time: Time, kind: TickMarkType): string {
  const date = new Date(Number(time) * 1000);
  if (kind === TickMarkType.Year) return String(date.getFullYear());
  if (kind === TickMarkType.Month) return date.toLocaleDateString(undefined, { month: "short" });
  if (kind === TickMarkType.DayOfMonth) return String(date.getDate());
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
}

function asCandle({ time, open, high, low, close }: Candle): { time: UTCTimestamp; open: number; high: number; low: number; close: number } {
  return { time: time as UTCTimestamp, open, high, low, close };
}
