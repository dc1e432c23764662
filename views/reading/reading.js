// The picture of a reading. Everything a visitor sent arrives here as data and leaves as text nodes, numbers or
// data: images made by the server; nothing is ever parsed as HTML.

// Okabe & Ito's palette, without its yellow and black: told apart by colour-blind eyes, visible on light and dark.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
const OTHER = "var(--unroll-quiet)"
const CHART_HEIGHT = 176
const SVG = "http://www.w3.org/2000/svg"

export default function (component) {
  const root = component.parentElement.querySelector(".unroll")
  const data = component.data
  const stop = new AbortController() // every listener dies with it when new data arrives or the part goes
  root.replaceChildren()
  root.dataset.part = data.part
  PARTS[data.part](root, data, stop.signal)
  return () => stop.abort()
}

// ── The cursor: one step of one clip, shared by the parts through events on the document ──────────────────────────

function currentStep(data) {
  const shared = window.unrollCursor
  const last = data.times.length - 1
  return shared && shared.clip === data.clip ? Math.min(shared.step, last) : last
}

function moveTo(data, step, mover) {
  step = Math.max(0, Math.min(data.times.length - 1, step))
  window.unrollCursor = { clip: data.clip, step }
  document.dispatchEvent(new CustomEvent("unroll-step", { detail: { clip: data.clip, step, mover } }))
}

function onStep(data, signal, show) {
  document.addEventListener("unroll-step", (e) => e.detail.clip === data.clip && show(e.detail.step, e.detail.mover), {
    signal,
  })
  show(currentStep(data))
}

// ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const PARTS = { stage, verdict, timeline }

function stage(root, data, signal) {
  const picture = el("img", { class: "stage", src: data.pictures[0] })
  root.append(picture)
  onStep(data, signal, (step) => {
    picture.src = data.pictures[step]
    picture.alt = data.kind === "photo" ? "The photo that was read" : `Frame ${step + 1}, at ${seconds(data.times[step])}`
  })
}

function verdict(root, data, signal) {
  const when = el("p", { class: "when" })
  const label = el("h2", { class: "label" })
  const number = el("span", { class: "number" })
  const bars = el("ol", { class: "bars" })
  const notes = el("p", { class: "notes" })
  root.append(when, el("div", { class: "answer", "aria-live": "polite" }, label, number), bars, notes)
  const rows = data.tops[0].map(() => {
    const row = { name: el("span", { class: "name" }), fill: el("span", { class: "fill" }), value: el("span", { class: "value" }) }
    bars.append(el("li", {}, row.name, row.value, el("span", { class: "track" }, row.fill)))
    return row
  })
  notes.append(...verdictNotes(data).flatMap((note, k) => (k ? [el("br"), note] : [note])))
  onStep(data, signal, (step) => {
    const top = data.tops[step]
    const sure = top[0][1] >= data.threshold
    when.textContent = whenText(data, step)
    label.textContent = sure ? top[0][0] : "not sure"
    label.classList.toggle("unsure", !sure)
    number.textContent = sure ? top[0][1].toFixed(2) : `${top[0][1].toFixed(2)} ${top[0][0]}, ${top[1][1].toFixed(2)} ${top[1][0]}`
    number.classList.toggle("small", !sure)
    rows.forEach((row, k) => {
      const [name, p] = top[k]
      row.name.textContent = name
      row.value.textContent = p.toFixed(2)
      row.fill.style.width = `${100 * p}%`
      row.fill.style.background = colourOf(data.coloured, name)
    })
  })
}

function whenText(data, step) {
  const steps = data.times.length
  if (data.kind === "photo") return "One photo, one step"
  if (step === steps - 1) return `After all ${steps} frames`
  return `After frame ${step + 1} of ${steps}, at ${seconds(data.times[step])}`
}

function verdictNotes(data) {
  const notes = [`I say “not sure” below ${data.threshold.toFixed(2)}.`]
  const steps = data.times.length
  if (steps > 1) {
    const share = data.duration ? Math.round((100 * data.times[data.decided]) / data.duration) : 0
    notes.unshift(
      data.decided === 0
        ? "The first frame already gave this answer."
        : `Decided at ${seconds(data.times[data.decided])}, after ${share} % of the clip.`
    )
  }
  return notes
}

function timeline(root, data, signal) {
  const steps = data.times.length
  const film = el("div", { class: "film" }, ...data.pictures.map((src) => el("img", { src, alt: "", draggable: "false" })))
  const chart = drawChart(data)
  const state = drawState(data)
  const cursor = el("div", { class: "cursor" })
  const axis = el("div", { class: "axis" }, ...timeTicks(data))
  const tracks = el("div", {
    class: "tracks", role: "slider", tabindex: "0", "aria-label": "Step of the reading",
    "aria-valuemin": "1", "aria-valuemax": String(steps),
  }, film, chart, state, axis, cursor)
  tracks.style.setProperty("--steps", steps)
  const play = el("button", { class: "play", type: "button" })
  const readout = el("span", { class: "readout" })
  root.append(
    el("div", { class: "controls" }, play, readout, legend(data)),
    el("div", { class: "scroller" }, tracks),
    el("p", { class: "caption" },
      "Top: the frames that were read. Middle: how likely each label is after each frame; a tick marks a change of mind. " +
      `Bottom: the hidden state h, ${data.units} units, from −1 (blue) to 1 (amber). Drag, or use the arrow keys and space.`)
  )
  const player = new Player(data, signal, play)
  onStep(data, signal, (step, mover) => {
    cursor.style.left = `${(100 * step) / steps}%`
    readout.textContent = `${seconds(data.times[step])}  ${data.leaders[step]}`
    tracks.setAttribute("aria-valuenow", String(step + 1))
    tracks.setAttribute("aria-valuetext", `${seconds(data.times[step])}: ${data.leaders[step]}`)
    keepInView(tracks, step / steps)
    if (mover !== "video" && mover !== undefined) player.seek(step)
  })
  const stepAt = (event) => {
    const box = tracks.getBoundingClientRect()
    return Math.floor(((event.clientX - box.left) / box.width) * steps)
  }
  tracks.addEventListener("pointerdown", (e) => { if (e.pointerType === "mouse") tracks.setPointerCapture(e.pointerId); moveTo(data, stepAt(e), "hand") }, { signal })
  tracks.addEventListener("pointermove", (e) => e.buttons && e.pointerType === "mouse" && moveTo(data, stepAt(e), "hand"), { signal })
  tracks.addEventListener("keydown", (e) => {
    const now = currentStep(data)
    const target = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: steps - 1 }[e.key]
    if (target !== undefined) moveTo(data, target, "hand")
    else if (e.key === " ") player.toggle()
    else return
    e.preventDefault()
  }, { signal })
}

function keepInView(tracks, share) {
  const scroller = tracks.parentElement
  if (!scroller || scroller.scrollWidth <= scroller.clientWidth) return
  scroller.scrollLeft = share * scroller.scrollWidth - scroller.clientWidth / 2
}

// ── Playing: with the video where the page has one, else step by step ─────────────────────────────────────────────

class Player {
  constructor(data, signal, button) {
    Object.assign(this, { data, button, timer: null })
    button.addEventListener("click", () => this.toggle(), { signal })
    const mine = (e) => e.target === this.video()
    // Media events do not bubble, but they can be caught on their way down.
    document.addEventListener("play", (e) => mine(e) && this.follow(), { signal, capture: true })
    document.addEventListener("pause", (e) => mine(e) && this.label(), { signal, capture: true })
    document.addEventListener("seeked", (e) => mine(e) && this.byHand() && this.toVideoTime(), { signal, capture: true })
    signal.addEventListener("abort", () => clearInterval(this.timer))
    this.label()
  }

  byHand() {
    // Not our own seek, and not the one to the beginning with which a player greets a new clip.
    const video = this.video()
    return !this.seeking && (video.currentTime > 0 || video.played.length > 0)
  }

  video() {
    return this.data.kind === "video" ? document.querySelector(".st-key-player video") : null
  }

  playing() {
    const video = this.video()
    return video ? !video.paused : this.timer !== null
  }

  label() {
    const playing = this.playing()
    this.button.textContent = playing ? "❚❚" : "▶"
    this.button.setAttribute("aria-label", playing ? "Pause" : "Play")
  }

  toggle() {
    const video = this.video()
    if (video) {
      if (video.paused && currentStep(this.data) === this.data.times.length - 1) video.currentTime = 0
      video.paused ? video.play().catch(() => {}) : video.pause()
    } else if (this.timer !== null) {
      this.stop()
    } else {
      let step = currentStep(this.data)
      if (step === this.data.times.length - 1) step = -1
      this.timer = setInterval(() => {
        step += 1
        moveTo(this.data, step, "timer")
        if (step >= this.data.times.length - 1) this.stop()
      }, 350)
    }
    this.label()
  }

  stop() {
    clearInterval(this.timer)
    this.timer = null
    this.label()
  }

  follow() {
    this.label()
    const tick = () => {
      this.toVideoTime()
      const video = this.video()
      if (video && !video.paused) requestAnimationFrame(tick)
    }
    tick()
  }

  toVideoTime() {
    const time = this.video().currentTime + 0.02
    let step = 0
    while (step + 1 < this.data.times.length && this.data.times[step + 1] <= time) step += 1
    if (step !== currentStep(this.data)) moveTo(this.data, step, "video")
  }

  seek(step) {
    const video = this.video()
    if (!video) return
    this.seeking = true
    video.currentTime = this.data.times[step]
    setTimeout(() => (this.seeking = false), 250)
  }
}

// ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function drawChart(data) {
  const steps = data.times.length
  const svg = svgEl("svg", { class: "chart", viewBox: `0 0 ${steps} 1`, preserveAspectRatio: "none", role: "img" })
  svg.setAttribute("aria-label", chartReading(data))
  for (const y of [0, 0.5, 1]) svg.append(svgEl("line", { class: "grid", x1: 0, x2: steps, y1: y, y2: y }))
  const t = 1 - data.threshold
  svg.append(svgEl("line", { class: "threshold", x1: 0, x2: steps, y1: t, y2: t }))
  for (const x of data.changes) svg.append(svgEl("line", { class: "change", x1: x, x2: x, y1: 0, y2: 1 }))
  data.values.map((values, k) => {
    // A value holds for its whole column: the line runs through the columns' middles, and flat to both ends.
    const points = values.map((p, i) => `${i + 0.5},${1 - p}`)
    const path = `0,${1 - values[0]} ${points.join(" ")} ${steps},${1 - values[steps - 1]}`
    return svgEl("polyline", { points: path, stroke: COLOURS[k] })
  }).reverse().forEach((line) => svg.append(line)) // the likeliest is drawn last, on top
  const labels = [0, 0.5, 1].map((v) => {
    const tag = el("span", { class: "level" }, v.toFixed(1))
    tag.style.bottom = `${100 * v}%`
    return tag
  })
  const threshold = el("span", { class: "level not-sure" }, "not sure below")
  threshold.style.bottom = `${100 * data.threshold}%`
  const box = el("div", { class: "chart-box" }, svg, ...labels, threshold)
  box.style.height = `${CHART_HEIGHT}px`
  return box
}

function chartReading(data) {
  const at = (i) => `at ${seconds(data.times[i])} ${data.leaders[i]}`
  return `The likeliest label over time: ${[0, ...data.changes].map(at).join(", ")}.`
}

function drawState(data) {
  const steps = data.times.length
  const bytes = Uint8Array.from(atob(data.hidden), (c) => c.charCodeAt(0))
  const canvas = el("canvas", { class: "state", width: steps, height: data.units, role: "img" })
  canvas.setAttribute("aria-label", `The hidden state: ${data.units} units over ${steps} steps`)
  const image = new ImageData(steps, data.units)
  for (let t = 0; t < steps; t++) {
    for (let u = 0; u < data.units; u++) {
      const byte = bytes[t * data.units + u]
      const v = (byte > 127 ? byte - 256 : byte) / 127
      image.data.set(diverging(v), 4 * ((data.units - 1 - u) * steps + t))
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0)
  return canvas
}

function diverging(v) {
  // −1 blue, 0 white, 1 amber; transparent towards 0, so that "white" is the page in both themes.
  const [r, g, b] = v < 0 ? [0, 114, 178] : [230, 140, 0]
  return [r, g, b, Math.round(255 * Math.min(1, Math.abs(v) ** 0.8))]
}

function legend(data) {
  return el("ul", { class: "legend" }, ...data.names.map((name, k) => {
    const dot = el("span", { class: "dot" })
    dot.style.background = COLOURS[k]
    return el("li", {}, dot, name)
  }))
}

function timeTicks(data) {
  const steps = data.times.length
  const every = Math.max(1, Math.ceil(steps / 8))
  return data.times.filter((_, i) => i % every === 0).map((time, k) => {
    const tick = el("span", {}, data.kind === "folder" ? `image ${k * every + 1}` : seconds(time))
    tick.style.left = `${(100 * k * every) / steps}%`
    return tick
  })
}

// ── Small things ──────────────────────────────────────────────────────────────────────────────────────────────────

function colourOf(names, name) {
  const k = names.indexOf(name)
  return k < 0 ? OTHER : COLOURS[k]
}

function seconds(time) {
  return `${time.toFixed(1)} s`
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

function svgEl(tag, attributes) {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  return node
}
