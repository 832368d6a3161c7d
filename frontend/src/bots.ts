/** Bots: how they are, what their feeds say, which markets they block and where they open. */

import type { Bot, Market } from "gateway-client";
import { now } from "./clock";
import { money, NOTHING, span } from "./format";
import { panel, type Panel, type Sink } from "./panel";
import { Table, type Column } from "./table";
import { coloured } from "./tickers";

export class Bots implements Sink<Bot> {
  readonly panel: Panel;
  readonly #table: Table<Bot>;

  constructor() {
    this.#table = new Table<Bot>({
      stream: "bots",
      label: "Bots",
      columns: COLUMNS,
      sorted: { field: "bot", descending: false },
      marks: (bot) => ({ "data-state": bot.status }),
      empty: "No bot of yours runs.",
    });
    this.panel = panel("bots", "Bots", this.#table.element);
  }

  snapshot(key: string, bot: Bot | null): void {
    this.update(key, bot);
  }

  update(key: string, bot: Bot | null): void {
    if (bot) this.#table.set(key, key, bot);
    else this.#table.delete(key);
    this.panel.summary.textContent = String(this.#table.size);
  }

  only(keys: ReadonlySet<string>): void {
    this.#table.keep((id) => keys.has(id));
  }
}

function feeds(bot: Bot): string {
  const said = Object.entries(bot.feeds).map(([name, feed]) => `${name} ${String(feed["status"] ?? "")}`.trim());
  return said.join(" · ") || NOTHING;
}

/** Return the sum of what the feeds report as profit and loss; undefined when none does. */
function gain(bot: Bot): number | undefined {
  const told = Object.values(bot.feeds)
    .map((feed) => (feed["performance"] as { pnl?: unknown } | undefined)?.pnl)
    .filter((pnl) => typeof pnl === "number");
  return told.length ? told.reduce((sum, each) => sum + each, 0) : undefined;
}

function markets(list: Market[]): string {
  return list.map(({ exchange, symbol }) => `${exchange} ${symbol}`).join(", ") || NOTHING;
}

const COLUMNS: Column<Bot>[] = [
  { field: "bot", title: "Bot", align: "start", order: (b) => b.bot, show: (b) => b.bot },
  { field: "status", title: "Status", align: "start", order: (b) => b.status ?? "", show: (b) => b.status ?? NOTHING },
  { field: "feeds", title: "Feeds", align: "start", show: feeds },
  { field: "pnl", title: "Gain", descending: true, order: (b) => gain(b) ?? 0, show: (b, cell) => coloured(cell, gain(b), money(gain(b), true)) },
  { field: "blocks", title: "Blocks", align: "start", order: (b) => b.blocks.length, show: (b, cell) => titled(cell, markets(b.blocks)) },
  { field: "opening", title: "Opening", align: "start", order: (b) => b.opening.length, show: (b, cell) => titled(cell, markets(b.opening)) },
  { field: "age", title: "Age", order: (b) => -(b.time ?? 0), show: (b) => (b.time ? span(now() - b.time) : NOTHING) },
];

/** A list may be longer than its cell: the whole of it is told on hover. */
function titled(cell: HTMLElement, text: string): string {
  if (cell.title !== text) cell.title = text;
  return text;
}
