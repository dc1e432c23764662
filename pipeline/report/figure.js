// What the interactive pictures share; each component's script begins with this file.
// Everything a visitor sent arrives as data and leaves as text nodes, numbers or data: images made by the server;
// nothing is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg"

export default function (component) {
  const root = component.parentElement.querySelector(".unroll")
  const data = component.data
  // Every listener ends with its clip. New data comes into the same element without a call of the function returned
  // here, so the listeners of the data before are ended first.
  root.unrollStop?.abort()
  const stop = (root.unrollStop = new AbortController())
  root.replaceChildren()
  root.dataset.part = data.part
  if (data.clip) root.dataset.clip = data.clip // whose picture this is
  PARTS[data.part](root, data, stop.signal, component)
  return () => stop.abort()
}

// ── The cursor: one step of one clip, shared by the parts through events on the document ──────────────────────────

// The address names the step (from 1), so that it can be shared; without one it is the last step.

function currentStep(data) {
  const last = data.times.length - 1
  const cursor = window.unrollCursor
  return cursor && cursor.clip === data.clip ? Math.min(cursor.step, last) : last
}

function askedStep() {
  // The first clip of a page load, or of a step Back, stands at the step in the address (from 1); any other at its last, 0.
  return window.unrollCursor ? 0 : addressedStep()
}

function claimCursor(data, asked = askedStep()) {
  const cursor = window.unrollCursor
  if (cursor?.clip !== data.clip || cursor.reading) setCursor(data.clip, (asked || data.times.length) - 1)
  addressStep(currentStep(data), data.times.length - 1)
  announce(data.clip, currentStep(data), "address")
}

function moveTo(data, step, mover) {
  const last = data.times.length - 1
  step = Math.max(0, Math.min(last, step))
  setCursor(data.clip, step)
  if (mover === "hand") addressStep(step, last)
  announce(data.clip, step, mover)
}

function setCursor(clip, step, reading = false) {
  // ``reading``: it stands at the newest frame of a clip that is being read, and nobody has moved it.
  window.unrollCursor = { clip, step, reading, address: addressedClip() }
}

function announce(clip, step, mover) {
  document.dispatchEvent(new CustomEvent("unroll-step", { detail: { clip, step, mover } }))
}

function onStep(data, signal, show) {
  document.addEventListener("unroll-step", ({ detail }) => {
    if (detail.clip === data.clip) show(Math.min(detail.step, data.times.length - 1), detail.mover)
  }, { signal })
  show(currentStep(data))
}

function addressedStep() {
  return Math.max(0, Math.floor(Number(new URLSearchParams(location.search).get("step")) || 0))
}

function addressedClip() {
  const address = new URLSearchParams(location.search)
  return `${address.get("sample")} ${address.get("upload")}`
}

function addressStep(step, last) {
  const address = new URL(location)
  if (step === last) address.searchParams.delete("step")
  else address.searchParams.set("step", step + 1)
  if (address.href !== location.href) history.replaceState(history.state, "", address)
}

function followHistory() {
  const cursor = window.unrollCursor
  if (!cursor) return
  if (cursor.address !== addressedClip()) window.unrollCursor = undefined // another clip: it will claim the cursor
  else announce(cursor.clip, (cursor.step = (addressedStep() || Infinity) - 1), "address")
}

if (!window.unrollFollowsHistory) {
  window.unrollFollowsHistory = true // once a window: this file is part of several scripts
  window.addEventListener("popstate", followHistory)
}

// ── While a clip is read: one message a step, kept until every part that shows the clip is there ─────────────────

// ``data.live`` names a reading that is under way. A part begins with an empty ``data.times``; ``add`` gets every step,
// ``finish`` what the whole reading adds when it has ended, ``say`` the sentences, which come last.

function receive({ live, step, done, said }) {
  if (window.unrollLive?.live !== live) window.unrollLive = { live, steps: [], done: null, said: null }
  if (step) window.unrollLive.steps[step.index] = step
  if (done) window.unrollLive.done = done
  if (said) window.unrollLive.said = said
  document.dispatchEvent(new CustomEvent("unroll-live"))
}

function grow(data, signal, { add, finish, say }) {
  let finished = false, told = false
  const take = () => {
    const live = window.unrollLive
    if (live?.live !== data.live) return
    while (!finished && live.steps[data.times.length]) {
      const step = live.steps[data.times.length]
      data.times.push(step.time)
      add(step)
    }
    if (live.done && !finished) {
      finished = true
      finish(live.done)
    }
    if (live.said && say && !told) {
      told = true
      say(live.said)
    }
  }
  document.addEventListener("unroll-live", take, { signal })
  take()
}

// ── One time axis: the film strip, whatever rows a part adds under it, and the cursor through all of them ─────────

function timeAxis(root, data, signal, { rows, beside, label, caption }) {
  const steps = columnsOf(data)
  const film = filmStrip(data)
  const cursor = el("div", { class: "cursor" })
  const playhead = el("div", { class: "playhead", hidden: "" })
  const axis = el("div", { class: "axis" }, ...timeTicks(data))
  // The slider lies beside what it moves over: a screen reader does not read what is inside a slider.
  const handle = el("div", {
    class: "handle", role: "slider", tabindex: "0", "aria-label": "Step of the reading", "aria-valuemin": "1",
  })
  const tracks = el("div", { class: "tracks" }, handle, film, ...rows, axis, cursor, playhead)
  tracks.style.setProperty("--steps", steps)
  const play = el("button", { class: "play", type: "button" })
  const readout = el("span", { class: "readout" })
  root.append(
    el("div", { class: "controls" }, play, readout, beside),
    el("div", { class: "scroller" }, tracks),
    typeof caption === "string" ? el("p", { class: "caption" }, caption) : caption
  )
  const player = new Player(data, signal, play, playhead)
  onStep(data, signal, (step, mover) => {
    handle.setAttribute("aria-valuemax", String(Math.max(1, data.times.length)))
    if (!data.times.length) return
    cursor.style.transform = `translateX(${100 * step}%)`
    readout.textContent = `${seconds(data.times[step])}  ${label(step)}`
    handle.setAttribute("aria-valuenow", String(step + 1))
    handle.setAttribute("aria-valuetext", `${seconds(data.times[step])}: ${label(step)}`)
    keepInView(tracks, step / steps)
    if (mover === "hand") player.seek(step)
  })
  if (data.times.length) claimCursor(data)
  bindPointer(tracks, handle, data, signal, player)
  return { film, axis }
}

function columnsOf(data) {
  // Of a reading under way: as many as there will be, so that nothing moves when they come.
  return data.live ? Math.max(data.expected, data.times.length, 1) : data.times.length
}

function filmStrip(data) {
  return el("div", { class: "film" }, ...data.film.map(([src, span]) => filmPicture(src, span)))
}

function filmPicture(src, span) {
  // A picture stands for some steps in a row; one without a source, for a frame that is not read.
  const picture = src ? el("img", { src, alt: "", draggable: "false" }) : el("span", { class: "missing" })
  picture.style.gridColumn = `span ${span}`
  return picture
}

function bindPointer(tracks, handle, data, signal, player) {
  const steps = columnsOf(data)
  const stepAt = (event) => {
    const box = tracks.getBoundingClientRect()
    return Math.floor(((event.clientX - box.left) / box.width) * steps)
  }
  const mouse = (e) => e.pointerType === "mouse"
  tracks.addEventListener("pointerdown", (e) => {
    if (mouse(e)) tracks.setPointerCapture(e.pointerId)
    handle.focus({ preventScroll: true })
    moveTo(data, stepAt(e), "hand")
  }, { signal })
  tracks.addEventListener("mousedown", (e) => e.preventDefault(), { signal }) // it would take the focus away again
  tracks.addEventListener("pointermove", (e) => e.buttons && mouse(e) && moveTo(data, stepAt(e), "hand"), { signal })
  handle.addEventListener("keydown", (e) => {
    const now = currentStep(data)
    const target = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: data.times.length - 1 }[e.key]
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

function timeTicks(data) {
  return data.times.map((_, step) => timeTick(data, step)).filter(Boolean)
}

function timeTick(data, step) {
  const steps = columnsOf(data)
  if (step % Math.max(1, Math.ceil(steps / 8))) return null
  const tick = el("span", {}, data.kind === "folder" ? `image ${step + 1}` : seconds(data.times[step]))
  tick.style.left = `${(100 * step) / steps}%`
  return tick
}

// ── Playing: with the video where the page has one, else step by step ─────────────────────────────────────────────

class Player {
  constructor(data, signal, button, playhead) {
    Object.assign(this, { data, signal, button, playhead, timer: null, seeking: false, touched: false })
    button.addEventListener("click", () => this.toggle(), { signal })
    const mine = (e) => e.target === this.video()
    const touch = (e) => mine(e) && (this.touched = true)
    for (const event of ["pointerdown", "keydown"]) document.addEventListener(event, touch, { signal, capture: true })
    // Media events do not bubble, but they can be caught on their way down.
    document.addEventListener("play", (e) => mine(e) && this.follow(), { signal, capture: true })
    document.addEventListener("pause", (e) => mine(e) && this.label(), { signal, capture: true })
    document.addEventListener("seeked", (e) => mine(e) && this.byHand() && this.toVideoTime(), { signal, capture: true })
    signal.addEventListener("abort", () => clearInterval(this.timer))
    this.label()
    if (this.video() && !this.video().paused) this.follow()
  }

  byHand() {
    // Not our own seek, and not the one with which a player opens a clip, before anybody has touched it.
    return !this.seeking && this.touched
  }

  video() {
    return this.data.kind === "video" ? document.querySelector(".st-key-player video") : null
  }

  playing() {
    const video = this.video()
    return video ? this.touched && !video.paused : this.timer !== null // a clip that plays by itself moves no cursor
  }

  label() {
    const playing = this.playing()
    this.button.textContent = playing ? "❚❚" : "▶"
    this.button.setAttribute("aria-label", playing ? "Pause" : "Play")
  }

  toggle() {
    const video = this.video()
    if (video) {
      const alone = !this.touched && !video.paused
      this.touched = true
      if (alone) video.currentTime = 0
      else if (video.paused && currentStep(this.data) === this.data.times.length - 1) video.currentTime = 0
      if (alone) this.follow()
      else video.paused ? video.play().catch(() => {}) : video.pause()
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
    const ticking = (this.ticking = {}) // only the last call goes on
    const tick = () => {
      const video = this.video()
      if (this.signal.aborted || this.ticking !== ticking || !video) return // the player shows another clip now
      if (!this.touched && matchMedia("(prefers-reduced-motion: reduce)").matches) video.pause()
      if (this.touched) this.toVideoTime()
      this.showTime(video)
      if (!video.paused) requestAnimationFrame(tick)
    }
    tick()
  }

  showTime(video) {
    // Where a clip is that plays by itself, while the cursor stands at the answer.
    const { times } = this.data
    const step = times.findLastIndex((time) => time <= video.currentTime + 0.02)
    this.playhead.hidden = this.touched || video.paused || step < 0
    this.playhead.style.transform = `translateX(${100 * (step + 0.5)}%)`
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

// ── Small things ──────────────────────────────────────────────────────────────────────────────────────────────────

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
