// A strip of frames that can be taken apart. What was done goes to the server, which answers with what three cells say.

const PARTS = { memory }

function memory(root, data, signal, component) {
  const strip = el("div", { class: "strip", role: "listbox", "aria-label": "Frames in the order in which they are read", tabindex: "0" })
  const status = el("p", { class: "spoken", role: "status" })
  let chosen = Math.min(window.unrollChosenFrame ?? 0, data.order.length - 1)
  const send = (order, cuts, at) => {
    if (!order.length || order.length > data.longest) return
    window.unrollChosenFrame = Math.max(0, Math.min(at, order.length - 1))
    component.setStateValue("edit", { begin: data.begin, order, cuts })
  }
  const move = (from, to) => {
    const order = [...data.order]
    order.splice(to, 0, ...order.splice(from, 1))
    send(order, data.cuts, to)
  }
  const tools = {
    "✂ Cut before it": () => send(data.order, data.cuts.includes(chosen) ? data.cuts.filter((c) => c !== chosen) : [...data.cuts, chosen], chosen),
    "+ Double it": () => send(data.order.toSpliced(chosen, 0, data.order[chosen]), data.cuts.map((c) => (c > chosen ? c + 1 : c)), chosen + 1),
    "✕ Delete it": () => send(data.order.toSpliced(chosen, 1), data.cuts.map((c) => (c > chosen ? c - 1 : c)), chosen),
    "← Earlier": () => chosen > 0 && move(chosen, chosen - 1),
    "Later →": () => chosen < data.order.length - 1 && move(chosen, chosen + 1),
  }
  const buttons = Object.entries(tools).map(([name, act]) => {
    const button = el("button", { type: "button" }, name)
    button.addEventListener("click", act, { signal })
    return button
  })
  const frames = data.order.map((frame, place) => {
    const cut = data.cuts.includes(place)
    const node = el("div", {
      class: cut ? "frame cut" : "frame", role: "option", id: `frame-${place}`, draggable: "true",
      "aria-label": `Frame ${frame + 1}${cut ? ", after a cut" : ""}`,
    }, el("img", { src: data.pictures[frame], alt: "", draggable: "false" }), el("span", {}, String(frame + 1)))
    node.addEventListener("click", () => choose(place), { signal })
    node.addEventListener("dragstart", (e) => { e.dataTransfer.setData("text/plain", String(place)); e.dataTransfer.effectAllowed = "move" }, { signal })
    node.addEventListener("dragover", (e) => e.preventDefault(), { signal })
    node.addEventListener("drop", (e) => {
      e.preventDefault()
      const from = Number(e.dataTransfer.getData("text/plain"))
      if (Number.isInteger(from) && from !== place) move(from, place)
    }, { signal })
    return node
  })
  const choose = (place) => {
    chosen = Math.max(0, Math.min(place, frames.length - 1))
    window.unrollChosenFrame = chosen
    frames.forEach((node, k) => node.setAttribute("aria-selected", String(k === chosen)))
    strip.setAttribute("aria-activedescendant", `frame-${chosen}`)
    status.textContent = frames[chosen].getAttribute("aria-label")
  }
  strip.addEventListener("keydown", (e) => {
    const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: frames.length - 1 }[e.key]
    if (to !== undefined) choose(to)
    else if (e.key === "Delete") tools["✕ Delete it"]()
    else return
    e.preventDefault()
  }, { signal })
  strip.append(...frames)
  const board = el("div", { class: "board" }, strip, ...rows(data))
  board.style.setProperty("--steps", data.order.length)
  root.append(el("div", { class: "tools", role: "toolbar", "aria-label": "Operations on the chosen frame" }, ...buttons), el("div", { class: "scroller" }, board), status)
  choose(chosen)
}

function rows(data) {
  const labels = [...new Set(data.results.flatMap(([, leading]) => leading))]
  const often = (label) => data.results.reduce((sum, [, leading]) => sum + leading.filter((l) => l === label).length, 0)
  labels.sort((a, b) => often(b) - often(a))
  const colour = (label) => data.palette[labels.indexOf(label)] ?? "var(--unroll-quiet)"
  return data.results.map(([cell, leading, answers]) => {
    const row = el("div", { class: "cell-row", role: "img", "aria-label": `${cell}: ${runs(leading).map(([label, n]) => `${label} for ${n} frames`).join(", ")}` })
    for (const [label, count, first] of runs(leading)) {
      const block = el("span", { title: `${cell}: ${answers[first]}` }, el("b", {}, label))
      block.style.gridColumn = `span ${count}`
      block.style.setProperty("--colour", colour(label))
      row.append(block)
    }
    return el("div", {}, el("p", { class: "cell-name" }, cell), row)
  })
}

function runs(leading) {
  const found = []
  leading.forEach((label, k) => (found.at(-1)?.[0] === label ? (found.at(-1)[1] += 1) : found.push([label, 1, k])))
  return found
}
