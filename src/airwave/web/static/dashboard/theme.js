// Before the first paint: the theme that was chosen here, if any. Without one, the system's is followed.
// Not a module, because modules run after the page is shown.
(() => {
  try {
    const chosen = localStorage.getItem("airwave-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // No storage: the system's theme.
  }
})();
