// A caption with its account: the words, what else each could have been, and where the network looked for it.

const PARTS = { photo, words, maps, moments }
const DARK = 0.78 // how much of the light is taken from where the network did not look

// ── The chosen word of a clip's or photo's sentence, shared by the parts through events on the document ───────────

function chosenWord(data, step) {
  const shared = window.unrollWord
  const words = tellingAt(data, step).words
  if (shared && shared.sentence === data.sentence && shared.word < words.length) return shared.word
  return sharpest(words)
}

function choose(data, step, word, touched = true) {
  // A photo is shown as it is until a word is touched.
  const looked = touched || data.kind !== "photo" ? tellingAt(data, step).words[word].looked : null
  window.unrollWord = { sentence: data.sentence, word, looked, touched }
  document.dispatchEvent(new CustomEvent("unroll-word", { detail: window.unrollWord }))
}

function onWord(data, signal, show) {
  document.addEventListener("unroll-word", (e) => e.detail.sentence === data.sentence && show(e.detail.word, e.detail.looked), {
    signal,
  })
}

function tellingAt(data, step) {
  // The sentence after the last frame that was read, up to this step.
  return data.tellings[data.read.findLastIndex((k) => k <= step)]
}

function sharpest(words) {
  // The word whose look was most certain of its place: something to see before anything was touched.
  const peak = words.map((w) => (w.looked && w.word ? Math.max(...w.looked) : 0))
  return peak.indexOf(Math.max(...peak))
}

// ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function photo(root, data, signal) {
  const light = el("canvas", { class: "light", "aria-hidden": "true" })
  const picture = el("img", { src: data.picture, alt: "The picture that is described" })
  const figure = el("figure", { class: "looking" }, picture, light)
  // As wide as its place, but not taller than 26rem: told in CSS by width alone, so that the light lies exactly on it.
  picture.onload = () => (figure.style.width = `min(100%, ${(26 * picture.naturalWidth) / picture.naturalHeight}rem)`)
  root.append(figure)
  const show = (looked) => drawLight(light, looked, data.grid)
  onWord(data, signal, (_, looked) => show(looked))
  const shared = window.unrollWord
  show(shared && shared.sentence === data.sentence ? shared.looked : data.looked)
}

function words(root, data, signal) {
  const when = el("p", { class: "when" })
  const sentence = el("p", { class: "sentence", role: "group", "aria-label": "The sentence; each word can be opened" })
  const chosen = el("p", { class: "when chosen" })
  const bars = el("ol", { class: "bars" })
  const notes = el("span", { class: "notes" })
  const copy = el("button", { class: "copy", type: "button" }, "Copy")
  root.append(when, sentence, chosen, bars, el("p", { class: "foot" }, notes, copy))
  let step = 0
  const open = (word) => {
    const telling = tellingAt(data, step)
    const said = telling.words[word]
    ;[...sentence.children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === word)))
    const before = telling.words.slice(0, word).map((w) => w.word).join(" ")
    chosen.textContent = before ? `After “${before}” it could have gone on with` : "It could have begun with"
    bars.replaceChildren(...[[said.word, said.p], ...said.others].map(([name, p], k) => bar(name, p, k === 0)))
  }
  onStep(data, signal, (now) => {
    step = now
    const telling = tellingAt(data, step)
    when.textContent = (telling.sure ? "" : "A guess. ") + whenText(data, step)
    sentence.classList.toggle("unsure", !telling.sure)
    sentence.replaceChildren(...telling.words.map((w, k) => wordButton(w, () => choose(data, step, k))))
    notes.textContent = `Confidence ${telling.confidence.toFixed(2)}; I call it a guess below ${data.threshold.toFixed(2)}.`
    const shared = window.unrollWord
    choose(data, step, chosenWord(data, step), shared?.sentence === data.sentence && shared.touched)
  })
  onWord(data, signal, open)
  open(chosenWord(data, step))
  sentence.addEventListener("keydown", (e) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[e.key]
    const next = move && sentence.children[[...sentence.children].indexOf(e.target) + move]
    if (next) next.focus()
  }, { signal })
  copy.addEventListener("click", () => {
    const text = tellingAt(data, step).words.map((w) => w.word).join(" ").trim()
    navigator.clipboard.writeText(text).then(() => (copy.textContent = "Copied"), () => (copy.textContent = "Not allowed here"))
    setTimeout(() => (copy.textContent = "Copy"), 1500)
  }, { signal })
}

function maps(root, data, signal) {
  const pictures = data.tellings[0].words.map((w, k) => {
    const light = el("canvas", { class: "light", "aria-hidden": "true" })
    drawLight(light, w.looked, data.grid)
    const figure = el("button", { class: "map", type: "button", "aria-label": `Where it looked for ${w.word || "the end"}` },
      el("span", { class: "looking" }, el("img", { src: data.picture, alt: "" }), light),
      el("span", { class: "said" }, w.word || "(end)"), el("span", { class: "value" }, w.p.toFixed(2)))
    figure.addEventListener("click", () => choose(data, 0, k), { signal })
    return figure
  })
  root.append(el("div", { class: "maps" }, ...pictures),
    el("p", { class: "caption" }, "Where the network looked before each word: bright is where its attention went. The number is the word’s probability."))
  onWord(data, signal, (word) => pictures.forEach((p, k) => p.setAttribute("aria-pressed", String(k === word))))
}

function moments(root, data, signal) {
  const texts = data.times.map((_, step) => tellingAt(data, step).words.map((w) => w.word).join(" ").trim())
  const looks = el("div", { class: "looks" })
  const history = el("ol", { class: "history" })
  timeAxis(root, data, signal, {
    rows: [looks],
    beside: "",
    label: () => "",
    caption:
      "Top: the frames that were read. Below, one line a word: which frames the network looked at before it said the word. " +
      "A sentence exists after every frame; move the cursor to see it as it stood then.",
  })
  const changes = texts.map((_, t) => t).filter((t) => t === 0 || texts[t] !== texts[t - 1])
  history.append(...changes.map((t) => {
    const jump = el("button", { type: "button" }, el("span", { class: "value" }, seconds(data.times[t])), texts[t])
    jump.addEventListener("click", () => moveTo(data, t, "hand"), { signal })
    return el("li", {}, jump)
  }))
  root.append(el("p", { class: "when" }, "How the sentence changed"), history)
  let rows = []
  onStep(data, signal, (step) => {
    rows = tellingAt(data, step).words.map((w, k) => {
      const cells = data.film.map(([, span], n) => {
        const cell = el("span", {})
        const share = w.looked && n < w.looked.length ? w.looked[n] : 0
        cell.style.gridColumn = `span ${span}`
        cell.style.opacity = Math.min(1, share * Math.sqrt(w.looked?.length ?? 1)).toFixed(3)
        return cell
      })
      const row = el("div", { class: "look" }, ...cells, el("div", { class: "note" }, el("b", {}, w.word || "(end)")))
      row.addEventListener("pointerenter", () => choose(data, step, k))
      return row
    })
    looks.replaceChildren(...rows)
    const current = changes.filter((t) => t <= step).length - 1
    ;[...history.children].forEach((li, k) => li.classList.toggle("current", k === current))
  })
  onWord(data, signal, (word) => rows.forEach((row, k) => row.classList.toggle("chosen", k === word)))
}

// ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function whenText(data, step) {
  if (data.kind === "photo") return "One picture, one word after another"
  const steps = data.times.length
  return step === steps - 1 ? `After all ${steps} frames` : `After frame ${step + 1} of ${steps}, at ${seconds(data.times[step])}`
}

function wordButton(said, act) {
  const button = el("button", { type: "button", class: said.word ? "word" : "word end" }, said.word || "·")
  button.setAttribute("aria-label", `${said.word || "the end"}, probability ${said.p.toFixed(2)}`)
  button.style.setProperty("--p", said.p)
  for (const event of ["pointerenter", "focus", "click"]) button.addEventListener(event, act)
  return button
}

function bar(name, p, said) {
  const fill = el("span", { class: "fill" })
  fill.style.width = `${100 * p}%`
  const row = el("li", {}, el("span", { class: "name" }, name || "(the end)"), el("span", { class: "value" }, p.toFixed(2)), el("span", { class: "track" }, fill))
  row.classList.toggle("said", said)
  return row
}

function drawLight(canvas, looked, grid) {
  canvas.hidden = !looked
  if (!looked) return
  const [rows, columns] = grid
  const small = new ImageData(columns, rows)
  const peak = Math.max(...looked, 1e-9)
  looked.forEach((share, k) => (small.data[4 * k + 3] = Math.round(255 * DARK * (1 - share / peak))))
  const source = el("canvas", { width: columns, height: rows })
  source.getContext("2d").putImageData(small, 0, 0)
  canvas.width = columns * 16
  canvas.height = rows * 16
  const context = canvas.getContext("2d")
  context.imageSmoothingQuality = "high"
  context.drawImage(source, 0, 0, canvas.width, canvas.height)
}
