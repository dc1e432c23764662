// The labels by group. A search finds a label by words of its own name, of its group, or of a broader label.

const PARTS = { labels }
const ALL_OPEN = 100 // with more labels than this, the groups are closed until something is searched

function labels(root, data, signal) {
  const broader = broaderNames(data.finer)
  const total = data.groups.reduce((sum, [, names]) => sum + names.length, 0)
  const field = el("input", { type: "search", class: "search", placeholder: `Search the ${total} labels`, "aria-label": "Search the labels" })
  const count = el("p", { class: "caption", role: "status" })
  const search = (text) => {
    field.value = text
    field.dispatchEvent(new Event("input"))
  }
  const groups = data.groups.map(([group, names]) => labelGroup(group, names, data.finer, broader, search))
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean)
    const found = groups.map((group) => group.show(words, total <= ALL_OPEN)).reduce((a, b) => a + b, 0)
    count.textContent = countText(found, total, words)
  }
  field.addEventListener("input", show, { signal })
  root.append(field, count, ...groups.map(({ box }) => box))
  show()
}

function countText(found, total, words) {
  if (!words.length) return `${total} labels. A broad label covers finer ones: press it to see them.`
  return found ? `${found} of ${total} labels` : "No label fits; an action without a label gets the nearest one, or “not sure”."
}

function labelGroup(group, names, finer, broader, search) {
  const rows = names.map((name) => {
    const item = finer[name] ? el("li", {}, broadLabel(name, finer[name].length, search)) : el("li", {}, name)
    return { item, fields: [name, group, ...(broader[name] ?? [])].map((field) => field.toLowerCase()) }
  })
  const size = el("span", { class: "size" })
  const box = el("details", {}, el("summary", {}, group, " ", size), el("ul", {}, ...rows.map(({ item }) => item)))
  const show = (words, open) => {
    rows.forEach((row) => (row.item.hidden = !row.fields.some((field) => words.every((word) => field.includes(word)))))
    const found = rows.filter((row) => !row.item.hidden).length
    size.textContent = found
    box.hidden = !found
    box.open = open || words.length > 0
    return found
  }
  return { box, show }
}

function broadLabel(name, count, search) {
  const button = el("button", { type: "button", class: "broad" }, name, el("span", { class: "size" }, ` ${count} finer`))
  button.addEventListener("click", () => search(name))
  return button
}

function broaderNames(finer) {
  const broader = {}
  for (const [broad, names] of Object.entries(finer)) names.forEach((name) => (broader[name] ??= []).push(broad))
  return broader
}
