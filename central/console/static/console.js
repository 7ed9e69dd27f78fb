// Makes parts of a page fresh when central says that something changed. A part
// with data-live="TOPIC" fetches itself (hx-get, hx-trigger="live") on a ping.
// Without this file every page works; it shows what stood there when it was loaded.
"use strict";
// A drawing that is wider than the page opens where it tells something, not at midnight.
document.querySelectorAll(".plot").forEach((plot) => {
  const mark = plot.querySelector(".here") || Array.from(plot.querySelectorAll("g[class^=s] rect")).pop();
  if (!mark || plot.scrollWidth <= plot.clientWidth) return;
  const at = mark.getBoundingClientRect(), box = plot.getBoundingClientRect();
  plot.scrollLeft += at.left + at.width / 2 - box.left - box.width * 0.7;
});
(function () {
  const parts = () => Array.from(document.querySelectorAll("[data-live]"));
  const topics = new Set(parts().map((part) => part.dataset.live));
  if (topics.size === 0 || !window.EventSource) return;
  const source = new EventSource("/office/live?topics=" + encodeURIComponent(Array.from(topics).join(",")));
  const late = new Set(); // parts that were told something while they fetched: what they get may be older
  const refresh = (topic) => parts().forEach((part) => {
    // Somebody who types or reads a menu in the part is not interrupted.
    if ((topic && part.dataset.live !== topic) || part.contains(document.activeElement)) return;
    if (part.classList.contains("htmx-request")) late.add(part.id);
    else htmx.trigger(part, "live");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const id = event.detail.requestConfig.elt.id; // detail.elt is what stands in its place
    // After htmx has settled what came, which may have taken this part's place.
    if (late.delete(id)) setTimeout(() => { const part = document.getElementById(id); if (part) refresh(part.dataset.live); }, 100);
  });
  topics.forEach((topic) => source.addEventListener(topic, () => refresh(topic)));
  source.addEventListener("open", () => {
    document.body.dataset.stream = "open";
    refresh(""); // what happened since the page was made, or while the line was cut
  });
  source.addEventListener("error", () => { document.body.dataset.stream = "lost"; });
  // A page that refreshes itself does not keep a session alive that nobody sits before.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.triggeringEvent && event.detail.triggeringEvent.type === "live") event.detail.headers["X-Unattended"] = "1";
  });
  window.addEventListener("pagehide", () => source.close());
})();
