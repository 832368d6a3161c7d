/** Processes of the deployment, with the age of their last sign of life. */

import type { Process } from "gateway-client";
import { now } from "./clock";
import { NOTHING, span } from "./format";
import { panel, type Panel, type Sink } from "./panel";
import { Table, type Column } from "./table";

/** Beyond this age a heartbeat counts as stale, as it does for the gateway. */
const STALE_AFTER_S = 300;

type Change = Process | { deleted: string };

export class Processes implements Sink<Process[], Change> {
  readonly panel: Panel;
  readonly #table: Table<Process>;

  constructor() {
    this.#table = new Table<Process>({
      stream: "process",
      label: "Processes",
      columns: COLUMNS,
      sorted: { field: "type", descending: false },
      marks: (process) => ({ "data-stale": isStale(process) ? "true" : null, "data-state": process.status }),
      empty: "No process has reported.",
    });
    this.panel = panel("process", "Processes", this.#table.element);
  }

  snapshot(key: string, processes: Process[] | null): void {
    const still = new Set((processes ?? []).map((process) => process.process_id));
    this.#table.keep((id, process) => process.type !== key || still.has(id));
    for (const process of processes ?? []) this.#table.set(process.process_id, key, process);
    this.#summarize();
  }

  update(key: string, change: Change | null): void {
    if (!change) return;
    if ("deleted" in change) this.#table.delete(change.deleted);
    else this.#table.set(change.process_id, key, change);
    this.#summarize();
  }

  only(keys: ReadonlySet<string>): void {
    this.#table.keep((_, process) => keys.has(process.type));
  }

  #summarize(): void {
    this.panel.summary.textContent = String(this.#table.size);
  }
}

function age(process: Process): number | undefined {
  return process.heartbeat ? now() - process.heartbeat : undefined;
}

function isStale(process: Process): boolean {
  return (age(process) ?? Infinity) > STALE_AFTER_S;
}

function lastSign(process: Process): string {
  const seconds = age(process);
  if (seconds === undefined) return NOTHING;
  return isStale(process) ? `stale ${span(seconds)}` : span(seconds);
}

const COLUMNS: Column<Process>[] = [
  { field: "type", title: "Type", align: "start", order: (p) => `${p.type}:${p.component}`, show: (p) => p.type },
  { field: "component", title: "Component", align: "start", order: (p) => p.component, show: (p) => p.component },
  { field: "status", title: "Status", align: "start", order: (p) => p.status, show: (p) => p.status },
  { field: "message", title: "Message", align: "start", show: (p) => p.message ?? NOTHING },
  { field: "heartbeat", title: "Heartbeat", order: (p) => -p.heartbeat, show: lastSign },
];
