/** Light, dark, or as the machine is set: what people chose, kept for the next time. */

const KEY = "theme";
const CHOICES = ["auto", "light", "dark"] as const;
type Theme = (typeof CHOICES)[number];
const TITLES: Record<Theme, string> = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

const listeners: (() => void)[] = [];
const system = matchMedia("(prefers-color-scheme: dark)");

/** Let `button` go round the themes. */
export function themeButton(button: HTMLElement): void {
  let chosen = stored();
  const apply = (): void => {
    const dark = chosen === "dark" || (chosen === "auto" && system.matches);
    document.documentElement.dataset["theme"] = dark ? "dark" : "light";
    button.textContent = TITLES[chosen];
    for (const listener of listeners) listener();
  };
  button.addEventListener("click", () => {
    chosen = CHOICES[(CHOICES.indexOf(chosen) + 1) % CHOICES.length] ?? "auto";
    localStorage.setItem(KEY, chosen);
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}

/** Call back when colours changed. */
export function onTheme(listener: () => void): void {
  listeners.push(listener);
}

/** Return a colour of the style sheet by its name. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function stored(): Theme {
  const found = localStorage.getItem(KEY);
  return CHOICES.find((choice) => choice === found) ?? "auto";
}
