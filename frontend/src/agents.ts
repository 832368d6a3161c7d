/** Agent runs as a live timeline: what an agent thinks, which tools it calls, what they answer. */

import { el, setText } from "./dom";
import { inFrame } from "./frames";
import { panel, type Panel, type Sink } from "./panel";
import { Runs, text, type AgentEvent, type Run } from "./runs";
import { timeOfDay } from "./format";

const STREAM = "agents";

interface Shown {
  element: HTMLDetailsElement;
  status: HTMLElement;
  title: HTMLElement;
  list: HTMLElement;
  count: number;
}

export class Agents implements Sink<AgentEvent[] | AgentEvent, AgentEvent> {
  readonly panel: Panel;
  readonly #runs = new Runs();
  readonly #list = el("div", { class: "runs", tabindex: 0, role: "region", "aria-label": "Agent runs, newest first" });
  readonly #empty = el("p", { class: "empty" }, "No agent has run yet.");
  readonly #shown = new Map<string, Shown>();
  readonly #changed = new Map<string, string>();

  constructor() {
    this.#list.append(this.#empty);
    this.panel = panel("agents", "Agent runs", this.#list);
  }

  snapshot(key: string, events: AgentEvent[] | AgentEvent | null): void {
    for (const event of Array.isArray(events) ? events : events ? [events] : []) this.update(key, event);
  }

  update(key: string, event: AgentEvent | null): void {
    if (!event?.run_id) return;
    const { run, news } = this.#runs.take(event);
    if (!news) return;
    this.#changed.set(run.id, key);
    inFrame(this.#paint);
  }

  readonly #paint = (): void => {
    const first = this.#shown.size === 0;
    for (const [id, key] of this.#changed) {
      const run = this.#runs.all.get(id);
      if (run) this.#show(run, key);
    }
    this.#changed.clear();
    for (const [id, shown] of this.#shown) {
      if (this.#runs.all.has(id)) continue;
      shown.element.remove();
      this.#shown.delete(id);
    }
    if (first) this.#list.querySelector("details")?.setAttribute("open", "");
    this.#empty.hidden = this.#shown.size > 0;
    const running = [...this.#runs.all.values()].filter((run) => run.status === "running").length;
    setText(this.panel.summary, running ? `${running} running` : String(this.#shown.size));
  };

  #show(run: Run, key: string): void {
    const shown = this.#shown.get(run.id) ?? this.#add(run, key);
    setText(shown.status, run.status);
    shown.element.dataset["state"] = run.status;
    setText(shown.title, run.task || run.id);
    // Events that came late stand in their place: then all of them are shown anew.
    const late = shown.count > 0 && run.events[shown.count - 1]?.seq !== Number(shown.list.lastElementChild?.getAttribute("data-seq"));
    if (late) {
      shown.list.replaceChildren();
      shown.count = 0;
    }
    for (const event of run.events.slice(shown.count)) shown.list.append(item(event));
    shown.count = run.events.length;
  }

  #add(run: Run, key: string): Shown {
    const status = el("span", { class: "state", "data-field": "status" });
    const title = el("span", { class: "task", "data-field": "task" });
    const summary = el("summary", {}, el("span", { class: "agent", "data-field": "agent_name" }, run.agent), title, status);
    const list = el("ol", { class: "events" });
    const element = el("details", { class: "run", "data-stream": STREAM, "data-key": key, "data-id": run.id }, summary, list);
    element.open = run.status === "running";
    const shown = { element, status, title, list, count: 0 };
    this.#shown.set(run.id, shown);
    const newer = [...this.#runs.all.values()].filter((other) => other.began > run.began && this.#shown.has(other.id));
    const next = newer.length ? this.#shown.get(newer.reduce((a, b) => (a.began < b.began ? a : b)).id) : undefined;
    if (next) next.element.after(element);
    else this.#list.prepend(element);
    return shown;
  }
}

/** Return one event as a line of the timeline, its details folded. */
function item(event: AgentEvent): HTMLElement {
  const time = el("time", { "data-field": "timestamp" }, timeOfDay(event.timestamp_ms / 1000));
  const line = el("li", { "data-event": event.type, "data-seq": event.seq }, time);
  line.append(...(BODIES[event.type]?.(event) ?? [said("type", event.type)]));
  return line;
}

const BODIES: Record<string, (event: AgentEvent) => Node[]> = {
  agent_started: (event) => [said("message", `started${event["task"] ? "" : `: ${text(event["message"])}`}`)],
  agent_thinking: (event) => [said("reasoning", text(event["reasoning"]))],
  tool_executing: (event) => [
    said("tool_name", text(event["tool_name"]), "tool"),
    said("parameters", text(event["parameters"]), "code"),
  ],
  tool_completed: (event) => [
    said("tool_name", `${text(event["tool_name"])} ${event["success"] === false ? "failed" : "answered"}`, "tool"),
    said("duration", `${Number(event["duration"] ?? 0).toFixed(2)} s`),
    said("results", text(event["error"]) || text(event["results"]), "code"),
  ],
  agent_completed: (event) => [said("final_response", text(event["final_response"]) || text(event["status"]), "answer")],
};

function said(field: string, words: string, kind = ""): HTMLElement {
  return el("span", { "data-field": field, class: kind }, words);
}
