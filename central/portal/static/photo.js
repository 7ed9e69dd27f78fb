// Cuts a square out of a photo before it is sent: less to send, and the face fills
// it. Without this file central cuts the middle.
"use strict";
(function () {
  const form = document.getElementById("photo"), crop = document.getElementById("crop");
  if (!form || !window.createImageBitmap || !window.DataTransfer) return;
  const input = form.querySelector("[type=file]"), zoom = form.querySelector("[type=range]"), canvas = crop.querySelector("canvas");
  const pen = canvas.getContext("2d"), SIDE = canvas.width;
  let picture = null, x = 0, y = 0, from = null;

  input.addEventListener("change", async () => {
    picture = null;
    try {
      picture = input.files.length ? await createImageBitmap(input.files[0], { imageOrientation: "from-image" }) : null;
    } catch (error) { /* central says what is wrong with it */ }
    crop.hidden = !picture;
    if (!picture) return;
    zoom.value = 100;
    x = picture.width / 2;
    y = Math.min(picture.height / 2, picture.width / 2 + picture.height * 0.1);
    draw();
  });

  const side = () => Math.min(picture.width, picture.height) * 100 / Number(zoom.value);

  function draw() {
    const s = side(), hold = (at, size) => Math.max(s / 2, Math.min(size - s / 2, at));
    x = hold(x, picture.width);
    y = hold(y, picture.height);
    pen.drawImage(picture, x - s / 2, y - s / 2, s, s, 0, 0, SIDE, SIDE);
    pen.strokeStyle = "rgba(255,255,255,.8)";
    pen.lineWidth = 4;
    pen.setLineDash([14, 12]);
    pen.beginPath();
    pen.ellipse(SIDE / 2, SIDE * 0.46, SIDE * 0.24, SIDE * 0.31, 0, 0, 2 * Math.PI);
    pen.stroke();
  }

  function move(dx, dy) {
    const scale = side() / canvas.clientWidth;
    x -= dx * scale;
    y -= dy * scale;
    draw();
  }

  zoom.addEventListener("input", () => { if (picture) draw(); });
  canvas.addEventListener("pointerdown", (event) => { from = event; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !picture) return;
    move(event.clientX - from.clientX, event.clientY - from.clientY);
    from = event;
  });
  ["pointerup", "pointercancel"].forEach((name) => canvas.addEventListener(name, () => { from = null; }));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [12, 0], ArrowRight: [-12, 0], ArrowUp: [0, 12], ArrowDown: [0, -12] }[event.key];
    if (!step || !picture) return;
    event.preventDefault();
    move(step[0], step[1]);
  });

  form.addEventListener("submit", (event) => {
    if (!picture) return;
    event.preventDefault();
    const s = side();
    pen.drawImage(picture, x - s / 2, y - s / 2, s, s, 0, 0, SIDE, SIDE); // without the outline
    canvas.toBlob((blob) => {
      const files = new DataTransfer();
      files.items.add(new File([blob], "photo.jpg", { type: "image/jpeg" }));
      input.files = files.files;
      picture = null; // sent as it is now
      form.dataset.sent = "1"; // see portal.js
      form.setAttribute("aria-busy", "true");
      form.submit();
    }, "image/jpeg", 0.9);
  });
})();
