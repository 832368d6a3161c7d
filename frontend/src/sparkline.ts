/** The last minutes of a price as a line: one point a second, the newest value at its end. */

const POINTS = 90;
const WIDTH = 90;
/** A line of fewer points than this does not take the whole width. */
const WIDE_FROM = 20;
const HEIGHT = 20;
const SVG = "http://www.w3.org/2000/svg";

export class Sparkline {
  readonly #points: number[] = [];
  #second = 0;
  #drawn = "";

  /** Take in a price at a Unix time. */
  add(price: number, time: number): void {
    const second = Math.floor(time);
    if (second === this.#second && this.#points.length > 0) {
      this.#points[this.#points.length - 1] = price;
      return;
    }
    this.#second = second;
    this.#points.push(price);
    if (this.#points.length > POINTS) this.#points.shift();
  }

  /** Draw into `cell`, at most once for each second. */
  draw(cell: HTMLElement): void {
    const drawn = `${this.#second}`;
    if (drawn === this.#drawn || this.#points.length < 2) return;
    this.#drawn = drawn;
    const path = cell.querySelector("path") ?? newPath(cell);
    path.setAttribute("d", this.#path());
    const rose = (this.#points.at(-1) ?? 0) >= (this.#points[0] ?? 0);
    path.setAttribute("class", rose ? "up" : "down");
  }

  #path(): string {
    const low = Math.min(...this.#points);
    const range = Math.max(...this.#points) - low || 1;
    const step = WIDTH / (Math.max(this.#points.length, WIDE_FROM) - 1);
    const from = WIDTH - step * (this.#points.length - 1);
    const places = this.#points.map((price, at) => {
      const y = HEIGHT - 1 - ((price - low) / range) * (HEIGHT - 2);
      return `${(from + step * at).toFixed(1)} ${y.toFixed(1)}`;
    });
    return `M${places.join("L")}`;
  }
}

function newPath(cell: HTMLElement): SVGPathElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  svg.append(path);
  cell.append(svg);
  return path;
}
