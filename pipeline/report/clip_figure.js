// The figure of a clip's reading. The palette comes with the data (figure_data.py).

const OTHER = "var(--unroll-quiet)"
const CHART_HEIGHT = 176

// ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const PARTS = { stage, verdict, timeline, letters, pieces, comparison }

function stage(root, data, signal) {
  const pictures = data.film.flatMap(([src, span]) => Array(span).fill(src))
  const picture = el("img", { class: "stage", src: pictures[0] })
  root.append(picture)
  onStep(data, signal, (step) => {
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
  root.append(when, el("div", { class: "answer", "aria-live": "polite" }, label, number), said, bars, notes)
  const rows = data.tops[0].map(() => {
    const row = {
      name: el("span", { class: "name" }), gained: el("span", { class: "gained" }), value: el("span", { class: "value" }),
      fill: el("span", { class: "fill" }),
    }
    row.item = el("li", {}, row.name, row.gained, row.value, el("span", { class: "track" }, row.fill))
    bars.append(row.item)
    return row
  })
  bars.classList.toggle("summed", data.answers.some(({ count }) => count)) // room for the mark of a sum's parts
  notes.append(...verdictNotes(data).flatMap((note, k) => (k ? [el("br"), note] : [note])))
  onStep(data, signal, (step) => {
    const top = data.tops[step]
    const answer = data.answers[step]
    when.textContent = whenText(data, step)
    label.textContent = headline(answer)
    label.classList.toggle("unsure", !answer.sure)
    number.replaceChildren(...answerNumber(answer, top, data.actions))
    number.classList.toggle("small", !answer.sure)
    bars.style.setProperty("--sum", colourOf(data, data.coloured, answer.label))
    if (data.said.length) {
      const [caption, certain] = data.said[step]
      said.textContent = certain ? `“${caption}”` : `A guess: “${caption}”`
    }
    rows.forEach((row, k) => {
      const [name, p, gained, isPart] = top[k]
      row.item.classList.toggle("part", isPart)
      row.name.textContent = isPart && name === answer.label ? `${name} (itself)` : name
      row.name.title = isPart ? `part of “${answer.label}”` : ""
      row.gained.textContent = Math.abs(gained) < 0.005 ? "" : `${gained > 0 ? "+" : "−"}${Math.abs(gained).toFixed(2)}`
      row.gained.title = "since the frame before"
      row.value.textContent = p.toFixed(2)
      row.fill.style.width = `${100 * p}%`
      row.fill.style.background = colourOf(data, data.coloured, name)
    })
  })
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
  if (step === steps - 1) return `After all ${steps} frames`
  return `After frame ${step + 1} of ${steps}, at ${seconds(data.times[step])}`
}

function verdictNotes(data) {
  const notes = [`I say “not sure” below ${data.threshold.toFixed(2)}.`]
  if (data.answers.some(({ count }) => count)) {
    notes.push("Where no label reaches that alone but several of one kind do together, I name the kind: the marked labels count towards it.")
  }
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
  timeAxis(root, data, signal, {
    rows: [drawChart(data), drawLeaders(data), drawState(data)],
    beside: legend(data),
    label: (step) => data.answers[step],
    caption:
      "Top: the frames that were read. Below, how likely each label is after each frame; a dotted line marks a change of the leading label. " +
      (data.sums.includes(true) ? "The curve of a “sum” adds a broad label and its finer ones. " : "") +
      "Then the leading label, once with memory and once with every frame taken by itself, as if it were the first. " +
      `At the bottom the hidden state h, ${data.units} units, from −1 (blue) to 1 (amber). Drag, or use the arrow keys and space.`,
  })
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
  const blocks = data.pieces.map(([start, end, answer, cut]) => {
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
      "begins again after it. A double line is a cut. Press a piece to go there.")
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

function comparison(root, data) {
  const box = drawChart(data)
  const svg = box.querySelector("svg")
  svg.append(...data.other.flatMap((values, k) => dashes(values, data.palette[k])))
  const tracks = el("div", { class: "tracks still" }, filmStrip(data), box, el("div", { class: "axis" }, ...timeTicks(data)))
  tracks.style.setProperty("--steps", data.times.length)
  root.append(
    el("div", { class: "controls" }, legend(data)),
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
    return svgEl("polyline", { points: path, stroke: data.palette[k] })
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
  return `The leading label over time: ${[0, ...data.changes].map(at).join(", ")}.`
}

function drawLeaders(data) {
  // Two rows of blocks: steadiness against flicker.
  const row = (name, leading, rate) => {
    const blocks = leading.map((label, t) => {
      const block = el("span", { title: `${seconds(data.times[t])} ${label}` })
      block.style.background = colourOf(data, data.names, label)
      return block
    })
    const note = `${name}: ${rate.toFixed(1)} changes a second`
    return el("div", { class: "leading", role: "img", "aria-label": note }, ...blocks, el("div", { class: "note" }, el("b", {}, note)))
  }
  return el("div", { class: "leaders" }, row("With memory", data.leaders, data.rates[0]), row("Each frame alone", data.alone, data.rates[1]))
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
    dot.style.background = data.palette[k]
    return el("li", {}, dot, data.sums[k] ? `${name} (sum)` : name)
  }))
}

// ── Small things ──────────────────────────────────────────────────────────────────────────────────────────────────

function colourOf(data, names, name) {
  const k = names.indexOf(name)
  return k < 0 ? OTHER : data.palette[k]
}
