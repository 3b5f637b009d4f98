// Sets the theme that the user has selected, or else the system's. Runs before the page is painted, so that no other
// theme appears first.

(() => {
  const KEY = "bellhop.console.theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const set = (theme: string | null) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  };
  try {
    set(localStorage.getItem(KEY));
  } catch {
    // Storage is denied: use the system's theme.
  }
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme")!;
    const show = () => {
      button.classList.toggle("is-dark", isDark());
      dispatchEvent(new Event("theme"));
    };
    show();
    system.addEventListener("change", show);
    button.addEventListener("click", () => {
      set(isDark() ? "light" : "dark");
      show();
      try {
        localStorage.setItem(KEY, root.dataset.theme!);
      } catch {
        // Storage is denied: the selection applies until the page is closed.
      }
    });
  });
})();
