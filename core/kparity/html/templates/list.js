// The list of evaluations, a page at a time. Sorted by severity, then as recorded, until a heading is chosen.
const PAGE = 50;
let page = 0;
let order = { by: null, down: false };

const headings = [
  ["status", (row) => severity.indexOf(statusOf(row)[0])],
  ["task", (row) => row[TASK]],
  ["implementation", (row) => row[COLUMN]],
  ["case", (row) => data.cases[row[CASE]]],
  ["role", (row) => row[ROLE]],
  ["time", (row) => row[MEDIAN] ?? Infinity, "number"],
  ["speed", (row) => data.entries[row[ENTRY]][0]?.[0] ?? Infinity, "number"],
  ["of limit", (row) => data.entries[row[ENTRY]][2] ?? Infinity, "number"],
];

function drawList() {
  const value = (headings.find(([name]) => name === order.by) ?? headings[0])[1];
  const keyed = visible.map((at) => [value(data.evaluations[at]), at]);
  keyed.sort(([one, a], [other, b]) => (one < other ? -1 : one > other ? 1 : a - b));
  if (order.down) keyed.reverse();
  const last = Math.max(0, Math.ceil(keyed.length / PAGE) - 1);
  page = Math.min(page, last);
  const lines = keyed.slice(page * PAGE, (page + 1) * PAGE).map(([, at]) => listLine(at));
  document.getElementById("evaluations").replaceChildren(
    element("caption", { class: "hidden" }, "Evaluations"),
    element("thead", {}, element("tr", {}, ...headings.map(([name, , kind]) => listHeading(name, kind)))),
    element("tbody", {}, ...lines));
  document.getElementById("page").textContent = keyed.length ? `page ${page + 1} of ${last + 1}` : "none";
  document.getElementById("earlier").disabled = page === 0;
  document.getElementById("later").disabled = page >= last;
}

function listHeading(name, kind = "") {
  const sorted = order.by === name ? (order.down ? "descending" : "ascending") : "none";
  const sign = { ascending: " ▲", descending: " ▼", none: "" }[sorted];
  const turn = () => {
    order = { by: name, down: order.by === name && !order.down };
    page = 0;
    drawList();
    document.querySelector(`#evaluations th button[data-name="${name}"]`).focus();
  };
  return element("th", { scope: "col", "aria-sort": sorted, class: kind },
    element("button", { type: "button", "data-name": name, onclick: turn }, name + sign));
}

function listLine(at) {
  const row = data.evaluations[at];
  const [speed, , fraction] = data.entries[row[ENTRY]];
  const timed = row[MEDIAN] !== null;
  return element("tr", {},
    element("td", {}, badge(row)),
    element("td", {}, data.tasks[row[TASK]]),
    element("td", {}, where(row)),
    element("td", { class: "key" },
      element("button", { type: "button", onclick: () => openEvaluation(at) }, data.cases[row[CASE]] || "its only case")),
    element("td", {}, data.roles[row[ROLE]]),
    element("td", { class: "number" }, timed ? seconds(row[MEDIAN]) : ""),
    element("td", { class: "number" }, timed && speed ? `${speed[0].toFixed(2)}x` : ""),
    element("td", { class: "number" }, timed && fraction ? `${Math.round(100 * fraction)}%` : ""));
}

function badge(row) {
  const [status, mark] = statusOf(row);
  return element("span", { class: `tag ${status}` }, `${mark} ${status}`);
}

function where(row) {
  const column = data.columns[row[COLUMN]];
  const several = new Set(data.columns.map((one) => one.device)).size > 1;
  return several ? `${column.label} on ${column.device}` : column.label;
}
