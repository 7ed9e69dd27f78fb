// What every page of the portal does: keeps the service worker, and forgets what the
// phone holds when somebody signs out. Without this file every page works.
"use strict";
(function () {
  if ("serviceWorker" in navigator) {
    window.addEventListener("load", () => { navigator.serviceWorker.register("/sw.js", { scope: "/" }).catch(() => {}); });
  }
  // The answer to a sign-out says so too (Clear-Site-Data); not every browser does it.
  document.querySelectorAll("form[data-forget]").forEach((form) => form.addEventListener("submit", () => {
    if (navigator.serviceWorker && navigator.serviceWorker.controller) navigator.serviceWorker.controller.postMessage("forget");
    if (window.caches) caches.delete("card").catch(() => {});
  }));
  // A phone that two holders use shows neither the other's code, also where a sign-out
  // did not come to its end or a session just ran out.
  const whose = document.body.dataset.whose;
  if (window.caches && whose) ["/card/code", "/card/codes"].forEach(async (path) => {
    try {
      const kept = await caches.match(path, { cacheName: "card" });
      if (kept && !(await kept.text()).includes(whose)) await caches.delete("card");
    } catch (error) { /* a browser that keeps nothing */ }
  });
  // The office took the card back: no code stays on this phone.
  if (window.caches && document.querySelector("[data-forget-code]")) caches.delete("card").catch(() => {});
  // A form is sent once, however often its button is pressed while a bad network takes
  // its time. What another script held back was not sent: those listen at the form.
  const TIRED = 15000; // ms, then it may be sent again: an answer may be lost, or a file
  function free(form) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
  window.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
    window.setTimeout(free, TIRED, form);
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(free)); // by the way back
  // A clock that runs: a screenshot of the identification stands still.
  document.querySelectorAll("[data-clock]").forEach((at) => {
    const zone = at.dataset.clock, lang = document.documentElement.lang;
    const format = new Intl.DateTimeFormat(lang, { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    const tick = () => { at.textContent = format.format(new Date()); };
    tick();
    window.setInterval(tick, 1000);
  });
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", () => navigator.clipboard.writeText(button.dataset.copy).then(() => { button.textContent = button.dataset.done; }));
  });
  document.querySelectorAll("[data-share]").forEach((button) => {
    button.hidden = !navigator.share;
    button.addEventListener("click", () => navigator.share({ text: button.dataset.share }).catch(() => {}));
  });
})();
