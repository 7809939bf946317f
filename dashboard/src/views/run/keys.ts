/** The keys of a run's page; `Help` lists them. If you change one, change it there as well. */
import { type RefObject, useEffect, useRef } from "react";

interface Actions {
  /** Indices of the steps that are listed, in order. */
  walk: RefObject<readonly number[]>;
  selected: number | undefined;
  select: (index: number) => void;
  fold: (isFolded: boolean) => void;
  nextWrong: () => void;
  showTab: (place: number) => void;
  help: () => void;
}

const MOVES: Readonly<Record<string, number>> = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 };
const EDGES: Readonly<Record<string, number>> = { Home: Number.NEGATIVE_INFINITY, End: Number.POSITIVE_INFINITY };
const TYPED_INTO = "input, textarea, select, [contenteditable]";
const SCROLLED_BY_KEYS = "[role=region], dialog";
export const FIND_ID = "find-step";
export const STEP_ID = "step-panel";

/** Listens for as long as the page is shown; what is typed into a field stays there. */
export function useKeys(actions: Actions): void {
  const current = useRef(actions);
  useEffect(() => {
    current.current = actions;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element)) return;
      if (event.target.closest(TYPED_INTO) !== null) {
        if (event.key === "Escape" && event.target instanceof HTMLElement) {
          event.preventDefault(); // browsers would empty a search field
          event.target.blur();
        }
        return;
      }
      if (act(event.key, event.target, current.current)) event.preventDefault();
    };
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", pressed);
    };
  }, []);
}

/** Whether the key was one of the page's. */
function act(key: string, target: Element, actions: Actions): boolean {
  const by = MOVES[key] ?? EDGES[key];
  if (by !== undefined) {
    // Whatever scrolls by these keys itself goes on doing so.
    if (key.length > 1 && target.closest(SCROLLED_BY_KEYS) !== null) return false;
    return move(actions, by);
  }
  if ((key === "ArrowLeft" || key === "ArrowRight") && target.closest("[role=listbox]") !== null) {
    actions.fold(key === "ArrowLeft");
    return true;
  }
  if (key === "Enter" && target.closest("button, a, summary") === null) return focusOn(STEP_ID);
  if (key === "/") return focusOn(FIND_ID);
  if (key === "?") actions.help();
  else if (key === "e") actions.nextWrong();
  else if (/^[1-5]$/.test(key)) actions.showTab(Number(key) - 1);
  else return false;
  return true;
}

function move({ walk, selected, select }: Actions, by: number): boolean {
  const places = walk.current;
  if (places.length === 0) return false;
  const at = places.indexOf(selected ?? -1);
  const next = places[Math.min(Math.max(at + by, 0), places.length - 1)];
  if (next !== undefined) select(next);
  return true;
}

function focusOn(id: string): boolean {
  const element = document.getElementById(id);
  element?.focus();
  return element !== null;
}
