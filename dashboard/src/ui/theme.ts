/** The theme: light, dark, or as the system says; kept in the browser, told to the page by an attribute. */
import { useSyncExternalStore } from "react";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "stepwell.theme";
const listeners = new Set<() => void>();
const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");

/** What was chosen last. */
export function chosenTheme(): Theme {
  return themeOf(localStorage.getItem(KEY));
}

/** Chooses, and tells everything that draws its colours itself. */
export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme();
  for (const listener of listeners) listener();
}

/** Puts what was chosen last on the page; before it is first painted, so that it does not flash. */
export function applyTheme(): void {
  const theme = chosenTheme();
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** What is shown: light or dark. */
export function useTheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, shownTheme);
}

export function themeOf(name: string | null): Theme {
  return THEMES.find((theme) => theme === name) ?? "system";
}

function shownTheme(): "light" | "dark" {
  const theme = chosenTheme();
  if (theme !== "system") return theme;
  return systemIsDark.matches ? "dark" : "light";
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  systemIsDark.addEventListener("change", changed);
  return () => {
    listeners.delete(changed);
    systemIsDark.removeEventListener("change", changed);
  };
}
