// The matrix: a table whose cells are buttons. Colour repeats what the text says.
const explanations = {
  verdict: "Evaluations passed / run. ✓ passed, ✗ failed, ! error, ? inconclusive, - unsupported.",
  speed: "Speed over the baseline on the same hardware; ~ where the 95 % interval holds 1. Blue is faster, red is slower.",
  fraction: "Share of the limit that each device was measured to have; the darker the blue, the nearer.",
};

function measure() {
  return document.querySelector("input[name=measure]:checked").value;
}

function drawMatrix(cells) {
  const shown = measure();
  document.getElementById("explained").textContent = explanations[shown];
  drawCaution(cells, shown);
  const filled = [...cells.values()].filter((cell) => cellText(cell, shown) !== null);
  const columns = data.columns.map((_, at) => at).filter((at) => filled.some((cell) => cell.column === at));
  const tasks = data.tasks.map((_, at) => at).filter((at) => filled.some((cell) => cell.task === at));
  const grid = document.getElementById("grid");
  if (!filled.length) {
    grid.replaceChildren(element("tbody", {}, element("tr", {}, element("td", {}, "Nothing to show."))));
    return;
  }
  const devices = [];
  for (const at of columns) {
    const device = data.columns[at].device;
    if (devices.at(-1)?.device === device) devices.at(-1).span += 1;
    else devices.push({ device, span: 1 });
  }
  const body = element("tbody");
  for (const task of tasks) {
    const line = element("tr", {}, element("th", { scope: "row" }, data.tasks[task]));
    for (const column of columns) line.append(cellElement(cells.get(`${task} ${column}`), shown));
    body.append(line);
  }
  grid.replaceChildren(
    element("caption", { class: "hidden" }, explanations[shown]),
    element("thead", {},
      element("tr", {}, element("td"),
        ...devices.map((one) => element("th", { scope: "colgroup", colspan: one.span }, one.device))),
      element("tr", {}, element("th", { scope: "col" }, "task"),
        ...columns.map((at) => element("th", { scope: "col" }, data.columns[at].label)))),
    body);
}

// Along a row, speeds of different cases differ by the case as well as by the device.
function drawCaution(cells, shown) {
  const cases = new Map();
  for (const cell of cells.values()) {
    const timed = cell.members.map((at) => data.evaluations[at]).filter((row) => data.entries[row[ENTRY]][0]);
    if (!timed.length) continue;
    if (!cases.has(cell.task)) cases.set(cell.task, new Map());
    const devices = cases.get(cell.task);
    const device = data.columns[cell.column].device;
    devices.set(device, new Set([...(devices.get(device) ?? []), ...timed.map((row) => row[CASE])]));
  }
  const apart = [...cases].filter(([, devices]) =>
    new Set([...devices.values()].map((one) => [...one].sort().join())).size > 1).map(([task]) => data.tasks[task]);
  const place = document.getElementById("caution");
  place.hidden = shown === "verdict" || !apart.length;
  place.textContent = `Not every device was timed on the same cases of ${apart.slice(0, 3).join(", ")}` +
    `${apart.length > 3 ? " …" : ""}: along these rows, numbers differ by the case too. ` +
    "Choose “on every device” under Cases to keep those that all have.";
}

function cellText(cell, shown) {
  if (shown === "speed") return cell.speed && `${holdsOne(cell.speed) ? "~" : ""}${cell.speed[0].toFixed(2)}x`;
  if (shown === "fraction") return cell.fraction && `${Math.round(100 * cell.fraction)}%`;
  const mark = data.statuses.find(([status]) => status === cell.status)[1];
  return cell.ran ? `${mark} ${cell.passed}/${cell.ran}` : `${mark} ${cell.members.length}`;
}

function holdsOne([, low, high]) {
  return low <= 1 && high >= 1;
}

function cellElement(cell, shown) {
  const text = cell ? cellText(cell, shown) : null;
  if (text === null) return element("td");
  const column = data.columns[cell.column];
  const attributes = {
    type: "button",
    "aria-label": `${data.tasks[cell.task]}, ${column.label} on ${column.device}: ${text}, ${cell.status}`,
    onclick: () => openCell(cell),
  };
  if (shown === "verdict") attributes.class = cell.status;
  else attributes["data-heat"] = String(heat(cell, shown));
  return element("td", {}, element("button", attributes, text));
}

function heat(cell, shown) {
  if (shown === "fraction") return Math.min(3, Math.floor(4 * cell.fraction));
  if (holdsOne(cell.speed)) return 0;
  const steps = Math.abs(Math.log2(cell.speed[0]));
  return Math.sign(Math.log2(cell.speed[0])) * (steps < 0.5 ? 1 : steps < 1.5 ? 2 : 3);
}
