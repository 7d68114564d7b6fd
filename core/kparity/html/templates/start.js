// Everything is wired up here.
function refresh() {
  applyFilters();
  page = 0;
  const found = summed();
  drawMatrix(found);
  drawList();
  drawFigures(found);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(theme === "dark"));
  drawFigures(summed());
}

let typing = 0;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", refresh);
form.addEventListener("input", (event) => {
  if (event.target.name !== "text") return;
  clearTimeout(typing);
  typing = setTimeout(refresh, 150);
});
form.addEventListener("reset", () => setTimeout(refresh));
document.getElementById("measure").addEventListener("change", () => drawMatrix(summed()));
document.getElementById("earlier").addEventListener("click", () => { page -= 1; drawList(); });
document.getElementById("later").addEventListener("click", () => { page += 1; drawList(); });
document.getElementById("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
document.getElementById("theme").addEventListener("click", () =>
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
const preferred = matchMedia("(prefers-color-scheme: dark)");
preferred.addEventListener("change", () => setTheme(preferred.matches ? "dark" : "light"));
document.documentElement.dataset.theme = preferred.matches ? "dark" : "light";
document.getElementById("theme").setAttribute("aria-pressed", String(preferred.matches));
fillFilters();
refresh();
document.querySelectorAll("[data-figure]").forEach((place) => watcher.observe(place));
