/** What things are worth: the newest price of each symbol, for panels that count in money. */

/** Currencies that count as one dollar. */
const DOLLARS = ["USDC", "USDT", "USD"];

const prices = new Map<string, number>();

/** Learn the price of a symbol, at whichever exchange. */
export function learnPrice(symbol: string, price: number): void {
  prices.set(symbol, price);
}

/** Return the newest price of a symbol. */
export function priceOf(symbol: string): number | undefined {
  return prices.get(symbol);
}

/** Return what an amount of a currency is worth in dollars; undefined when no market tells. */
export function worth(currency: string, amount: number): number | undefined {
  if (DOLLARS.includes(currency)) return amount;
  for (const quote of DOLLARS) {
    const price = prices.get(`${currency}/${quote}`);
    if (price !== undefined) return amount * price;
  }
  return undefined;
}
