"use strict";
// The data, what the filters leave over, and the elements that everything else makes use of. Texts of records only ever
// become text nodes; for plotly, which reads a little markup, they are escaped.
const data = JSON.parse(document.getElementById("data").textContent);
const [TASK, COLUMN, CASE, ROLE, DTYPE, STATUS, MEDIAN, ENTRY] = [0, 1, 2, 3, 4, 5, 6, 7];
const form = document.getElementById("filters");
let visible = [];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else made.setAttribute(key, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function category(task) {
  return data.tasks[task].split("/")[0];
}

function statusOf(row) {
  return data.statuses[row[STATUS]];
}

function seconds(value) {
  const [scale, unit] = value >= 1 ? [1, "s"] : value >= 1e-3 ? [1e3, "ms"] : value >= 1e-6 ? [1e6, "µs"] : [1e9, "ns"];
  return `${(value * scale).toPrecision(3)} ${unit}`;
}

const facets = {
  category: (row) => category(row[TASK]),
  task: (row) => data.tasks[row[TASK]],
  backend: (row) => data.columns[row[COLUMN]].backend,
  device: (row) => data.columns[row[COLUMN]].device,
  status: (row) => statusOf(row)[0],
  dtype: (row) => data.dtypes[row[DTYPE]],
  role: (row) => data.roles[row[ROLE]],
};

// Cases that every device has, by task and case: only these tell devices apart by nothing else.
const shared = (() => {
  const found = new Map();
  for (const row of data.evaluations) {
    const key = `${row[TASK]} ${row[CASE]}`;
    if (!found.has(key)) found.set(key, new Set());
    found.get(key).add(data.columns[row[COLUMN]].device);
  }
  const devices = new Set(data.columns.map((column) => column.device)).size;
  return new Set([...found].filter(([, one]) => one.size === devices).map(([key]) => key));
})();

const haystacks = [];
function haystack(at) {
  const row = data.evaluations[at];
  haystacks[at] ??= [
    data.tasks[row[TASK]], data.cases[row[CASE]], data.columns[row[COLUMN]].label, data.columns[row[COLUMN]].device,
    data.details[at].message ?? "",
  ].join("\n").toLowerCase();
  return haystacks[at];
}

function fillFilters() {
  for (const [name, value] of Object.entries(facets)) {
    for (const choice of [...new Set(data.evaluations.map(value))].sort()) {
      form.elements[name].append(element("option", { value: choice }, choice || "none"));
    }
  }
}

function applyFilters() {
  const wanted = Object.entries(facets).filter(([name]) => form.elements[name].selectedIndex > 0)
    .map(([name, value]) => [value, form.elements[name].value]);
  const everywhere = form.elements.cases?.value === "shared";
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  visible = [];
  data.evaluations.forEach((row, at) => {
    if (everywhere && !shared.has(`${row[TASK]} ${row[CASE]}`)) return;
    if (wanted.every(([value, choice]) => value(row) === choice) && words.every((word) => haystack(at).includes(word)))
      visible.push(at);
  });
  document.getElementById("shown").textContent = `${visible.length} of ${data.evaluations.length} evaluations`;
}

// What a task amounts to on a column, of the visible evaluations. Statuses by severity: error, failed, inconclusive.
const severity = ["error", "failed", "inconclusive", "passed", "unsupported"];
function summed() {
  const cells = new Map();
  for (const at of visible) {
    const row = data.evaluations[at];
    const key = `${row[TASK]} ${row[COLUMN]}`;
    if (!cells.has(key))
      cells.set(key, { task: row[TASK], column: row[COLUMN], members: [], entries: new Set(), passed: 0, ran: 0, status: "unsupported" });
    const cell = cells.get(key);
    const status = statusOf(row)[0];
    cell.members.push(at);
    cell.entries.add(row[ENTRY]);
    cell.passed += status === "passed";
    cell.ran += status !== "unsupported";
    if (severity.indexOf(status) < severity.indexOf(cell.status)) cell.status = status;
  }
  for (const cell of cells.values()) {
    const entries = [...cell.entries].map((at) => data.entries[at]);
    cell.speed = geometricMean(entries.map((entry) => entry[0]).filter(Boolean));
    cell.fraction = geometricMean(entries.filter((entry) => entry[2]).map((entry) => [entry[2]]))?.[0] ?? null;
  }
  return cells;
}

function geometricMean(ratios) {
  if (!ratios.length) return null;
  return ratios[0].map((_, part) => Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio[part]), 0) / ratios.length));
}
