// Light or dark: as the system has it, until somebody chooses.
import { byId } from "./shapes.js";

const KEY = "vivavoce-theme";

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be switched off
  }
}

export function watchTheme(changed) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = stored();
  const apply = () => {
    const scheme = chosen ?? (system.matches ? "dark" : "light");
    const root = document.documentElement;
    root.dataset.scheme = scheme;
    if (chosen) root.dataset.theme = chosen;
    byId("theme-text").textContent = scheme === "dark" ? "Light colours" : "Dark colours";
    changed();
  };
  system.addEventListener("change", apply);
  byId("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.scheme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // then it lasts as long as the page
    }
    apply();
  });
  apply();
}
