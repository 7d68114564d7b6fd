// Figures come from plotly's Python package; here they get what the filters leave over, and the theme's colours. One is
// drawn when it comes into view.
const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const waiting = new Set();
const inView = new Set();

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = [style.getPropertyValue("--ink"), style.getPropertyValue("--line")];
  const axis = (own) => ({ gridcolor: line, zerolinecolor: ink, linecolor: line, ...own });
  return {
    ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12 },
    xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    hoverlabel: { ...layout.hoverlabel, bgcolor: style.getPropertyValue("--raised"), font: { color: ink } },
    modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--soft"), activecolor: ink },
  };
}

function speedFigure(figure, cells) {
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  const traces = figure.data.map((trace) => {
    const own = [...cells.values()].filter((cell) => cell.column === trace.meta.column && cell.speed);
    const logs = own.map((cell) => cell.speed.map(Math.log2));
    return {
      ...trace, x: logs.map(([log]) => log), y: own.map((cell) => escaped(data.tasks[cell.task])),
      text: own.map(({ speed: [ratio, low, high] }) => `${ratio.toPrecision(3)}x (${low.toPrecision(3)} to ${high.toPrecision(3)})`),
      error_x: { ...trace.error_x, color: ink, array: logs.map(([log, , high]) => high - log), arrayminus: logs.map(([log, low]) => log - low) },
    };
  }).filter((trace) => trace.x.length);
  const tasks = [...new Set(traces.flatMap((trace) => trace.y))].sort();
  return [traces, { ...figure.layout, yaxis: { ...figure.layout.yaxis, categoryorder: "array", categoryarray: tasks } }];
}

function rooflineFigure(figure) {
  const seen = new Set(visible);
  const traces = figure.data.map((trace) => {
    if (!trace.meta.points) return { ...trace, line: { ...trace.line, color: getComputedStyle(document.documentElement).getPropertyValue("--soft") } };
    const keep = trace.customdata.map((at, place) => (seen.has(at) ? place : -1)).filter((place) => place >= 0);
    const of = (values) => keep.map((place) => values[place]);
    return { ...trace, x: of(trace.x), y: of(trace.y), customdata: of(trace.customdata), text: of(trace.text) };
  });
  return [traces, figure.layout];
}

function errorsFigure(figure) {
  const counts = data.columns.map(() => new Array(data.bins.length + 1).fill(0));
  for (const at of visible)
    for (const [, , , bins] of data.details[at].accuracy ?? [])
      bins.forEach((count, bin) => { counts[data.evaluations[at][COLUMN]][bin] += count; });
  const traces = figure.data.map((trace) => {
    const own = counts[trace.meta.column];
    const all = own.reduce((sum, count) => sum + count, 0);
    return { ...trace, y: all ? own.map((count) => count / all || null) : [] };
  }).filter((trace) => trace.y.length);
  return [traces, figure.layout];
}

// A figure has its height before it is drawn: nothing below may move under a reader's hand as one comes into view.
function figureHeight({ figure: kind, device }, cells) {
  if (kind !== "speed") return kind === "roofline" ? 520 : 400;
  const columns = new Set(data.figures.speed[device].data.map((trace) => trace.meta.column));
  const own = [...cells.values()].filter((cell) => columns.has(cell.column) && cell.speed);
  const [tasks, bars] = ["task", "column"].map((name) => new Set(own.map((cell) => cell[name])).size);
  return Math.max(260, 110 + tasks * (10 + 13 * bars));
}

function drawFigure(place, cells) {
  const { figure: kind, device } = place.dataset;
  const [traces, layout] = kind === "speed" ? speedFigure(data.figures.speed[device], cells)
    : kind === "roofline" ? rooflineFigure(data.figures.roofline[device]) : errorsFigure(data.figures.errors);
  const height = figureHeight(place.dataset, cells);
  Plotly.react(place, traces, themed({ ...layout, height }), settings);
  if (kind === "roofline" && !place.dataset.ready) {
    place.dataset.ready = "yes";
    place.on("plotly_click", ({ points }) => points[0].customdata !== undefined && openEvaluation(points[0].customdata));
  }
}

const watcher = new IntersectionObserver((changes) => {
  for (const change of changes) {
    if (change.isIntersecting) inView.add(change.target);
    else inView.delete(change.target);
  }
  drawWaiting();
}, { rootMargin: "300px" });

function drawWaiting(cells = null) {
  for (const place of [...waiting].filter((one) => inView.has(one))) {
    waiting.delete(place);
    cells ??= summed();
    drawFigure(place, cells);
  }
}

function drawFigures(cells) {
  for (const place of document.querySelectorAll("[data-figure]")) {
    place.style.height = `${figureHeight(place.dataset, cells)}px`;
    waiting.add(place);
  }
  drawWaiting(cells);
}
