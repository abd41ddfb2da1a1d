/** Finding a command by a few of its letters. */

/** How well `query` fits `text`: higher is better, `null` is not at all. */
export function score(query: string, text: string): number | null {
  const [wanted, given] = [query.toLowerCase().replace(/\s+/g, ''), text.toLowerCase()];
  let [from, points, run] = [0, 0, 0];
  for (const letter of wanted) {
    const at = given.indexOf(letter, from);
    if (at < 0) return null;
    run = at === from && from > 0 ? run + 1 : 0;
    const startsWord = at === 0 || !/[a-z0-9]/.test(given[at - 1]!);
    points += 1 + run * 2 + (startsWord ? 4 : 0) - Math.min(at - from, 10) / 10;
    from = at + 1;
  }
  return points - given.length / 100;
}

/** Those that fit, best first; all of them, in their own order, without a query. */
export function ranked<T>(query: string, items: readonly T[], text: (item: T) => string): T[] {
  if (query.trim() === '') return [...items];
  const scored = items.map((item) => ({ item, points: score(query, text(item)) }));
  const fitting = scored.filter((entry): entry is { item: T; points: number } => entry.points !== null);
  return fitting.sort((a, b) => b.points - a.points).map((entry) => entry.item);
}
