// Inside the cell, on one time axis with the frames: the state and the gates as strips, memory as curves, and, for the
// step at the cursor, which units contribute most and the arithmetic of one of them.

const PARTS = { strips, units, unrolled }
const FOR = "#009E73"
const AGAINST = "#D55E00"
const CELL_COLOURS = { LSTM: "#0072B2", GRU: "#009E73", RNN: "#D55E00", yours: "#CC79A7" }

// ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function strips(root, data, signal) {
  const rows = data.strips.map(({ name, note, values, low }) => el("div", { class: "strip" }, head(name, note), drawStrip(values, data.times.length, data.units, low)))
  timeAxis(root, data, signal, {
    rows: [...rows, memoryChart(data)],
    beside: "",
    label: (step) => data.answers[step],
    caption:
      "One line of a strip is one unit; units that move alike stand together. State, memory and candidates run from −1 (blue) " +
      "to 1 (amber), gates from shut (white) to open. The curves at the bottom show how much the last state still depends on each " +
      "frame, for each cell on this clip (the norm of dh_T/dx_t, each cell's largest as 1).",
  })
}

function units(root, data, signal) {
  const when = el("p", { class: "when" })
  const list = el("ol", { class: "contributions" })
  const table = el("div", { class: "sums" })
  root.append(when, el("div", { class: "two" }, list, table), el("p", { class: "caption" },
    `A unit's contribution is its value times its weight in the readout of “${data.label}”. Choose a unit to see how it came to its value; the numbers add up.`))
  let unit = null
  const show = (step) => {
    when.textContent = `After frame ${step + 1}, at ${seconds(data.times[step])}: the units that contribute most for and against “${data.label}”`
    const contributions = data.contributions[step]
    if (!contributions.some(([u]) => u === unit)) unit = contributions[0][0]
    const most = Math.max(...contributions.map(([, v]) => Math.abs(v)))
    list.replaceChildren(...contributions.map(([u, v]) => {
      const fill = el("span", { class: "fill" })
      fill.style.width = `${(50 * Math.abs(v)) / most}%`
      fill.style.background = v > 0 ? FOR : AGAINST
      fill.classList.toggle("against", v < 0)
      const button = el("button", { type: "button", "aria-pressed": String(u === unit) },
        el("span", { class: "name" }, `unit ${u}`), el("span", { class: "track" }, fill), el("span", { class: "value" }, signed(v)))
      button.addEventListener("click", () => { unit = u; show(step) })
      return el("li", {}, button)
    }))
    table.replaceChildren(...sums(data.sums[step][unit], unit, step))
  }
  onStep(data, signal, show)
}

function sums(rows, unit, step) {
  const head = el("tr", {}, ...["", "W_x x_t", "W_h h_{t−1}", "b", "sum", "", ""].map((text) => el("th", {}, text)))
  const body = rows.map(([name, squash, x, h, b, total, value]) => el("tr", {},
    el("td", {}, name), ...[x, h, b].map((v, k) => el("td", {}, (k ? (v < 0 ? "− " : "+ ") : v < 0 ? "−" : "") + Math.abs(v).toFixed(3))),
    el("td", {}, `= ${signed(total)}`), el("td", {}, `${squash} →`), el("td", { class: "result" }, signed(value))))
  return [el("p", { class: "when" }, `Unit ${unit} at step ${step + 1}`), el("table", {}, head, ...body)]
}

function unrolled(root, data, signal) {
  const fold = el("button", { type: "button", class: "fold" })
  const figure = el("div", { class: "scroller" })
  let open = true
  const show = () => {
    fold.textContent = open ? "Fold into one cell" : "Unfold over time"
    figure.replaceChildren(open ? unfolded(data) : folded(data))
  }
  fold.addEventListener("click", () => { open = !open; show() }, { signal })
  root.append(fold, figure, el("p", { class: "caption" },
    `Every step uses the same f and the same W: ${data.weights.toLocaleString("en")} numbers, whether the clip has one frame or a thousand.`))
  show()
}

// ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function signed(v) {
  return (v < 0 ? "−" : "") + Math.abs(v).toFixed(3)
}

function drawStrip(values, steps, units, low) {
  const bytes = Uint8Array.from(atob(values), (c) => c.charCodeAt(0))
  const canvas = el("canvas", { width: steps, height: units, "aria-hidden": "true" })
  const image = new ImageData(steps, units)
  for (let t = 0; t < steps; t++) {
    for (let u = 0; u < units; u++) {
      const v = (bytes[t * units + u] - 128) / 127
      const [r, g, b] = low === 0 ? [91, 63, 214] : v < 0 ? [0, 114, 178] : [230, 140, 0]
      image.data.set([r, g, b, Math.round(255 * Math.min(1, Math.abs(v) ** 0.8))], 4 * (u * steps + t))
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0)
  return canvas
}

function memoryChart(data) {
  const steps = data.times.length
  const svg = svgEl("svg", { class: "memory", viewBox: `0 0 ${steps} 1`, preserveAspectRatio: "none", role: "img" })
  svg.setAttribute("aria-label", "How much the last state depends on each frame, for each cell")
  for (const y of [0, 0.5, 1]) svg.append(svgEl("line", { class: "grid", x1: 0, x2: steps, y1: y, y2: y }))
  for (const [name, values] of Object.entries(data.memory)) {
    const top = Math.max(...values)
    const points = values.map((v, t) => `${t + 0.5},${1 - v / top}`).join(" ")
    svg.append(svgEl("polyline", { points, stroke: CELL_COLOURS[name] }))
  }
  const legend = el("ul", { class: "legend" }, ...Object.keys(data.memory).map((name) => {
    const dot = el("span", { class: "dot" })
    dot.style.background = CELL_COLOURS[name]
    return el("li", {}, dot, name)
  }))
  return el("div", { class: "strip" }, head("memory", "how much the last state depends on each frame"), svg, legend)
}

function head(name, note) {
  return el("p", { class: "head" }, el("b", {}, name), " ", el("small", {}, note))
}

const BOX = 86

function unfolded(data) {
  const shown = data.pictures.length
  const svg = svgEl("svg", { class: "diagram", viewBox: `0 0 ${shown * BOX + 40} 200`, width: shown * BOX + 40, height: 200, role: "img" })
  svg.setAttribute("aria-label", `The cell, drawn once for each of ${shown} steps, all with the same W`)
  const w = (shown * BOX + 40) / 2
  svg.append(text(w, 16, "W", "shared"))
  data.pictures.forEach((src, t) => {
    const x = t * BOX + 20
    svg.append(svgEl("path", { class: "share", d: `M${w} 22 C${w} 48 ${x + 28} 34 ${x + 28} 62` }))
    if (t) svg.append(arrow(x - 30, 84, x, 84))
    svg.append(arrow(x + 28, 146, x + 28, 108), cellBox(x, data.steps[t]), svgEl("image", { href: src, x, y: 148, width: 56, height: 40, preserveAspectRatio: "xMidYMid slice" }))
    if (data.skipped && t === shown - 2) svg.append(text(x + 71, 76, "…", "dots"))
  })
  return svg
}

function folded(data) {
  const svg = svgEl("svg", { class: "diagram", viewBox: "0 0 220 200", width: 220, height: 200, role: "img" })
  svg.setAttribute("aria-label", "One cell whose state goes back into it")
  svg.append(text(108, 16, "W", "shared"), svgEl("path", { class: "share", d: "M108 22 L108 62" }), arrow(108, 146, 108, 108), cellBox(80, null),
    svgEl("path", { class: "flow", d: "M136 84 C190 84 190 40 150 40 L70 40 C40 40 40 84 76 84" }), arrow(70, 84, 80, 84),
    svgEl("image", { href: data.pictures[0], x: 80, y: 148, width: 56, height: 40, preserveAspectRatio: "xMidYMid slice" }))
  return svg
}

function cellBox(x, t) {
  const group = svgEl("g", {})
  group.append(svgEl("rect", { class: "box", x, y: 62, width: 56, height: 46, rx: 8 }), text(x + 28, 90, t === null ? "f" : `h${subscript(t)}`, "name"))
  return group
}

function arrow(x1, y1, x2, y2) {
  const group = svgEl("g", {})
  const back = Math.atan2(y2 - y1, x2 - x1)
  const wing = (turn) => `${x2 - 7 * Math.cos(back + turn)} ${y2 - 7 * Math.sin(back + turn)}`
  group.append(svgEl("path", { class: "flow", d: `M${x1} ${y1} L${x2} ${y2} M${wing(0.45)} L${x2} ${y2} L${wing(-0.45)}` }))
  return group
}

function text(x, y, content, kind) {
  const node = svgEl("text", { x, y, class: kind, "text-anchor": "middle" })
  node.textContent = content
  return node
}

function subscript(n) {
  return [...String(n)].map((d) => "₀₁₂₃₄₅₆₇₈₉"[d]).join("")
}
