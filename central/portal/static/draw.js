// Draws a code as a QR symbol on a canvas: black on white whatever the page's colours
// are, each module a whole number of the screen's own pixels. exports is lean-qr's.
window.turnstileQR = {
  draw(place, text, label) {
    const QUIET = 4; // modules, ISO/IEC 18004, 6.3.8
    const level = exports.correction.M;
    const code = exports.generate(exports.mode.alphaNumeric(text), { minCorrectionLevel: level, maxCorrectionLevel: level });
    const side = code.size + 2 * QUIET, scale = window.devicePixelRatio || 1;
    const width = Math.min(place.clientWidth || window.innerWidth, 480);
    const module = Math.max(3, Math.floor(width * scale / side));
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    canvas.width = canvas.height = side * module;
    canvas.style.width = side * module / scale + "px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = "#000";
    for (let y = 0; y < code.size; y++) {
      for (let x = 0; x < code.size; x++) if (code.get(x, y)) pen.fillRect((x + QUIET) * module, (y + QUIET) * module, module, module);
    }
    place.replaceChildren(canvas);
  },
};
