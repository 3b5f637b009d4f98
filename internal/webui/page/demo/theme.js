// Sets the theme that the user has selected, or else the system's. Runs before the page
// is painted, so that no other theme appears first.
(() => {
  const root = document.documentElement;
  const KEY = "bellhop.demo.theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const setTheme = (theme) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  };
  try {
    setTheme(localStorage.getItem(KEY));
  } catch {
    // Storage is denied: use the system's theme.
  }
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.classList.toggle("is-dark", isDark());
    show();
    system.addEventListener("change", show);
    button.addEventListener("click", () => {
      setTheme(isDark() ? "light" : "dark");
      show();
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // Storage is denied: the selection applies until the page is closed.
      }
    });
  });
})();
