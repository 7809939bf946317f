/** What the viewer asks of JSON. */

export interface Entry {
  key: string;
  /** Places in a list have no name. */
  isNamed: boolean;
  value: unknown;
}

/** What a text says as JSON, where it is an object or a list; else the value itself. */
export function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    const inner: unknown = JSON.parse(value);
    return inner;
  } catch {
    return value;
  }
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export function entriesOf(value: object): Entry[] {
  const isNamed = !Array.isArray(value);
  return Object.entries(value).map(([key, inner]): Entry => ({ key, isNamed, value: inner }));
}

/** Whether a key or value anywhere in it holds the words, which are in lower case. */
export function isMatch(value: unknown, words: string): boolean {
  if (typeof value !== "object" || value === null) return String(value).toLowerCase().includes(words);
  return entriesOf(value).some(({ key, isNamed, value: inner }) => (isNamed && isMatch(key, words)) || isMatch(inner, words));
}

/** How many keys and values hold the words. */
export function countMatches(value: unknown, words: string): number {
  if (typeof value !== "object" || value === null) return isMatch(value, words) ? 1 : 0;
  return entriesOf(value).reduce(
    (count, { key, isNamed, value: inner }) => count + (isNamed && isMatch(key, words) ? 1 : 0) + countMatches(inner, words),
    0,
  );
}
