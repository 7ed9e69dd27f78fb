// A guest's page. The link's secret stands behind the #, which no server and no
// referrer sees; this hands it in with a form, draws the code, and keeps it for the
// way, where there may be no network. Without this file there is a field to paste the
// link into.
"use strict";
(function () {
  const root = document.getElementById("guest");
  if (!root || !window.turnstileQR) return;
  const part = (id) => document.getElementById(id);
  const token = location.hash.slice(1), REFRESH = 30000;
  if (!token) return;
  let shown = null, kept = false, drawn = "";
  part("ask").hidden = true;

  function note(name, on) {
    const at = root.querySelector("[data-note=" + name + "]");
    if (at && at.hidden === on) at.hidden = !on;
  }

  // The key does not tell the token.
  async function key() {
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
    return "/g/kept/" + Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("");
  }

  // A phone whose storage is full or forbidden keeps nothing, and shows the code all the same.
  const store = (body) => keep(body).catch(() => {});

  async function keep(body) {
    if (!window.caches) return;
    const cache = await caches.open("guest"), mine = await key();
    for (const request of await cache.keys()) {
      if (!new URL(request.url).pathname.startsWith("/g/kept/")) continue;
      const old = await (await cache.match(request)).json();
      if (old.end < Date.now()) await cache.delete(request);
    }
    if (body) await cache.put(mine, new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } }));
    else await cache.delete(mine);
  }

  async function stored() {
    try {
      const found = await (await caches.open("guest")).match(await key());
      return found ? await found.json() : null;
    } catch (error) {
      return null;
    }
  }

  async function load() {
    let answer = null;
    try {
      answer = await fetch("/g", { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams({ token }) });
    } catch (error) { /* no network */ }
    if (answer && answer.ok) {
      kept = false;
      shown = await answer.json();
      await store(shown.standing === "good" ? shown : null);
    } else if (answer && answer.status === 404) {
      kept = false;
      shown = { standing: "unknown" };
      await store(null);
    } else if (!shown) {
      shown = await stored();
      kept = !!shown;
    } else kept = true;
    show();
  }

  function show() {
    const good = !!shown && shown.standing === "good", over = good && Date.now() >= shown.end;
    ["ended", "stopped", "unknown"].forEach((name) => note(name, !!shown && shown.standing === name));
    note("failed", !shown);
    note("kept", kept && good && !over);
    note("over", over);
    root.querySelector(".symbol").hidden = part("facts").hidden = !good || over;
    if (!good || over) {
      part("symbol").replaceChildren();
      drawn = "";
      return;
    }
    part("day").textContent = shown.title;
    part("hours").textContent = shown.hours;
    part("name").textContent = shown.name;
    part("place").textContent = shown.place;
    if (drawn !== shown.text) turnstileQR.draw(part("symbol"), shown.text, root.dataset.label);
    drawn = shown.text;
  }

  // The screen stays on while the code is looked at.
  async function awake() {
    if (navigator.wakeLock && document.visibilityState === "visible") await navigator.wakeLock.request("screen").catch(() => {});
  }

  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") { awake(); load(); } });
  window.addEventListener("online", load);
  window.addEventListener("resize", () => { drawn = ""; show(); });
  window.setInterval(() => { if (document.visibilityState === "visible") load(); }, REFRESH);
  awake();
  load();
})();
