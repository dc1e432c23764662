// The samples as a row of thumbnails: one radio group, moved through by the arrow keys.

const PARTS = { samples }

function samples(root, data, signal, component) {
  const group = el("div", { class: "samples", role: "radiogroup", "aria-label": "Samples" })
  const promise = el("p", { class: "promise", id: "promise" })
  const says = Object.fromEntries(data.rows.map(([name, text]) => [name, text]))
  const tell = (name) => (promise.textContent = says[name] ?? "Point at a sample to see what it shows.")
  const buttons = data.rows.map(([name, text, picture, isPhoto], k) => {
    const chosen = name === data.chosen
    const button = el("button", {
      type: "button", class: "sample", role: "radio", "aria-checked": String(chosen), "aria-label": name, title: text,
      tabindex: chosen || (!data.chosen && k === 0) ? "0" : "-1",
    }, picture ? el("img", { src: picture, alt: "" }) : el("span", { class: "none" }), el("span", { class: "name" }, name))
    if (isPhoto) button.classList.add("photo")
    button.addEventListener("click", () => component.setTriggerValue("chosen", name), { signal })
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => tell(name), { signal })
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => tell(data.chosen), { signal })
    return button
  })
  group.addEventListener("keydown", (e) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[e.key]
    const next = move && buttons[buttons.indexOf(e.target) + move]
    if (!next) return
    e.preventDefault()
    next.focus()
  }, { signal })
  group.append(...buttons)
  root.append(group, promise)
  tell(data.chosen)
}
