/** Reads the project's own documentation, so that what the pages tell stands in one place: sections, tables, code. */

/** The text below a heading, up to the next of its rank or higher; empty where there is no such heading. */
export function sectionOf(text: string, heading: string): string {
  const lines = text.split("\n");
  const start = lines.indexOf(heading);
  if (start === -1) return "";
  const rank = heading.indexOf(" ");
  const end = lines.findIndex((line, place) => place > start && rankOf(line) > 0 && rankOf(line) <= rank);
  return lines.slice(start + 1, end === -1 ? undefined : end).join("\n");
}

/** The headings of a rank, with what is below each. */
export function sectionsOf(text: string, rank: number): { title: string; text: string }[] {
  return text
    .split("\n")
    .filter((line) => rankOf(line) === rank)
    .map((line) => ({ title: line.slice(rank + 1), text: sectionOf(text, line) }));
}

/** The rows of the first table of a text, without its head. */
export function rowsOf(text: string): string[][] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  if (start === -1) return [];
  const end = lines.findIndex((line, place) => place > start && !line.startsWith("|"));
  return lines.slice(start + 2, end === -1 ? undefined : end).map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
}

/** The blocks of code of a text, in order. */
export function codeOf(text: string): string[] {
  return [...text.matchAll(/^```\w*\n(.*?)\n```$/gms)].flatMap(([, code]) => (code === undefined ? [] : [code]));
}

/** A line of text in parts: code, and what is between; of a link its words. */
export function partsOf(text: string): { text: string; isCode: boolean }[] {
  return text
    .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1")
    .split("`")
    .map((part, place) => ({ text: part, isCode: place % 2 === 1 }))
    .filter((part) => part.text !== "");
}

/** How many `#` a line begins with, as a heading; lines within code are not told from it. */
function rankOf(line: string): number {
  return /^#+(?= )/.exec(line)?.[0].length ?? 0;
}
