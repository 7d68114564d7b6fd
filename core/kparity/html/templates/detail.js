// The drill-down: first the cases of a cell, then one evaluation. Built when it is opened.
const dialog = document.getElementById("dialog");
const body = document.getElementById("body");
const heading = document.getElementById("heading");

function show(title, ...parts) {
  heading.textContent = title;
  body.replaceChildren(...parts.filter(Boolean));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  heading.focus();
}

function openCell(cell) {
  if (cell.members.length === 1) return openEvaluation(cell.members[0]);
  const members = [...cell.members].sort((one, other) =>
    severity.indexOf(statusOf(data.evaluations[one])[0]) - severity.indexOf(statusOf(data.evaluations[other])[0]) || one - other);
  const lines = members.map((at) => {
    const row = data.evaluations[at];
    return element("tr", {}, element("td", {}, badge(row)),
      element("td", { class: "key" },
        element("button", { type: "button", onclick: () => openEvaluation(at, cell) }, data.cases[row[CASE]] || "its only case")),
      element("td", { class: "number" }, row[MEDIAN] === null ? "" : seconds(row[MEDIAN])));
  });
  const column = data.columns[cell.column];
  show(`${data.tasks[cell.task]}, ${column.label}`, element("p", { class: "hint" }, column.device),
    table("Cases", ["status", "case", "time"], lines));
}

function table(caption, names, lines) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, element("table", {},
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...lines)));
}

function cells(...values) {
  return element("tr", {}, ...values.map((value) => element("td", {}, value)));
}

function openEvaluation(at, cell = null) {
  const row = data.evaluations[at];
  const detail = data.details[at];
  const column = data.columns[row[COLUMN]];
  show(`${data.tasks[row[TASK]]}, ${column.label}`,
    cell && element("p", {}, element("button", { type: "button", onclick: () => openCell(cell) }, "← all cases")),
    element("p", {}, badge(row), ` ${data.roles[row[ROLE]]} case ${data.cases[row[CASE]]} on ${column.device}`),
    detail.message && element("p", {}, detail.message),
    ...(detail.map ?? []).flatMap((map) => [
      element("h3", {}, "Where the errors lie"),
      element("pre", { class: "map", tabindex: "0", "aria-label": "Map of where the errors lie" }, map)]),
    ...checks(detail), ...times(row, detail), ...accuracy(detail), ...facts(row, detail), ...printed(detail), ...source(detail));
  drawSamples(detail);
}

function checks({ checks: found = [] }) {
  if (!found.length) return [];
  const lines = found.map(([name, status, message, numbers]) =>
    cells(name, element("span", { class: `tag ${status}` }, status),
      [message, ...Object.entries(numbers).map(([key, value]) => `${key.replaceAll("_", " ")} ${value}`)].filter(Boolean).join("; ")));
  return [element("h3", {}, "Checks"), table("Checks", ["check", "status", ""], lines)];
}

function times(row, { times: found = [] }) {
  if (!found.length) return [];
  const lines = found.map((time) => cells(time.measurand.replaceAll("_", " "), seconds(time.median),
    `${seconds(time.interval[0])} to ${seconds(time.interval[1])}`, `${time.count}${time.calls > 1 ? ` of ${time.calls} calls` : ""}`,
    `${time.clock}, ${time.cache} cache`, [time.bimodal && "bimodal", time.drift && `drift ${(100 * time.drift).toFixed(1)} %`].filter(Boolean).join(", ")));
  const [speed, against, fraction, bound] = data.entries[row[ENTRY]];
  const facts = [];
  if (speed) facts.push(`${speed[0].toPrecision(3)}x the speed of ${against} (${speed[1].toPrecision(3)} to ${speed[2].toPrecision(3)})`);
  if (fraction) facts.push(`${Math.round(100 * fraction)} % of the ${bound} limit`);
  return [element("h3", {}, "Times"), facts.length ? element("p", {}, facts.join("; ")) : "",
    table("Times", ["measurand", "median", "95 % limits", "samples", "clock", ""], lines),
    element("div", { id: "samples", role: "img", "aria-label": "Every sample in the order taken" })];
}

function drawSamples({ times: found = [] }) {
  const place = document.getElementById("samples");
  if (!place) return;
  const { data: traces, layout } = data.figures.samples;
  Plotly.react(place, traces.map((trace) => {
    const time = found.find((one) => one.measurand === trace.meta.measurand);
    const step = time ? Math.ceil(time.count / time.samples.length) : 1;
    return { ...trace, x: (time?.samples ?? []).map((_, at) => 1 + at * step), y: time?.samples ?? [] };
  }).filter((trace) => trace.x.length), themed(layout), settings);
}

function accuracy({ accuracy: found = [] }) {
  if (!found.length) return [];
  const names = data.bins.map((limit) => `≤ ${limit}`).concat(`> ${data.bins.at(-1)}`);
  return [element("h3", {}, "Errors in units in the last place"),
    table("Errors", ["output", "relative error", "worst", ...names, "elements"], found.map(([output, relative, worst, bins, compared]) =>
      cells(output, relative === null ? "" : relative.toPrecision(3), worst.toPrecision(4), ...bins, compared)))];
}

function facts(row, detail) {
  const all = [["implementation", data.targets[detail.target]], ["run", data.runs[row[8]].name], ...(detail.facts ?? [])];
  return [element("h3", {}, "Circumstances"), element("dl", {}, ...all.filter(([, text]) => text)
    .flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]))];
}

function printed({ output }) {
  return output ? [element("h3", {}, "What it printed"), element("pre", { tabindex: "0" }, output)] : [];
}

function source({ target }) {
  const text = data.sources[data.targets[target]];
  if (!text) return [];
  return [element("details", {}, element("summary", {}, "Source, as installed where this report was made"), element("pre", { tabindex: "0" }, text))];
}
