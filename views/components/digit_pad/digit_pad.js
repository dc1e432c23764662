// A sheet to draw a digit on. What was drawn goes to the server when the pen is lifted: as 784 grey values.

const PARTS = { drawing }
const SIDE = 28
// Digits as a few strokes on a 100 x 100 sheet, for those who would rather look than draw.
const STROKES = {
  0: ["M50 12 C22 12 22 88 50 88 C78 88 78 12 50 12"],
  1: ["M36 28 L54 12 L54 88"],
  2: ["M28 30 C32 6 74 8 70 36 C68 54 40 66 28 86 L74 86"],
  3: ["M30 16 C76 4 76 46 48 47 C82 48 78 96 28 84"],
  4: ["M60 12 L24 62 L78 62", "M60 40 L60 90"],
  5: ["M72 14 L36 14 L32 44 C82 34 84 92 28 84"],
  6: ["M64 12 C30 30 22 88 52 88 C82 86 74 46 34 58"],
  7: ["M26 14 L74 14 L42 88"],
  8: ["M50 48 C20 38 28 12 50 12 C72 12 80 38 50 48 C16 58 26 88 50 88 C74 88 84 58 50 48"],
  9: ["M68 34 C64 4 28 10 32 36 C36 56 66 54 68 34 C70 60 64 78 56 90"],
}

function drawing(root, data, signal, component) {
  const sheet = el("canvas", { class: "sheet", width: 280, height: 280, role: "img", "aria-label": "A sheet to draw a digit on" })
  const clear = el("button", { type: "button" }, "Clear")
  const examples = Object.keys(STROKES).map((digit) => {
    const button = el("button", { type: "button", "aria-label": `Write a ${digit}` }, digit)
    button.addEventListener("click", () => { wipe(); for (const path of STROKES[digit]) pen.stroke(scaled(path)); send() }, { signal })
    return button
  })
  root.append(sheet, el("div", { class: "row" }, ...examples, clear))
  const pen = sheet.getContext("2d", { willReadFrequently: true })
  let last = null
  const wipe = () => { pen.fillStyle = "#000"; pen.fillRect(0, 0, 280, 280) }
  const at = (e) => {
    const box = sheet.getBoundingClientRect()
    return [((e.clientX - box.left) / box.width) * 280, ((e.clientY - box.top) / box.height) * 280]
  }
  Object.assign(pen, { strokeStyle: "#fff", lineWidth: 26, lineCap: "round", lineJoin: "round" })
  wipe()
  if (window.unrollSheet) pen.putImageData(window.unrollSheet, 0, 0) // the page was run again: the drawing stays
  sheet.addEventListener("pointerdown", (e) => { sheet.setPointerCapture(e.pointerId); last = at(e); dot(e) }, { signal })
  sheet.addEventListener("pointermove", (e) => last && dot(e), { signal })
  sheet.addEventListener("pointerup", () => { last = null; send() }, { signal })
  clear.addEventListener("click", () => {
    wipe()
    window.unrollSheet = null
    component.setStateValue("grey", null)
  }, { signal })
  function dot(e) {
    const now = at(e)
    pen.beginPath()
    pen.moveTo(...last)
    pen.lineTo(...now)
    pen.stroke()
    last = now
  }
  function send() {
    window.unrollSheet = pen.getImageData(0, 0, 280, 280)
    const small = el("canvas", { width: SIDE, height: SIDE }).getContext("2d")
    small.imageSmoothingQuality = "high"
    small.drawImage(sheet, 0, 0, SIDE, SIDE)
    const pixels = small.getImageData(0, 0, SIDE, SIDE).data
    component.setStateValue("grey", Array.from({ length: SIDE * SIDE }, (_, k) => pixels[4 * k]))
  }
}

function scaled(path) {
  const large = new Path2D()
  large.addPath(new Path2D(path), new DOMMatrix().scale(2.8))
  return large
}
