/** Runs of agents, put together from their events. */

/** One event, as far as a timeline shows it; fields beyond these depend on its type. */
export interface AgentEvent {
  type: string;
  event_id: string;
  run_id: string;
  agent_name: string;
  seq: number;
  timestamp_ms: number;
  [field: string]: unknown;
}

export interface Run {
  id: string;
  agent: string;
  task: string;
  /** running, or how it ended. */
  status: string;
  /** Unix milliseconds of the first event that is known. */
  began: number;
  events: AgentEvent[];
}

/** Most runs, and most events of one, that are kept. */
const RUNS = 50;
const EVENTS = 500;

export class Runs {
  readonly all = new Map<string, Run>();

  /** Take an event in; return its run and whether it was news. */
  take(event: AgentEvent): { run: Run; news: boolean } {
    const run = this.all.get(event.run_id) ?? this.#begin(event);
    const last = run.events.at(-1);
    const repeated = last && event.seq <= last.seq && run.events.some((known) => known.seq === event.seq);
    if (repeated) return { run, news: false };
    run.events.push(event);
    if (last && event.seq < last.seq) run.events.sort((one, other) => one.seq - other.seq);
    if (run.events.length > EVENTS) run.events.shift();
    if (event.type === "agent_started") run.task = text(event["task"]) || text(event["message"]);
    if (event.type === "agent_completed") run.status = text(event["status"]) || "completed";
    return { run, news: true };
  }

  #begin(event: AgentEvent): Run {
    const run: Run = {
      id: event.run_id,
      agent: event.agent_name,
      task: "",
      status: "running",
      began: event.timestamp_ms,
      events: [],
    };
    this.all.set(run.id, run);
    if (this.all.size > RUNS) this.all.delete(this.#oldest());
    return run;
  }

  #oldest(): string {
    return [...this.all.values()].reduce((one, other) => (other.began < one.began ? other : one)).id;
  }
}

/** Return a value as text: empty for what is absent. */
export function text(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
