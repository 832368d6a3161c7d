/** The page: its panels, what each of them follows, and the market that is chosen. */

import type { Bar, Query, Status } from "gateway-client";
import { Agents } from "./agents";
import { Balances } from "./balances";
import { Bots } from "./bots";
import { Chart, TIMEFRAMES } from "./chart";
import { Connection } from "./connection";
import { byId, el } from "./dom";
import { Feed } from "./feed";
import { Orders } from "./orders";
import type { Panel, Sink } from "./panel";
import { Positions } from "./positions";
import { Processes } from "./processes";
import type { Session } from "./session";
import { Tickers } from "./tickers";
import { Trades } from "./trades";

const SAMPLE = { mode: "sample", interval_ms: 100 } as const;
const HISTORY = 500;
/** Exchanges that begin to trade, and timeframes that begin to be made, are found so often. */
const LOOK_AROUND_MS = 30_000;

export class Page {
  readonly #tickers = new Tickers((exchange, symbol) => this.#choose(exchange, symbol));
  readonly #chart = new Chart((timeframe) => this.#draw(timeframe));
  readonly #trades = new Trades((trade) => this.#chart.trade(trade));
  readonly #orders = new Orders();
  readonly #feed: Feed;
  readonly #connection: Connection;
  readonly #exchanges = new Set<string>();
  #market: { exchange: string; symbol: string } | undefined;
  #timeframe = "1m";
  #leaveMarket: (() => void)[] = [];
  #leaveBars: () => void = () => undefined;

  constructor(session: Session, ended: (reason: string) => void) {
    document.body.dataset["view"] = "page";
    byId("who").textContent = session.mail;
    void session.isStaff().then((staff) => (byId("admin").hidden = !staff));
    this.#feed = new Feed(session, {
      changed: () => this.#connection?.changed(),
      status: (status) => this.#status(status),
      ended,
    });
    this.#connection = new Connection(this.#feed.facts);
    void this.#begin();
  }

  async #begin(): Promise<void> {
    const { streams } = await this.#feed.gateway.ready;
    const offered = new Set(streams);
    const panels: Panel[] = [this.#tickers.panel, this.#chart.panel, this.#trades.panel];
    const add = (stream: Query["stream"], part: Sink<any, any> & { panel: Panel }, query: Partial<Query>): void => {
      if (!offered.has(stream)) return;
      if (!panels.includes(part.panel)) panels.push(part.panel);
      this.#feed.follow({ stream, ...query } as Query, part);
    };
    if (offered.has("orders")) panels.push(this.#orders.panel);
    add("positions", new Positions(), { account: "*", ...SAMPLE });
    add("accounts", new Balances(), { account: "*" });
    add("bots", new Bots(), { bot: "*", ...SAMPLE });
    add("process", new Processes(), { type: "*", ...SAMPLE });
    add("agents" as Query["stream"], new Agents(), {});
    this.#show(panels);
    this.#fromAddress();
    await this.#lookAround();
    setInterval(() => void this.#lookAround(), LOOK_AROUND_MS);
  }

  #show(panels: Panel[]): void {
    byId("panels").replaceChildren(...panels.map((panel) => panel.element));
    byId("panels").dataset["has"] = panels.map((panel) => panel.element.id).join(" ");
    const links = panels.map(({ element }) => el("a", { href: `#${element.id}` }, element.querySelector("h2")?.textContent ?? ""));
    for (const link of links) {
      link.addEventListener("click", (event) => {
        event.preventDefault(); // the address holds the market
        document.querySelector(link.hash)?.scrollIntoView();
      });
    }
    byId("jump").replaceChildren(...links);
  }

  /** Tickers and orders are followed per exchange, bars per timeframe, and the gateway knows which there are. */
  async #lookAround(): Promise<void> {
    if (this.#feed.facts.resting) return;
    try {
      for (const exchange of await this.#partitions("tickers")) this.#addExchange(exchange);
      this.#chart.offer(await this.#partitions("ohlcv"));
    } catch (error) {
      console.info(`exchanges are looked for again later: ${String(error)}`);
    }
  }

  async #partitions(stream: Query["stream"]): Promise<string[]> {
    return (await this.#feed.gateway.request({ op: "partitions", stream }))["partitions"] as string[];
  }

  #addExchange(exchange: string): void {
    if (this.#exchanges.has(exchange)) return;
    this.#exchanges.add(exchange);
    this.#feed.follow({ stream: "tickers", exchange, symbol: "*", ...SAMPLE }, this.#tickers);
    this.#feed.follow({ stream: "orders", exchange }, this.#orders);
  }

  // -- the chosen market --------------------------------------------------------------------------------------------

  #fromAddress(): void {
    const [exchange, symbol, timeframe] = decodeURIComponent(location.hash.slice(1)).split("|");
    if (timeframe && TIMEFRAMES.includes(timeframe)) this.#timeframe = timeframe;
    if (exchange && symbol) this.#choose(exchange, symbol);
    else this.#tickers.first((one) => this.#choose(one.exchange, one.symbol));
  }

  #choose(exchange: string, symbol: string): void {
    this.#market = { exchange, symbol };
    for (const leave of this.#leaveMarket) leave();
    const key = `${exchange}:${symbol}`;
    this.#tickers.choose(key);
    this.#trades.begin(key);
    this.#draw(this.#timeframe);
    this.#leaveMarket = [this.#feed.follow({ stream: "trades", exchange, symbol }, this.#trades)];
  }

  #draw(timeframe: string): void {
    if (!this.#market) return;
    const { exchange, symbol } = this.#market;
    this.#timeframe = timeframe;
    this.#leaveBars();
    this.#chart.begin(`${exchange}:${symbol}`, symbol, timeframe);
    this.#leaveBars = this.#feed.follow({ stream: "ohlcv", symbol, timeframe }, this.#chart);
    history.replaceState(null, "", `#${encodeURIComponent([exchange, symbol, timeframe].join("|"))}`);
    void this.#history(symbol, timeframe);
  }

  async #history(symbol: string, timeframe: string): Promise<void> {
    try {
      const [told] = await this.#feed.gateway.snapshot({ stream: "ohlcv", symbol, timeframe, history: HISTORY } as Query);
      if (this.#market?.symbol === symbol && this.#timeframe === timeframe) {
        this.#chart.history((told as { history?: Bar[] } | undefined)?.history ?? []);
      }
    } catch (error) {
      console.info(`no history of ${symbol} ${timeframe}: ${String(error)}`);
    }
  }

  #status({ stream, partition, state }: Status): void {
    if (stream === "tickers" && partition) this.#tickers.silence(partition, state === "stale" || state === "dead");
  }
}
