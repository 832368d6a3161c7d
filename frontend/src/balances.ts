/** Balances of every account, per currency, with what they are worth. */

import type { Account, Balance } from "gateway-client";
import { amount, money } from "./format";
import { eachSecond } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { worth } from "./prices";
import { Table, type Column } from "./table";
import { Total } from "./total";

interface Line extends Balance {
  account: string;
  currency: string;
}

export class Balances implements Sink<Account> {
  readonly panel: Panel;
  readonly #table: Table<Line>;
  readonly #total = new Total({ value: "Worth", accounts: "Accounts" });

  constructor() {
    this.#table = new Table<Line>({
      stream: "accounts",
      label: "Balances",
      columns: COLUMNS,
      sorted: { field: "account", descending: false },
      empty: "No account of yours has a balance.",
    });
    this.panel = panel("balances", "Balances", this.#table.element, this.#total.element);
    eachSecond(() => this.#sum());
  }

  snapshot(key: string, account: Account | null): void {
    this.update(key, account);
  }

  update(key: string, account: Account | null): void {
    const balances = account?.balances ?? {};
    this.#table.keep((_, line) => line.account !== key || line.currency in balances);
    for (const [currency, balance] of Object.entries(balances)) {
      this.#table.set(`${key}:${currency}`, key, { ...balance, account: key, currency });
    }
    this.#sum();
  }

  only(keys: ReadonlySet<string>): void {
    this.#table.keep((_, line) => keys.has(line.account));
  }

  #sum(): void {
    const lines = this.#table.values();
    const known = lines.map((line) => worth(line.currency, line.total)).filter((each) => each !== undefined);
    this.#total.set("value", lines.length ? `${money(known.reduce((sum, each) => sum + each, 0))} USD` : money(null));
    this.#total.set("accounts", String(new Set(lines.map((line) => line.account)).size));
  }
}

const COLUMNS: Column<Line>[] = [
  { field: "account", title: "Account", align: "start", order: (l) => `${l.account}:${l.currency}`, show: (l) => l.account },
  { field: "currency", title: "Currency", align: "start", order: (l) => l.currency, show: (l) => l.currency },
  { field: "total", title: "Total", order: (l) => l.total, descending: true, show: (l) => amount(l.total) },
  { field: "free", title: "Free", order: (l) => l.free, descending: true, show: (l) => amount(l.free) },
  { field: "used", title: "Used", order: (l) => l.used, descending: true, show: (l) => amount(l.used) },
  {
    field: "worth", title: "Worth", descending: true,
    order: (l) => worth(l.currency, l.total) ?? -1,
    show: (l) => money(worth(l.currency, l.total)),
  },
];
