// The figure of a clip's reading. The palette comes with the data (figure_data.py).

const OTHER = "var(--unroll-quiet)"
const CHART_HEIGHT = 124
const BARS = 5
const FILM = 24 // pictures of a film strip at most, as in figure_data.py

// ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const PARTS = { stage, verdict, timeline, letters, pieces, comparison, feed, deciding }

function feed(root, data) {
  receive(data)
}

function stage(root, data, signal) {
  const pictures = data.film.flatMap(([src, span]) => Array(span).fill(src))
  const picture = el("img", { class: "stage" })
  root.append(picture)
  if (data.live) {
    grow(data, signal, {
      add: ({ picture }) => pictures.push(picture ?? pictures.at(-1)),
      finish: ({ film }) => pictures.splice(0, pictures.length, ...film.flatMap(([src, span]) => Array(span).fill(src))),
    })
  }
  onStep(data, signal, (step) => {
    if (!pictures[step]) return
    picture.src = pictures[step]
    picture.alt = data.kind === "photo" ? "The photo that was read" : `Frame ${step + 1}, at ${seconds(data.times[step])}`
  })
}

function verdict(root, data, signal) {
  const when = el("p", { class: "when" })
  const label = el("h2", { class: "label" })
  const number = el("span", { class: "number" })
  const bars = el("ol", { class: "bars" })
  const said = el("p", { class: "said" })
  const notes = el("p", { class: "notes" })
  // Interim answers are told when the label changes, not with every number.
  const spoken = el("p", { class: "spoken", role: "status" })
  root.append(when, el("div", { class: "answer" }, label, number), said, bars, notes, spoken)
  const rows = Array.from({ length: BARS }, () => barRow(bars))
  const show = (step) => {
    const answer = data.answers[step]
    if (!answer) return void (when.textContent = "Opening the file")
    when.textContent = whenText(data, step)
    label.textContent = headline(answer)
    label.classList.toggle("unsure", !answer.sure)
    number.replaceChildren(...answerNumber(answer, data.tops[step], data.actions))
    number.classList.toggle("small", !answer.sure)
    if (spoken.textContent !== headline(answer)) spoken.textContent = headline(answer)
    bars.style.setProperty("--sum", colourOf(data, data.coloured, answer.label))
    const [caption, certain] = data.said[step] ?? [""]
    said.textContent = caption && (certain ? `“${caption}”` : `A guess: “${caption}”`)
    rows.forEach((row, k) => showBar(row, data, answer, data.tops[step][k]))
  }
  const finish = () => {
    notes.textContent = verdictNotes(data).join(" ")
  }
  onStep(data, signal, show)
  if (!data.live) return finish()
  grow(data, signal, {
    add: (step) => {
      data.answers.push(step.answer)
      data.tops.push(step.top.slice(0, BARS))
      data.coloured = liveNames(data.coloured, step)
      show(data.answers.length - 1)
    },
    finish: (done) => {
      Object.assign(data, done.verdict, { times: done.times, duration: done.duration, ended: true })
      settleColours(data, data.coloured)
      finish()
      show(currentStep(data))
    },
    say: (sentences) => {
      data.said = sentences
      show(currentStep(data))
    },
  })
}

function barRow(bars) {
  const row = {
    name: el("span", { class: "name" }), gained: el("span", { class: "gained" }), value: el("span", { class: "value" }),
    fill: el("span", { class: "fill" }),
  }
  row.item = el("li", {}, row.name, row.gained, row.value, el("span", { class: "track" }, row.fill))
  bars.append(row.item)
  return row
}

function showBar(row, data, answer, top) {
  const [name, p, gained, isPart] = top ?? ["", 0, 0, false]
  row.item.style.visibility = top ? "" : "hidden" // fewer labels than rows; its place stays
  row.item.classList.toggle("part", isPart)
  row.name.textContent = isPart && name === answer.label ? `${name} (itself)` : name
  row.name.title = isPart ? `part of “${answer.label}”` : name
  row.gained.textContent = Math.abs(gained) < 0.005 ? "" : `${gained > 0 ? "+" : "−"}${Math.abs(gained).toFixed(2)}`
  row.gained.title = "since the frame before"
  row.value.textContent = top ? p.toFixed(2) : ""
  row.fill.style.width = `${100 * p}%`
  row.fill.style.background = colourOf(data, data.coloured, name)
}

function headline({ sure, nothing, label }) {
  if (nothing) return "I see nobody doing anything"
  return sure ? label : "not sure"
}

function answerNumber(answer, top, actions) {
  const p = answer.probability.toFixed(2)
  if (answer.nearest !== null) {
    const nearest = `${answer.label} (${answer.nearest.toFixed(2)})`
    return [`Of the ${actions} actions I know the nearest is ${nearest}, but this looks like none of them.`]
  }
  if (answer.count) return [p, el("small", {}, `sum of ${answer.count} labels`)]
  return answer.sure ? [p] : [`${p} ${answer.label}, ${top[1][1].toFixed(2)} ${top[1][0]}`]
}

function whenText(data, step) {
  const steps = data.times.length
  if (data.kind === "photo") return "One photo, one step"
  if (data.live && !data.ended) return `After frame ${step + 1}, at ${seconds(data.times[step] ?? 0)}; reading on`
  if (step === steps - 1) return `After all ${steps} frames`
  return `After frame ${step + 1} of ${steps}, at ${seconds(data.times[step])}`
}

function verdictNotes(data) {
  const notes = [`I say “not sure” below ${data.threshold.toFixed(2)}.`]
  if (data.answers.some(({ count }) => count)) notes.push("Labels of one kind count together: the marked ones.")
  const steps = data.times.length
  if (steps > 1 && data.decided === null) notes.unshift("After the last frame nothing is likely enough to be the answer.")
  else if (steps > 1) {
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
  const chart = drawChart(data)
  const leaders = drawLeaders(data)
  const state = drawState(data)
  const names = el("ul", { class: "legend" })
  const caption = el("details", {}, el("summary", {}, "How to read this"), el("p", { class: "caption" }, timelineCaption(data)))
  const { film, axis } = timeAxis(root, data, signal, {
    rows: [chart.box, leaders.box, state.canvas], beside: names, label: (step) => data.answers[step], caption,
  })
  names.replaceChildren(...legendItems(data))
  if (!data.live) return
  const pictureEvery = Math.ceil(data.expected / FILM)
  const asked = askedStep() // before the reading moves the cursor
  grow(data, signal, {
    add: (step) => {
      const k = data.times.length - 1
      if (k % pictureEvery === 0) film.append(filmPicture(step.picture, Math.min(pictureEvery, Math.max(1, data.expected - k))))
      const tick = timeTick(data, k)
      if (tick) axis.append(tick)
      data.answers.push(step.text)
      data.leaders.push(step.leader)
      data.alone.push(step.alone)
      addCurves(data, step)
      chart.redraw()
      leaders.add(k)
      state.add(k, bytesOf(step.hidden), 0)
      names.replaceChildren(...legendItems(data))
      followReading(data)
    },
    finish: (done) => {
      const same = done.times.length === columnsOf(data) && done.times.every((time, k) => time === data.times[k])
      const full = { ...data, ...done.timeline, film: done.film, times: done.times, duration: done.duration, live: "" }
      settleColours(full, full.names)
      claimCursor(full, asked)
      if (!same) return void (root.replaceChildren(), timeline(root, full, signal))
      Object.assign(data, full)
      chart.redraw()
      leaders.note()
      names.replaceChildren(...legendItems(data))
      announce(data.clip, currentStep(data), "address")
    },
  })
}

function timelineCaption(data) {
  return "Top: the frames that were read. Below, how likely each label is after each frame; a dotted line marks a change of the leading label. " +
    (data.sums.includes(true) ? "The curve of a “sum” adds a broad label and its finer ones. " : "") +
    "Then the leading label, once with memory and once with every frame taken by itself, as if it were the first. " +
    `At the bottom the hidden state h, ${data.units} units, from −1 (blue) to 1 (amber). Drag, or use the arrow keys and space.`
}

function followReading(data) {
  // The cursor stands at the newest frame, until a hand moves it.
  const last = data.times.length - 1
  const cursor = window.unrollCursor
  if (cursor?.clip === data.clip && !cursor.reading) return
  setCursor(data.clip, last, true)
  announce(data.clip, last, "reading")
}

function liveNames(names, step) {
  // A label gets its colour when it first leads or is second, as long as there are colours.
  const new_ = [step.leader, ...step.top.slice(0, 2).map(([name]) => name)].filter((name) => !names.includes(name))
  return [...names, ...new Set(new_)].slice(0, 6)
}

function addCurves(data, step) {
  const before = data.times.length - 1
  data.names = liveNames(data.names, step)
  const now = Object.fromEntries(step.top)
  if (step.answer.count) now[step.answer.label] = step.answer.probability
  data.sums = data.names.map((name, k) => data.sums[k] || (step.answer.count > 0 && name === step.answer.label))
  data.names.forEach((name, k) => (data.values[k] ??= Array(before).fill(0)).push(now[name] ?? 0))
}

function letters(root, data, signal) {
  // Each column one letter; under it what else could have stood there, and how many labels are still possible.
  const row = el("ol", { class: "letters" })
  const caption = el("p", { class: "caption" })
  root.append(row, caption)
  onStep(data, signal, (step) => {
    caption.textContent =
      `${data.sure[step] ? "The answer" : "The likeliest label, not sure by itself"}, spelled as a language model would: each letter’s ` +
      "probability is the sum over all labels that go on so, and every letter that is fixed leaves fewer labels possible."
    row.classList.toggle("unsure", !data.sure[step])
    row.replaceChildren(...data.spelled[step].map(([letter, p, others, left]) => {
      const column = el("li", {},
        el("b", { class: "letter" }, letter === " " ? "␣" : letter),
        el("span", { class: "share" }, p.toFixed(2)),
        ...others.filter(([, q]) => q >= 0.005).map(([other, q]) => el("span", { class: "other" }, `${shown(other)} ${q.toFixed(2)}`)),
        el("span", { class: "left" }, left === 1 ? "1 label" : `${left} labels`))
      column.style.setProperty("--share", p)
      return column
    }))
  })
}

function shown(letter) {
  return { "": "end", " ": "␣" }[letter] ?? letter
}

function pieces(root, data, signal) {
  const length = data.pieces.at(-1)[1] || 1
  const blocks = data.blocks.map(([start, end, answer, cut]) => {
    const name = headline(answer)
    const block = el("button", {
      type: "button", class: cut ? "piece cut" : "piece",
      title: `${seconds(start)} to ${seconds(end)}: ${name}, ${answer.probability.toFixed(2)}`,
    }, el("span", {}, name))
    block.style.flexGrow = Math.max(end - start, length / 200)
    block.style.setProperty("--colour", answer.sure ? colourOf(data, data.coloured, answer.label) : OTHER)
    block.addEventListener("click", () => jumpTo(data, start), { signal })
    return block
  })
  const rows = data.pieces.map(([start, end, answer, cut]) => {
    const { label, probability, sure } = answer
    const to = el("button", { type: "button", class: "to" }, `${seconds(start)} – ${seconds(end)}`)
    to.addEventListener("click", () => jumpTo(data, start), { signal })
    const notes = [partsText(answer), cut ? "a cut: the state begins again" : ""].filter(Boolean).join("; ")
    return el("tr", {}, el("td", {}, to), el("td", {}, sure ? label : `not sure: ${label}`),
      el("td", {}, probability.toFixed(2)), el("td", {}, notes))
  })
  root.append(
    el("div", { class: "pieces" }, ...blocks),
    el("details", {}, el("summary", {}, `${data.pieces.length} pieces`), el("table", {}, ...rows)),
    el("p", { class: "caption" },
      `${data.read} frames of the clip, at most eight at a time: what follows closely is read together, and the state ` +
      "begins again after it. Short pieces are shown with a longer neighbour; the list has them all. Press one to go there.")
  )
}

function partsText({ parts, count }) {
  const named = parts.map(([label, p]) => `${label} ${p.toFixed(2)}`).join(", ")
  return count > parts.length ? `${named} and ${count - parts.length} more` : named
}

function jumpTo(data, time) {
  const video = document.querySelector(".st-key-player video")
  const playable = video && data.kind === "video"
  if (playable) video.currentTime = time + 0.01
  moveTo(data, data.times.findLastIndex((t) => t <= time + 0.03), playable ? "video" : "hand")
}

function deciding(root, data) {
  // The film strip, with the frames that decided lifted out of it.
  const film = filmStrip(data)
  let step = 0
  data.film.forEach(([, span], k) => {
    const lifted = data.frames.some((frame) => frame >= step && frame < step + span)
    film.children[k].classList.toggle("lifted", lifted)
    step += span
  })
  const tracks = el("div", { class: "tracks still lift", role: "img", "aria-label": data.says }, film, el("div", { class: "axis" }, ...timeTicks(data)))
  tracks.style.setProperty("--steps", data.times.length)
  root.append(el("p", { class: "finding", role: "status" }, data.says), el("div", { class: "scroller" }, tracks))
}

function comparison(root, data) {
  const { box } = drawChart(data)
  const svg = box.querySelector("svg")
  svg.append(...data.other.flatMap((values, k) => dashes(values, colourOf(data, data.names, data.names[k]))))
  const tracks = el("div", { class: "tracks still" }, filmStrip(data), box, el("div", { class: "axis" }, ...timeTicks(data)))
  tracks.style.setProperty("--steps", data.times.length)
  root.append(
    el("div", { class: "controls" }, el("ul", { class: "legend" }, ...legendItems(data))),
    el("div", { class: "scroller" }, tracks),
    el("p", { class: "caption" }, "Solid: the clip as it is. Dashed: the same cell on the frames as they stand here.")
  )
}

function dashes(values, stroke) {
  // One line for each run of steps that were read; null where a frame was hidden.
  const runs = [[]]
  values.forEach((p, i) => (p === null ? runs.push([]) : runs.at(-1).push([i, p])))
  return runs.filter((run) => run.length).map((run) => {
    const points = [[run[0][0] - 0.5, run[0][1]], ...run, [run.at(-1)[0] + 0.5, run.at(-1)[1]]]
    return svgEl("polyline", { class: "dashed", points: points.map(([i, p]) => `${i + 0.5},${1 - p}`).join(" "), stroke })
  })
}

// ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function drawChart(data) {
  const steps = columnsOf(data)
  const svg = svgEl("svg", { class: "chart", viewBox: `0 0 ${steps} 1`, preserveAspectRatio: "none", role: "img" })
  for (const y of [0, 0.5, 1]) svg.append(svgEl("line", { class: "grid", x1: 0, x2: steps, y1: y, y2: y }))
  const t = 1 - data.threshold
  svg.append(svgEl("line", { class: "threshold", x1: 0, x2: steps, y1: t, y2: t }))
  const moving = svgEl("g", {})
  svg.append(moving)
  const redraw = () => {
    svg.setAttribute("aria-label", chartReading(data))
    moving.replaceChildren(
      ...data.changes.map((x) => svgEl("line", { class: "change", x1: x, x2: x, y1: 0, y2: 1 })),
      ...data.values.map((values, k) => curve(values, colourOf(data, data.names, data.names[k]))).reverse(), // the likeliest on top
    )
  }
  redraw()
  const labels = [0, 0.5, 1].map((v) => {
    const tag = el("span", { class: "level" }, v.toFixed(1))
    tag.style.bottom = `${100 * v}%`
    return tag
  })
  const threshold = el("span", { class: "level not-sure" }, "not sure below")
  threshold.style.bottom = `${100 * data.threshold}%`
  const box = el("div", { class: "chart-box" }, svg, ...labels, threshold)
  box.style.height = `${CHART_HEIGHT}px`
  return { box, redraw }
}

function curve(values, stroke) {
  // A value holds for its whole column: the line runs through the columns' middles, and flat to both ends.
  const points = values.map((p, i) => `${i + 0.5},${1 - p}`)
  const path = values.length ? `0,${1 - values[0]} ${points.join(" ")} ${values.length},${1 - values.at(-1)}` : ""
  return svgEl("polyline", { points: path, stroke })
}

function chartReading(data) {
  if (!data.leaders.length) return "The leading label over time"
  const at = (i) => `at ${seconds(data.times[i])} ${data.leaders[i]}`
  return `The leading label over time: ${[0, ...data.changes].map(at).join(", ")}.`
}

function drawLeaders(data) {
  // Two rows of blocks: steadiness against flicker.
  const rows = [["With memory", "leaders", 0], ["Each frame alone", "alone", 1]].map(([name, key, k]) => {
    const text = el("b", {}, name)
    const row = el("div", { class: "leading", role: "img" }, el("div", { class: "note" }, text))
    return { name, key, k, text, row }
  })
  const add = (step) => {
    for (const { key, row } of rows) {
      const label = data[key][step]
      const block = el("span", { title: `${seconds(data.times[step])} ${label}` })
      block.style.background = colourOf(data, data.names, label)
      row.insertBefore(block, row.lastChild)
    }
  }
  const note = () => {
    for (const { name, key, k, text, row } of rows) {
      text.textContent = data.rates.length ? `${name}: ${data.rates[k].toFixed(1)} changes a second` : name
      row.setAttribute("aria-label", text.textContent)
      ;[...row.querySelectorAll("span")].forEach((block, t) => (block.style.background = colourOf(data, data.names, data[key][t])))
    }
  }
  data.leaders.forEach((_, step) => add(step))
  note()
  return { box: el("div", { class: "leaders" }, ...rows.map(({ row }) => row)), add, note }
}

function drawState(data) {
  const steps = columnsOf(data)
  const canvas = el("canvas", { class: "state", width: steps, height: data.units, role: "img" })
  canvas.setAttribute("aria-label", `The hidden state: ${data.units} units over ${steps} steps`)
  const context = canvas.getContext("2d")
  const add = (step, bytes, first) => {
    const column = new ImageData(1, data.units)
    for (let u = 0; u < data.units; u++) {
      const byte = bytes[first + u]
      column.data.set(diverging((byte > 127 ? byte - 256 : byte) / 127), 4 * (data.units - 1 - u))
    }
    context.putImageData(column, step, 0)
  }
  const all = bytesOf(data.hidden)
  for (let t = 0; t < all.length / data.units; t++) add(t, all, t * data.units)
  return { canvas, add }
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
}

function diverging(v) {
  // −1 blue, 0 white, 1 amber; transparent towards 0, so that "white" is the page in both themes.
  const [r, g, b] = v < 0 ? [0, 114, 178] : [230, 140, 0]
  return [r, g, b, Math.round(255 * Math.min(1, Math.abs(v) ** 0.8))]
}

function legendItems(data) {
  return data.names.map((name, k) => {
    const dot = el("span", { class: "dot" })
    dot.style.background = colourOf(data, data.names, name)
    return el("li", {}, dot, data.sums[k] ? `${name} (sum)` : name)
  })
}

// ── Small things ──────────────────────────────────────────────────────────────────────────────────────────────────

function colourOf(data, names, name) {
  // A label keeps the colour that it had while the clip was read, in every figure of the clip.
  if (!names.includes(name)) return OTHER
  const kept = keptColours(data.clip)
  const own = (data.ownColours ??= {}) // of labels in this figure alone, where no colour is free in all of them
  if (kept[name] ?? own[name]) return kept[name] ?? own[name]
  const free = data.palette.find((colour) => !Object.values(kept).includes(colour))
  if (free) return (kept[name] = free)
  const here = names.map((other) => kept[other] ?? own[other])
  return (own[name] = data.palette.find((colour) => !here.includes(colour)) ?? OTHER)
}

function keptColours(clip) {
  if (window.unrollColours?.clip !== clip) window.unrollColours = { clip, colours: {} }
  return window.unrollColours.colours
}

function settleColours(data, names) {
  // The reading has ended: labels without a curve give their colours to those that have one now.
  const kept = keptColours(data.clip)
  for (const name of Object.keys(kept)) if (!names.includes(name)) delete kept[name]
  names.forEach((name) => colourOf(data, names, name))
}
