// Runs before the page is painted, so that a chosen theme does not flash. The
// system's wish holds until someone chooses.
(() => {
  const root = document.documentElement;
  const KEY = "bellhop.demo.theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const wear = (theme) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  };
  try {
    wear(localStorage.getItem(KEY));
  } catch {
    // Storage is denied: the system's wish holds.
  }
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.classList.toggle("is-dark", isDark());
    show();
    system.addEventListener("change", show);
    button.addEventListener("click", () => {
      wear(isDark() ? "light" : "dark");
      show();
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // The choice holds until the page is left.
      }
    });
  });
})();
