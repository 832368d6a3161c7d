/** How the server took a subscription, in one answer or in several. Pure. */

/** How a subscription began, first or again; `recovered` as in the message, true when nothing is missing. */
export interface Begun {
  resumed: boolean;
  recovered: boolean | null;
  warnings: string[];
}

/** Return what two parts of one request came to. */
export function together(one: Begun | undefined, other: Begun): Begun {
  if (one === undefined) return other;
  const known = [one.recovered, other.recovered].filter((each) => each !== null);
  return {
    resumed: one.resumed || other.resumed,
    recovered: known.length > 0 ? known.every(Boolean) : null,
    warnings: [...one.warnings, ...other.warnings],
  };
}
