// A text read token by token: one column a step, with what was likeliest to follow.

const PARTS = { unfolding }

function unfolding(root, data) {
  const columns = data.steps.map(({ text, following, chosen }) => {
    const rows = following.map(([token, p]) => {
      const fill = el("span", { class: "fill" })
      fill.style.width = `${100 * p}%`
      const row = el("li", {}, el("span", { class: "name" }, token || "end"), el("span", { class: "value" }, p.toFixed(2)), el("span", { class: "track" }, fill))
      row.classList.toggle("chosen", token === chosen)
      row.classList.toggle("end", !token)
      return row
    })
    return el("div", { class: "column" }, el("p", { class: "so-far" }, text || "·"), el("ol", {}, ...rows))
  })
  const scroller = el("div", { class: "scroller" }, el("div", { class: "columns" }, ...columns))
  root.append(scroller, el("p", { class: "caption" }, data.caption))
  scroller.scrollLeft = scroller.scrollWidth // the newest step is what was asked about
}
