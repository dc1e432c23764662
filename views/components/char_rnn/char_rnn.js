// The lecture's smallest language model, alive: {h, e, l, o}, three hidden units, trained here in the browser.
//   h_t = tanh(W_xh x_t + W_hh h_{t-1}),  y_t = W_hy h_t,  loss = −log softmax(y_t)[target]

const PARTS = { hello }
const LETTERS = ["h", "e", "l", "o"]
const INPUT = [0, 1, 2, 2] // h e l l
const TARGET = [1, 2, 2, 3] // e l l o
const UNITS = 3
const RATE = 0.06
const STEPS = 240 // of training, at one press
const SHAPES = { Wxh: [UNITS, 4], Whh: [UNITS, UNITS], Why: [4, UNITS] }

function hello(root, data, signal) {
  const net = { weights: begin(1), seed: 1, losses: [], adam: null, timer: null }
  const view = draw(root)
  const show = () => refresh(view, net, forward(net.weights))
  view.train.addEventListener("click", () => (net.timer ? halt() : start()), { signal })
  view.one.addEventListener("click", () => { trainStep(net); show() }, { signal })
  view.reset.addEventListener("click", () => {
    halt()
    net.seed += 1
    Object.assign(net, { weights: begin(net.seed), losses: [], adam: null })
    show()
  }, { signal })
  for (const [name, cells] of Object.entries(view.cells)) {
    cells.forEach((row, i) => row.forEach((input, j) => input.addEventListener("input", () => {
      const value = Number(input.value)
      if (!Number.isFinite(value) || input.value.trim() === "") return
      net.weights[name][i][j] = value
      net.adam = null // momenta of the weights that were
      refresh(view, net, forward(net.weights), input)
    }, { signal })))
  }
  signal.addEventListener("abort", halt)
  function start() {
    let left = STEPS
    net.timer = setInterval(() => {
      for (let k = 0; k < 2 && left > 0; k++, left--) trainStep(net)
      if (left <= 0) halt()
      show()
    }, 30)
    show()
  }
  function halt() {
    clearInterval(net.timer)
    net.timer = null
    show()
  }
  show()
}

// ── The network ───────────────────────────────────────────────────────────────────────────────────────────────────

function begin(seed) {
  const random = generator(seed)
  const matrix = ([rows, columns]) => Array.from({ length: rows }, () => Array.from({ length: columns }, () => 1.6 * random() - 0.8))
  return Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, matrix(shape)]))
}

function generator(seed) {
  // mulberry32: small, and the same in every browser
  let a = seed * 0x9e3779b9
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, w, j) => sum + w * vector[j], 0))
const oneHot = (k) => LETTERS.map((_, j) => (j === k ? 1 : 0))

function softmax(scores) {
  const top = Math.max(...scores)
  const e = scores.map((s) => Math.exp(s - top))
  const sum = e.reduce((a, b) => a + b)
  return e.map((v) => v / sum)
}

function readLetter({ Wxh, Whh, Why }, letter, before) {
  const x = oneHot(letter)
  const a = times(Wxh, x), b = times(Whh, before)
  const h = a.map((v, i) => Math.tanh(v + b[i]))
  const y = times(Why, h)
  return { x, h, y, p: softmax(y) }
}

function forward(weights) {
  const steps = []
  let h = Array(UNITS).fill(0)
  INPUT.forEach((letter, t) => {
    const step = readLetter(weights, letter, h)
    h = step.h
    steps.push({ ...step, loss: -Math.log(step.p[TARGET[t]]) })
  })
  return steps
}

function written(weights) {
  // Begin with h, and feed back the likeliest letter each time.
  let h = Array(UNITS).fill(0), letter = 0, text = "h"
  for (let t = 0; t < 4; t++) {
    const step = readLetter(weights, letter, h)
    h = step.h
    letter = step.p.indexOf(Math.max(...step.p))
    text += LETTERS[letter]
  }
  return text
}

function gradients({ Wxh, Whh, Why }, steps) {
  // Back-propagation through time: the same W at every step, so its gradients add up over the steps.
  const g = { Wxh: zeros(Wxh), Whh: zeros(Whh), Why: zeros(Why) }
  let later = Array(UNITS).fill(0) // dloss/dh_t that comes from step t + 1
  for (let t = steps.length - 1; t >= 0; t--) {
    const { x, h, p } = steps[t]
    const before = t ? steps[t - 1].h : Array(UNITS).fill(0)
    const dy = p.map((v, k) => v - (k === TARGET[t] ? 1 : 0))
    const dh = h.map((_, i) => later[i] + Why.reduce((sum, row, k) => sum + row[i] * dy[k], 0))
    const da = dh.map((v, i) => v * (1 - h[i] * h[i]))
    dy.forEach((v, k) => h.forEach((u, i) => (g.Why[k][i] += v * u)))
    da.forEach((v, i) => {
      x.forEach((u, j) => (g.Wxh[i][j] += v * u))
      before.forEach((u, j) => (g.Whh[i][j] += v * u))
    })
    later = before.map((_, j) => Whh.reduce((sum, row, i) => sum + row[j] * da[i], 0))
  }
  return g
}

const zeros = (matrix) => matrix.map((row) => row.map(() => 0))

function trainStep(net) {
  // Adam (Kingma & Ba 2015)
  const g = gradients(net.weights, forward(net.weights))
  const adam = (net.adam ??= { t: 0, m: {}, v: {} })
  adam.t += 1
  for (const name of Object.keys(SHAPES)) {
    const m = (adam.m[name] ??= zeros(g[name])), v = (adam.v[name] ??= zeros(g[name]))
    g[name].forEach((row, i) => row.forEach((d, j) => {
      m[i][j] = 0.9 * m[i][j] + 0.1 * d
      v[i][j] = 0.99 * v[i][j] + 0.01 * d * d
      const step = m[i][j] / (1 - 0.9 ** adam.t) / (Math.sqrt(v[i][j] / (1 - 0.99 ** adam.t)) + 1e-8)
      net.weights[name][i][j] -= RATE * step
    }))
  }
  net.losses.push(total(forward(net.weights)))
}

const total = (steps) => steps.reduce((sum, s) => sum + s.loss, 0)

// ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function draw(root) {
  const view = { cells: {}, steps: [] }
  view.train = el("button", { class: "go", type: "button" })
  view.one = el("button", { type: "button" }, "One step")
  view.reset = el("button", { type: "button" }, "Reset")
  view.loss = el("span", { class: "loss" })
  view.says = el("span", { class: "says" })
  const figure = el("div", { class: "figure", role: "group", "aria-label": "The network, unrolled over four letters" })
  const rows = ["target", "output", "hidden", "input"]
  for (const row of rows) {
    figure.append(el("span", { class: "row-name" }, { target: "target", output: "output y", hidden: "hidden h", input: "input x" }[row]))
    INPUT.forEach((_, t) => {
      const cell = el("div", { class: `cell ${row}` })
      ;(view.steps[t] ??= {})[row] = cell
      figure.append(cell)
    })
  }
  const weights = el("div", { class: "weights" })
  for (const [name, [count, columns]] of Object.entries(SHAPES)) {
    const grid = el("div", { class: "matrix" })
    grid.style.setProperty("--columns", columns)
    view.cells[name] = Array.from({ length: count }, (_, i) => Array.from({ length: columns }, (_, j) => {
      const input = el("input", { type: "number", step: "0.1", "aria-label": `${name}, row ${i + 1}, column ${j + 1}` })
      grid.append(input)
      return input
    }))
    weights.append(el("div", {}, el("p", { class: "matrix-name" }, { Wxh: "W_xh  input → hidden", Whh: "W_hh  hidden → hidden", Why: "W_hy  hidden → output" }[name]), grid))
  }
  view.curve = svgEl("polyline", { class: "curve" })
  const svg = svgEl("svg", { class: "losses", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img" })
  svg.setAttribute("aria-label", "The loss after each training step")
  svg.append(svgEl("line", { class: "floor", x1: 0, x2: 100, y1: 40, y2: 40 }), view.curve)
  root.append(
    el("div", { class: "bar" }, view.train, view.one, view.reset, view.loss, view.says),
    el("div", { class: "two" }, figure, el("div", {}, el("p", { class: "when" }, "Loss, training step by training step"), svg)),
    weights,
    el("p", { class: "caption" },
      "Each column is one step; all four use the same three matrices. Under every score stands how likely that letter is next; " +
      "the letter that should follow is marked. Change any number of a matrix and see what follows from it."))
  return view
}

function refresh(view, net, steps, editing) {
  view.train.textContent = net.timer ? "Stop" : "Train"
  view.loss.textContent = `loss ${total(steps).toFixed(3)} after ${net.losses.length} steps`
  view.says.textContent = `fed with h it writes: ${written(net.weights)}`
  for (const [name, cells] of Object.entries(view.cells)) {
    cells.forEach((row, i) => row.forEach((input, j) => {
      const w = net.weights[name][i][j]
      if (input !== editing) input.value = w.toFixed(2)
      input.style.background = tint(w / 3)
    }))
  }
  steps.forEach((step, t) => {
    const cells = view.steps[t]
    cells.input.replaceChildren(el("b", {}, LETTERS[INPUT[t]]), ...step.x.map((v) => number(v, v ? 0.5 : 0, 0)))
    cells.hidden.replaceChildren(...step.h.map((v) => number(v, v)))
    cells.output.replaceChildren(...step.y.map((v, k) => {
      const score = number(v, 0)
      score.classList.toggle("right", k === TARGET[t])
      score.append(el("small", {}, ` ${LETTERS[k]} ${step.p[k].toFixed(2)}`))
      return score
    }))
    cells.target.replaceChildren(el("b", {}, LETTERS[TARGET[t]]), el("small", {}, `loss ${step.loss.toFixed(2)}`))
  })
  const top = Math.max(...net.losses, 1)
  const scale = Math.max(net.losses.length - 1, 1)
  view.curve.setAttribute("points", net.losses.map((loss, i) => `${(100 * i) / scale},${40 - (40 * loss) / top}`).join(" "))
}

function number(value, shade, digits = 2) {
  const cell = el("span", { class: "number" }, value.toFixed(digits))
  cell.style.background = tint(shade)
  return cell
}

function tint(v) {
  const share = Math.round(70 * Math.min(1, Math.abs(v)))
  return `color-mix(in srgb, ${v < 0 ? "#0072B2" : "#E69F00"} ${share}%, transparent)`
}
