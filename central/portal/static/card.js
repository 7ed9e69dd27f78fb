// The day's code on the holder's phone: drawn here, so that it works without a
// network, and of a live code made here, a new tag every 15 seconds. Without this
// file the page shows what central drew, as long as there is a network.
"use strict";
(function () {
  const root = document.getElementById("code");
  if (!root || !window.turnstileQR) return;
  const part = (id) => document.getElementById(id);
  const panel = root.querySelector(".symbol"), slots = root.querySelector(".slot"), bar = slots.querySelector("i");
  const SLOT = 15000, REFRESH = 30000, DRIFT = 15000;
  let codes = null, standing = "good", kept = false, asked = 0, drawn = "", busy = false;
  // What to add to the phone's clock for central's, and how that clock stood against the
  // phone's stopwatch when this was learnt.
  let offset = 0, steady = 0;
  let rolling = false; // a day ended, and central is being asked for the next one's code

  // What central drew is of the day it drew it on: a page that the phone kept may be old.
  if (Date.now() < Number(root.dataset.begin) || Date.now() >= Number(root.dataset.end)) panel.hidden = true;

  function note(name, on) {
    const at = root.querySelector("[data-note=" + name + "]");
    if (at && at.hidden === on) at.hidden = !on; // what is said already is not said again
  }

  async function load() {
    const before = Date.now();
    asked = before;
    let answer;
    try {
      answer = await fetch("/card/codes", { headers: { Accept: "application/json" }, cache: "no-store" });
    } catch (error) {
      if (!codes) codes = [];
      rolling = false;
      kept = true;
      return show();
    }
    if (answer.status === 401) {
      await forget();
      location.assign("/sign-in?next=%2Fcard%2Fcode");
      return undefined;
    }
    rolling = false;
    if (!answer.ok) { if (!codes) codes = []; return show(); }
    const body = await answer.json();
    kept = answer.headers.get("X-Kept") === "1";
    if (body.whose !== document.body.dataset.whose) return another();
    if (!kept) {
      offset = body.now - (before + Date.now()) / 2;
      steady = Date.now() - performance.now();
    }
    codes = body.codes;
    standing = body.standing;
    if (["revoked", "off", "gone"].includes(standing)) await forget();
    if (standing === "gone") location.replace("/card"); // which says why
    return show();
  }

  // another is what to do with another holder's codes: they were kept by this phone, or
  // this page was.
  async function another() {
    await forget();
    if (kept) return show();
    location.reload();
    return undefined;
  }

  async function forget() {
    codes = [];
    if (window.caches) await caches.delete("card").catch(() => {});
  }

  // now is central's time as this page has heard it; the phone's own, if it has not, or
  // if somebody set the phone's clock since and there is no network to ask.
  function now() {
    if (kept && Math.abs(Date.now() - performance.now() - steady) > DRIFT) offset = 0;
    return Date.now() + offset;
  }

  async function show() {
    if (busy || codes === null) return;
    busy = true;
    try { await draw(); } finally { busy = false; }
  }

  async function draw() {
    const at = now(), good = standing === "good";
    const code = good ? codes.find((c) => c.begin <= at && at < c.end) : undefined;
    const over = code && at >= code.until;
    // A day ended that had not when central was asked last.
    const rolled = good && !code && codes.some((c) => c.end <= at && asked + offset < c.end);
    rolling = rolling || rolled;
    note("early", !!code && at < code.from);
    note("over", !!over);
    note("revoked", standing === "revoked");
    note("held", standing === "held");
    note("kept", kept && !!code);
    note("none", good && !code && !rolling);
    note("drift", Math.abs(offset) > DRIFT);
    note("bright", !!code && !over);
    note("live", !!code && !!code.live && !over);
    panel.hidden = !code || over;
    if (!code || over) {
      drawn = "";
      part("symbol").replaceChildren();
      // Days that are over go from the phone.
      if (codes.length > 0 && codes.every((c) => at >= c.end)) await forget();
      if (rolled || !code && good && Date.now() - asked > REFRESH) load();
      return;
    }
    part("day").textContent = code.title;
    part("hours").textContent = code.hours;
    slots.hidden = !code.live;
    if (code.live) bar.style.transform = "scaleX(" + (1 - (at % SLOT) / SLOT) + ")";
    const text = code.live ? await live(code.live, Math.floor(at / SLOT)) : code.text;
    if (text === drawn) return;
    turnstileQR.draw(part("symbol"), text, root.dataset.label);
    drawn = text;
  }

  // live is the code of a slot, as central/pass/FORMAT.md has it.
  let made = { slot: -1, body: "", text: "" };
  async function live(pass, slot) {
    if (made.slot === slot && made.body === pass.body) return made.text;
    const body = bytes(pass.body), message = new Uint8Array(14 + 4 + body.length);
    message.set(new TextEncoder().encode("campus-live/1\0"));
    new DataView(message.buffer).setUint32(14, slot);
    message.set(body, 18);
    const key = await crypto.subtle.importKey("raw", bytes(pass.key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const tag = new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
    const raw = new Uint8Array(96);
    raw.set(body);
    raw.set(bytes(pass.signature), 24);
    new DataView(raw.buffer).setUint16(88, slot & 0xffff);
    raw.set(tag.subarray(0, 6), 90);
    made = { slot, body: pass.body, text: base32(raw) };
    return made.text;
  }

  function bytes(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); }

  function base32(raw) {
    let out = "", bits = 0, value = 0;
    for (const b of raw) {
      value = (value << 8 | b) & 0xffff;
      for (bits += 8; bits >= 5; bits -= 5) out += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value >> (bits - 5) & 31];
    }
    return bits > 0 ? out + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value << (5 - bits) & 31] : out;
  }

  // The screen stays on while the code is looked at.
  async function awake() {
    if (navigator.wakeLock && document.visibilityState === "visible") await navigator.wakeLock.request("screen").catch(() => {});
  }

  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") { awake(); load(); } });
  window.addEventListener("online", load);
  window.addEventListener("resize", () => { drawn = ""; show(); });
  window.setInterval(() => {
    if (document.visibilityState !== "visible") return;
    if (Date.now() - asked >= REFRESH) load(); else show();
  }, 1000);
  awake();
  load();
})();
