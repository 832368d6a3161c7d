/** Work is done in animation frames, a bounded part of each; while the page is hidden nothing is done at all. */

type Work = () => void;

const BUDGET_MS = 4;
const queue = new Set<Work>();
const each: Work[] = [];
let asked = false;

/** Do `work` in one of the next frames; asking twice before it was done does it once. */
export function inFrame(work: Work): void {
  queue.add(work);
  ask();
}

/** Do `work` once a second while the page is seen. */
export function eachSecond(work: Work): void {
  each.push(work);
}

function ask(): void {
  if (asked || queue.size === 0 || document.hidden) return;
  asked = true;
  requestAnimationFrame(run);
}

function run(): void {
  asked = false;
  const end = performance.now() + BUDGET_MS;
  for (const work of queue) {
    queue.delete(work);
    work();
    if (performance.now() > end) break;
  }
  ask();
}

document.addEventListener("visibilitychange", ask);
setInterval(() => {
  if (!document.hidden) for (const work of each) inFrame(work);
}, 1000);
