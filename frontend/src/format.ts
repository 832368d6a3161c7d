/** Numbers and times as people read them; all of them keep their width while they change. */

export const NOTHING = "–";

/** Return a number with grouped thousands and exactly `decimals` decimals. */
export function fixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  const point = text.indexOf(".");
  const whole = point < 0 ? text : text.slice(0, point);
  const negative = value < 0 && Number(text) !== 0;
  return (negative ? "−" : "") + grouped(whole) + (point < 0 ? "" : text.slice(point));
}

function grouped(whole: string): string {
  let out = whole;
  for (let at = whole.length - 3; at > 0; at -= 3) out = `${out.slice(0, at)},${out.slice(at)}`;
  return out;
}

/** Return how many decimals a price of this size is worth: 64,000.50, 3.1234, 0.123456. */
export function priceDecimals(price: number): number {
  const size = Math.abs(price);
  return size >= 100 ? 2 : size >= 1 ? 4 : 6;
}

export function price(value: number | null | undefined): string {
  return value == null ? NOTHING : fixed(value, priceDecimals(value));
}

/** Return an amount of a currency with six significant places at most. */
export function amount(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  const size = Math.abs(value);
  return fixed(value, size >= 10_000 ? 0 : size >= 100 ? 2 : size >= 1 ? 4 : 6);
}

/** Return a volume at a price, so that all of one market have as many decimals. */
export function volume(value: number, at: number | null): string {
  const worth = Math.abs(at ?? 1);
  return fixed(value, worth >= 1000 ? 5 : worth >= 10 ? 3 : 1);
}

/** Return money with two decimals, and its sign if asked. */
export function money(value: number | null | undefined, signed = false): string {
  if (value == null) return NOTHING;
  return (signed && value > 0 ? "+" : "") + fixed(value, 2);
}

export function percent(value: number | null | undefined): string {
  return value == null ? NOTHING : `${value > 0 ? "+" : ""}${fixed(value, 2)} %`;
}

const STEPS: [number, string][] = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];

/** Return a count in four characters or so: 812, 1.2k, 34.5M. */
export function short(value: number | null | undefined): string {
  if (value == null) return NOTHING;
  for (const [size, unit] of STEPS) {
    if (Math.abs(value) >= size) return `${(value / size).toFixed(1)}${unit}`;
  }
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2);
}

/** Return a length of time in seconds in its largest unit: 3 s, 5 m, 2 h, 4 d. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** Return the time of day of a Unix time, in this machine's time zone. */
export function timeOfDay(unix: number): string {
  if (!unix) return NOTHING;
  const date = new Date(unix * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** Return 1 up, -1 down, 0 neither: what a colour stands for. */
export function direction(value: number | null | undefined): "up" | "down" | null {
  return value == null || value === 0 ? null : value > 0 ? "up" : "down";
}
